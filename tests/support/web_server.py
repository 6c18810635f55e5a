"""A real HTTP server on a socket whose answers a test scripts byte by byte, and what it was asked."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "certificate"  # of data.example.org, made for these tests


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Answer = bytes | Iterable[bytes]  # all bytes of the answer; an iterable is sent piece by piece
Script = Callable[[Asked], Answer]


@dataclass
class Web:
    """A running server."""

    scheme: str
    port: int
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


def answer(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """A whole answer that ends the connection; header names are written with underscores."""
    fields = {"Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body


def answer_json(content: object, status: int = 200, **headers: str) -> bytes:
    """A whole JSON answer."""
    return answer(json.dumps(content).encode(), status, Content_Type="application/json", **headers)


@contextmanager
def serve(script: Script, *, secure: bool = False) -> Iterator[Web]:
    """Serve `script` on a free port of loopback until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    web = Web("https" if secure else "http", listener.getsockname()[1])
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE / "cert.pem", CERTIFICATE / "key.pem")
    open_sockets: set[socket.socket] = set()

    def talk(connected: socket.socket) -> None:
        with suppress(OSError, ValueError), connected:
            if context:
                connected = context.wrap_socket(connected, server_side=True)
            open_sockets.add(connected)
            with connected, connected.makefile("rb") as incoming:
                while asked := _read(incoming):
                    web.asked.append(asked)
                    reply = script(asked)
                    for piece in (reply,) if isinstance(reply, bytes) else reply:
                        connected.sendall(piece)
                    if not isinstance(reply, bytes) or b"Connection: close" in reply:
                        return

    def accept() -> None:
        with suppress(OSError):
            while True:
                connected, _ = listener.accept()
                web.connections += 1
                threading.Thread(target=talk, args=(connected,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for each in list(open_sockets):  # the last connection may be adding itself
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _read(incoming: BufferedReader) -> Asked | None:
    line = incoming.readline().decode()
    if not line.strip():
        return None
    method, target, _ = line.split()
    headers = {}
    while line := incoming.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = incoming.read(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)
