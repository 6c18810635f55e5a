"""The processes of a benchmark: a file server that plays Label Studio's storage, servers under test, HTTP clients."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

from examples.demo.program import free_port
from tests.support.server import run_server


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def child(
    arguments: list[str],
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
    folder: Path | None = None,
) -> Iterator[psutil.Process]:
    """A Python process, ended at the end. Its standard error goes to this one's. folder: where it starts."""
    whole = {**os.environ, **(environment or {})}
    process = subprocess.Popen([python, *arguments], env=whole, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve a folder from another process, with connections that stay open; yields the address, with a slash."""
    port = free_port()
    with child(["-m", "benchmarks.processes", str(folder), str(port)]):
        wait_for(port, "/")
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def segmenter_server(
    model_dir: Path, *, ready: str = "/readyz", **settings: str
) -> Iterator[tuple[int, psutil.Process]]:
    """The server of this project on a free port, once it answers `ready`; training off."""
    settings = {"DATA_HOSTS_ALLOWED": "127.0.0.1", "LOG_LEVEL": "error", **settings}
    with run_server(model_dir, ready=ready, **settings) as server:
        yield server.port, psutil.Process(server.process.pid)


@contextmanager
def baseline_server() -> Iterator[tuple[int, psutil.Process]]:
    """The baseline on a free port."""
    port = free_port()
    with child(["-m", "benchmarks.baseline", str(port)]) as process:
        wait_for(port, "/health")
        yield port, process


@contextmanager
def reference_server(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """A backend somebody has, on a free port: `_wsgi.py` of a folder, as those of Label Studio's examples.

    It runs by the Python of the folder's .venv where there is one. Raises TimeoutError where it does not answer.
    """
    port, own = free_port(), folder / ".venv" / "bin" / "python"
    command = [str(folder / "_wsgi.py"), "-p", str(port), "--host", "127.0.0.1", "--log-level", "ERROR"]
    environment = {"LOG_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"}
    python = str(own) if own.exists() else sys.executable
    with child(command, environment, python=python, folder=folder) as process:
        wait_for(port, "/health")
        yield port, process


def wait_for(port: int, path: str, seconds: float = 60) -> None:
    """Ask until the answer is 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with Client(port) as client:
                if client.get(path)[0] == 200:
                    return
        except OSError:
            pass
        time.sleep(0.005)
    raise TimeoutError(f"Nothing answers on port {port} after {seconds:g} s.")


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of any request."""
        self._connection.request(method, path, body or None, {"Accept": "text/html"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def predict(self, body: bytes) -> bytes:
        """Body of the answer of POST /predict. Raises RuntimeError unless it is 200 with a result for each task."""
        self._connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        found = answer.read()
        if answer.status != 200 or b"[[]" in found[:14]:
            raise RuntimeError(f"{answer.status}: {found[:300]!r}")
        return found


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), partial(_Files, directory=sys.argv[1])).serve_forever()
