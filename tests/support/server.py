"""The server as a process of its own: requests to it, its metrics, its memory and its log."""

import base64
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from examples.demo import server as segmenter
from examples.demo.program import ROOT, Program, free_port
from tests.support.waiting import NEVER_SECONDS

MIB = 2**20
STOP_SECONDS = 5.0  # for requests in flight when a test has ended
_KEPT_CONNECTIONS = 4


class Server:
    """A server on a port of loopback. Its connections are kept open and used again."""

    def __init__(self, program: Program, port: int, auth: str = "") -> None:
        self.program = program
        self.port = port
        self._headers = {"Authorization": auth} if auth else {}
        self._pool = urllib3.PoolManager(maxsize=_KEPT_CONNECTIONS, retries=False, timeout=NEVER_SECONDS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.program.process

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.program.running

    @property
    def log(self) -> str:
        """All that it wrote so far."""
        return self.program.log.read_text(errors="replace")

    @property
    def rss(self) -> float:
        """Resident memory [MiB]."""
        return float(psutil.Process(self.program.pid).memory_info().rss) / MIB

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        """The response. Raises AssertionError if there is none."""
        return self._answered("GET", path)

    def post(self, path: str, body: bytes | Any, **headers: str) -> urllib3.BaseHTTPResponse:
        """The response to bytes or to an object in JSON. Raises AssertionError if there is none."""
        return self._answered("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the response; asked again once if the connection breaks. Raises OSError without one."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            response = self._request(method, path, body, sent)
        except urllib3.exceptions.HTTPError:
            try:
                response = self._request(method, path, body, sent)
            except urllib3.exceptions.HTTPError as error:
                raise OSError(f"{method} {path}: {error!r}") from error
        return response.status, response.data

    def json(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        """Status and decoded body of a response in JSON."""
        status, found = self.ask(method, path, None if content is None else json.dumps(content).encode())
        return status, json.loads(found)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that have these labels; 0 where nothing was counted yet."""
        _, text = self.ask("GET", "/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _answered(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._request(method, path, body, headers or {})
        except urllib3.exceptions.HTTPError as error:
            raise AssertionError(f"{method} {path} was not answered: {error!r}") from None

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        sent = {**self._headers, **headers}
        return self._pool.request(method, self.url + path, body=body, headers=sent, redirect=False)


@contextmanager
def run_server(
    model_dir: Path | str, folder: Path = ROOT, /, *, ready: str = "/readyz", **settings: str
) -> Iterator[Server]:
    """Run a server, once it answers `ready`. It trains only where the settings say so, and ends with the block.

    It is started in `folder`, whose code is found first.
    """
    port = free_port()
    user, password = settings.get("BASIC_AUTH_USER", ""), settings.get("BASIC_AUTH_PASS", "")
    auth = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
    environment = {
        "TRAIN_LAUNCHER": "none",
        "RECONCILE_SECONDS": "0",
        "LABEL_STUDIO_HOST": "http://127.0.0.1:1",
        "LOG_FORMAT": "json",
        **settings,
    }
    label_studio = environment.pop("LABEL_STUDIO_HOST")
    with tempfile.TemporaryDirectory(prefix="server-") as logs:
        program = segmenter.program(port, model_dir, label_studio, Path(logs) / "log", **environment)
        program.folder = folder
        program.ready = f"http://127.0.0.1:{port}{ready}"
        server = Server(program, port, auth)
        try:
            program.start(NEVER_SECONDS)
            yield server
        finally:
            server.close()
            program.stop(STOP_SECONDS)
