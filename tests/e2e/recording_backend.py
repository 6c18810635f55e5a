"""A backend that does nothing: it answers at once, events with 204, and records what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass
class RecordingBackend:
    """What arrived, and what is answered to `/predict` (one entry for every task)."""

    url: str
    requests: list[tuple[str, Json]] = field(default_factory=list)
    prediction: Json = field(default_factory=lambda: {"result": [], "score": 0.5, "model_version": "recorder"})


@contextmanager
def recording_backend() -> Iterator[RecordingBackend]:
    """Serve on a free port of the loopback interface until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.record = RecordingBackend(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.record  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {"status": "UP", "model_class": "Recorder"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        record: RecordingBackend = self.server.record  # type: ignore[attr-defined]
        record.requests.append((self.path, body))
        if self.path == "/predict":
            self._answer(200, {"results": [record.prediction] * len(body["tasks"])})
        elif self.path == "/setup":
            self._answer(200, {"model_version": record.prediction["model_version"]})
        else:
            self._answer(204, None)

    def _answer(self, status: int, body: Json | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Stay silent."""
