"""A real server process, its metrics, and models in its store that are small but real."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import free_port
from shared.labelling.snapshots import Snapshot
from shared.store.lease import take_lease
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.graphs import make_model
from tests.support.paths import ROOT

PROJECT = 3
CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="{kind}" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
)
VALUES = [0.0] * 60 + [1.0] * 20 + [0.0] * 120  # Run where the value is high
STUCK_SECONDS = 30  # a test that waits as long fails: nothing here takes seconds


class Served(NamedTuple):
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        return self._ask("GET", path)

    def post(self, path: str, body: bytes | Any, **headers: str) -> urllib3.BaseHTTPResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", path, body=data, headers=headers, redirect=False)

    def _ask(self, method: str, path: str, **more: Any) -> urllib3.BaseHTTPResponse:
        """An answer. Raises AssertionError if the connection ends without one, or lasts so long that there is none."""
        try:
            return urllib3.request(method, self.url + path, retries=False, timeout=STUCK_SECONDS, **more)
        except urllib3.exceptions.ReadTimeoutError:
            raise AssertionError(f"{method} {path} was not answered within {STUCK_SECONDS} s") from None
        except urllib3.exceptions.ProtocolError as error:
            raise AssertionError(f"{method} {path} was not answered: {error}") from None

    def metric(self, name: str, **labels: str) -> float:
        """A sample of /metrics; 0 where it counted nothing yet."""
        for family in text_string_to_metric_families(self.get("/metrics").data.decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return 0.0


@contextmanager
def serving(model_dir: Path | str, **settings: str) -> Iterator[Served]:
    """A server that trains nothing unless a setting says otherwise; killed at the end if it has not ended."""
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MODEL_DIR": str(model_dir),
        "PORT": str(port),
        "TRAIN_LAUNCHER": "none",
        "RECONCILE_SECONDS": "0",
        "LABEL_STUDIO_HOST": "http://127.0.0.1:1",
        **settings,
    }
    with subprocess.Popen([sys.executable, "-m", "inference", "serve"], env=environ, cwd=ROOT) as process:
        served = Served(port, process)
        try:
            wait_until(lambda: process.poll() is not None or _is_ready(served))
            assert process.poll() is None
            yield served
        finally:
            if process.poll() is None:
                process.kill()


def wait_until(condition: Any, seconds: float = STUCK_SECONDS) -> None:
    """Ask until it is so. Raises AssertionError when that takes so long that it never will be."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.02)


def publish(model_dir: Path | str, second: int = 0, project: int = PROJECT) -> str:
    """Publish a model that finds Run in high values; a later `second` gives a later version. Returns the version."""
    storage = open_storage(str(model_dir))
    version = f"20260101T0000{second:02d}Z-{second:06x}"
    taken = f"2026-01-01T00:00:{second:02d}+00:00"
    snapshot = Snapshot(taken_at=taken, newest="", tasks=1, annotations=1, digest=str(second), fingerprint="")
    lease = take_lease(storage, project, "test")
    data = make_model(kind="threshold", project=project, version=version, snapshot=snapshot)
    assert ModelStore(storage).publish(lease, data).published
    lease.release()
    return version


def batch(*values: Any, kind: str = "json") -> bytes:
    """Body of /predict with a task for each value of `csv_url`: columns, or (kind "url") an address."""
    tasks = [{"id": number, "data": {"csv_url": value}, "project": PROJECT} for number, value in enumerate(values, 1)]
    return json.dumps(
        {"tasks": tasks, "project": f"{PROJECT}.1795475439", "label_config": CONFIG.format(kind=kind)}
    ).encode()


def event(project: int = PROJECT) -> bytes:
    """Body of /webhook after somebody annotated."""
    return json.dumps({"action": "ANNOTATION_CREATED", "project": {"id": project}}).encode()


def _is_ready(served: Served) -> bool:
    try:
        return served.get("/readyz").status == 200
    except urllib3.exceptions.HTTPError:
        return False
