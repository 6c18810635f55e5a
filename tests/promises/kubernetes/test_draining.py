"""Servers over one store are replaced one after another while requests go on: none fails.

What a cluster does is played by a client that takes turns: a pod that leaves is taken out of the turn, goes on as long
as preStop does, and is sent SIGTERM in the middle of a long request; a new one is let in when /readyz says so.
TEST_OLD_CODE names a folder with an earlier version of the code, for the servers that are replaced.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
import urllib3

from shared.labelling.snapshots import Snapshot
from shared.store.lease import take_lease
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.graphs import make_model
from tests.support.paths import ROOT

REQUESTS = 2400
CLIENTS = 4
OLD_CODE = Path(os.environ.get("TEST_OLD_CODE", ROOT))
CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="json" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
)
TASK = {"id": 1, "data": {"csv_url": {"value": [0.0] * 60 + [1.0] * 20 + [0.0] * 120}}, "project": 3}
LONG = 1000  # tasks of a request that SIGTERM meets


def body(tasks: int) -> bytes:
    return json.dumps({"tasks": [TASK] * tasks, "project": "3.1795475439", "label_config": CONFIG}).encode()


class Turns:
    """Whose turn it is: a tiny load balancer inside the client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._urls: list[str] = []
        self._next = 0

    def let_in(self, url: str) -> None:
        with self._lock:
            self._urls.append(url)

    def take_out(self, url: str) -> None:
        with self._lock:
            self._urls.remove(url)

    def __call__(self) -> str:
        with self._lock:
            self._next += 1
            return self._urls[self._next % len(self._urls)]


@contextmanager
def server(models: Path, code: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server of some code; killed at the end unless it has ended."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(code),
        "MODEL_DIR": str(models),
        "PORT": str(port),
        "TRAIN_LAUNCHER": "none",
        "RECONCILE_SECONDS": "0",
    }
    with subprocess.Popen([sys.executable, "-m", "inference", "serve"], env=environ, cwd=code) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while not is_ready(url):
                assert process.poll() is None
                assert time.monotonic() < deadline, "it was never ready"
                time.sleep(0.05)
            yield url, process
        finally:
            if process.poll() is None:
                process.kill()


def is_ready(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/readyz", retries=False, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@pytest.mark.slow
def test_no_request_fails_while_servers_are_replaced(tmp_path: Path) -> None:
    models = tmp_path / "models"
    storage = open_storage(str(models))
    version = "20260101T000000Z-aaaaaa"
    taken = Snapshot(
        taken_at="2026-01-01T00:00:00+00:00", newest="", tasks=1, annotations=1, digest="aaaaaa", fingerprint=""
    )
    lease = take_lease(storage, 3, "test")
    data = make_model(kind="threshold", project=3, version=version, snapshot=taken)
    assert ModelStore(storage).publish(lease, data).published
    lease.release()
    short, long = body(1), body(LONG)
    turns = Turns()
    lock = threading.Lock()
    answered: list[str] = []
    failed: list[str] = []
    enough = threading.Event()

    def ask() -> None:
        with urllib3.PoolManager(maxsize=4, retries=False, timeout=60) as pool:
            while not enough.is_set():
                url = turns()
                try:
                    reply = pool.request("POST", f"{url}/predict", body=short)
                    good = reply.status == 200 and reply.json()["results"][0]["model_version"] == version
                    said = "" if good else f"{reply.status} {reply.data[:200]!r}"
                except (urllib3.exceptions.HTTPError, LookupError, ValueError) as error:
                    said = repr(error)
                with lock:
                    (failed if said else answered).append(said or url)

    def wait_for(count: int) -> None:
        while len(answered) + len(failed) < count:
            time.sleep(0.02)

    with ExitStack() as stack:
        old = [stack.enter_context(server(models, OLD_CODE)) for _ in range(2)]
        for url, _ in old:
            turns.let_in(url)
        threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            for done, (url, process) in enumerate(old, 1):
                wait_for(done * REQUESTS // 4)
                new, _ = stack.enter_context(server(models, ROOT))  # maxSurge 1, maxUnavailable 0
                turns.let_in(new)
                turns.take_out(url)
                wait_for(len(answered) + 20 * CLIENTS)
                with closing(HTTPConnection(url.removeprefix("http://"))) as leaving:
                    leaving.request("GET", "/health")
                    leaving.getresponse().read()
                    leaving.request("POST", "/predict", body=long)
                    process.send_signal(signal.SIGTERM)
                    assert len(json.loads(leaving.getresponse().read())["results"]) == LONG
                assert process.wait(60) == 0 or OLD_CODE != ROOT, "earlier versions ended with the signal"
            wait_for(max(REQUESTS, len(answered) + REQUESTS // 4))
        finally:
            enough.set()
            for thread in threads:
                thread.join()
    print(f"{len(failed)} failed of {len(failed) + len(answered)} requests; {len(set(answered))} servers answered")
    assert failed == []
    assert len(answered) >= REQUESTS
    assert len(set(answered)) == 4
