"""A forward proxy on a socket: CONNECT and whole http requests, with its own view of names."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ForwardProxy:
    """`hosts`: host:port as asked ► port on loopback; everything else is refused with 403."""

    port: int
    hosts: Mapping[str, int]
    authorization: str = ""  # value of Proxy-Authorization, "" asks for none
    asked: list[str] = field(default_factory=list)  # "CONNECT host:port", "GET http://host/path"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, client: socket.socket) -> None:
        """Serve one connection."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(2**16)
            if not piece:
                return
            head += piece
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split()
        self.asked.append(f"{method} {target}")
        if self.authorization and f"authorization: {self.authorization}".lower() not in head.decode().lower():
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        port = self.hosts.get(place if ":" in place else f"{place}:80")
        if port is None:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                server.sendall(head.replace(target.encode(), path.encode(), 1))
            threading.Thread(target=_copy, args=(client, server), daemon=True).start()
            _copy(server, client)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(2**16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def forward_proxy(hosts: Mapping[str, int], *, authorization: str = "") -> Iterator[ForwardProxy]:
    """A proxy on a free port of loopback until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = ForwardProxy(listener.getsockname()[1], hosts, authorization)

    def talk(client: socket.socket) -> None:
        with suppress(OSError), client:
            proxy.answer(client)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
