"""The server as a process of its own, what it takes of memory, and what it wrote."""

import base64
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.processes import free_port

MIB = 2**20
PATIENCE = 120.0  # s until a server is ready, or answers


class Server:
    """A running server: requests, resident memory, log."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, port: int, auth: str = "") -> None:
        self.process = process
        self.log_file = log
        self.port = port
        self._auth = auth
        self._memory = psutil.Process(process.pid)
        self._kept = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    @property
    def log(self) -> str:
        """All that it wrote so far."""
        return self.log_file.read_text(errors="replace")

    @property
    def rss(self) -> float:
        """Resident memory [MiB]."""
        return float(self._memory.memory_info().rss) / MIB

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer, over a connection that each thread keeps. Raises OSError if there is none."""
        sent = {"Content-Type": "application/json", **({"Authorization": self._auth} if self._auth else {})}
        for fresh in (False, True):
            try:
                connection = self._connect(fresh=fresh)
                connection.request(method, path, body, sent | dict(headers or {}))
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError) as error:
                if fresh:
                    raise OSError(f"{method} {path}: {error!r}") from error
        raise AssertionError("unreachable")

    def json(self, method: str, path: str, content: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded body of an answer in JSON."""
        body = None if content is None else json.dumps(content).encode()
        status, answer = self.ask(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        return status, json.loads(answer)

    def metric(self, name: str) -> float:
        """Sum of a metric's series."""
        _, text = self.ask("GET", "/metrics")
        found = re.findall(rf"^{name}(?:{{[^\n]*}})? ([^\s]+)$", text.decode(), re.MULTILINE)
        return sum(map(float, found))

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()

    def _connect(self, *, fresh: bool) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is None:
            kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            self._kept.connection = kept
            self._connections.append(kept)
        elif fresh:
            kept.close()  # it connects anew by itself
        return kept


class Peak:
    """The largest resident memory of a server while the block runs [MiB]."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.peak = server.rss

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def grown(self) -> float:
        """How far it rose above what it was [MiB]."""
        return self.peak - self.before

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            try:
                self.peak = max(self.peak, self._server.rss)
            except psutil.Error:
                return


@contextmanager
def run_server(model_dir: Path | str, **settings: str) -> Iterator[Server]:
    """A server on a free port of loopback, ready; training off unless the settings say otherwise."""
    port = free_port()
    environment = {
        **{name: text for name, text in os.environ.items() if name != "LABEL_STUDIO_API_KEY"},
        "MODEL_DIR": str(model_dir), "PORT": str(port), "TRAIN_LAUNCHER": "none", "RECONCILE_SECONDS": "0",
        "LABEL_STUDIO_HOST": "http://127.0.0.1:1", "LOG_FORMAT": "json", **settings,
    }  # fmt: skip
    user, password = settings.get("BASIC_AUTH_USER", ""), settings.get("BASIC_AUTH_PASS", "")
    auth = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as written:
            command = [sys.executable, "-m", "inference", "serve"]
            process = subprocess.Popen(command, env=environment, stdout=written, stderr=subprocess.STDOUT)
        server = Server(process, log, port, auth)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            server.close()
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(server: Server) -> None:
    end = time.monotonic() + PATIENCE
    while server.alive and time.monotonic() < end:
        with suppress(OSError):
            if server.ask("GET", "/readyz")[0] == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"The server is not ready: {server.log[-2000:]}")
