"""Servers over one store are replaced one after another while requests go on: none fails.

What a cluster does is played by a client that takes turns: a pod that leaves is taken out of the turn, goes on as long
as preStop does, and is sent SIGTERM in the middle of a long request; a new one is let in when /readyz says so.
TEST_OLD_CODE names a folder with an earlier version of the code, for the servers that are replaced.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
import urllib3

from tests.support.paths import ROOT
from tests.support.server import run_server
from tests.support.store import VERSION, publish_model
from tests.support.waiting import NEVER_SECONDS, wait_until

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
        self._asked: Counter[str] = Counter()  # requests that are on their way or will be in a moment
        self._next = 0

    def let_in(self, url: str) -> None:
        with self._lock:
            self._urls.append(url)

    def take_out(self, url: str) -> None:
        with self._lock:
            self._urls.remove(url)

    def is_left(self, url: str) -> bool:
        return not self._asked[url]

    @contextmanager
    def turn(self) -> Iterator[str]:
        with self._lock:
            self._next += 1
            url = self._urls[self._next % len(self._urls)]
            self._asked[url] += 1
        try:
            yield url
        finally:
            with self._lock:
                self._asked[url] -= 1


@pytest.mark.slow
def test_no_request_fails_while_servers_are_replaced(tmp_path: Path) -> None:
    models = tmp_path / "models"
    publish_model(models, version=VERSION)
    short, long = body(1), body(LONG)
    turns = Turns()
    lock = threading.Lock()
    answered: list[str] = []
    failed: list[str] = []
    enough = threading.Event()

    def ask() -> None:
        with urllib3.PoolManager(maxsize=4, retries=False, timeout=NEVER_SECONDS) as pool:
            while not enough.is_set():
                with turns.turn() as url:
                    try:
                        reply = pool.request("POST", f"{url}/predict", body=short)
                        good = reply.status == 200 and reply.json()["results"][0]["model_version"] == VERSION
                        said = "" if good else f"{reply.status} {reply.data[:200]!r}"
                    except (urllib3.exceptions.HTTPError, LookupError, ValueError) as error:
                        said = repr(error)
                with lock:
                    (failed if said else answered).append(said or url)

    def wait_for(count: int) -> None:
        while len(answered) + len(failed) < count:
            time.sleep(0.02)

    with ExitStack() as stack:
        old = [stack.enter_context(run_server(models, OLD_CODE)) for _ in range(2)]
        for each in old:
            turns.let_in(each.url)
        threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            for done, each in enumerate(old, 1):
                wait_for(done * REQUESTS // 4)
                new = stack.enter_context(run_server(models))  # maxSurge 1, maxUnavailable 0
                turns.let_in(new.url)
                turns.take_out(each.url)
                wait_for(len(answered) + 20 * CLIENTS)
                wait_until(lambda url=each.url: turns.is_left(url))  # type: ignore[misc]
                with closing(HTTPConnection("127.0.0.1", each.port)) as leaving:
                    leaving.request("GET", "/health")
                    leaving.getresponse().read()
                    leaving.request("POST", "/predict", body=long)
                    each.process.send_signal(signal.SIGTERM)
                    assert len(json.loads(leaving.getresponse().read())["results"]) == LONG
                ended = each.process.wait(NEVER_SECONDS)
                assert ended == 0 or OLD_CODE != ROOT, "earlier versions ended with the signal"
            wait_for(max(REQUESTS, len(answered) + REQUESTS // 4))
        finally:
            enough.set()
            for thread in threads:
                thread.join()
    print(f"{len(failed)} failed of {len(failed) + len(answered)} requests; {len(set(answered))} servers answered")
    assert failed == []
    assert len(answered) >= REQUESTS
    assert len(set(answered)) == 4
