"""Clients that are slow on purpose: they send byte by byte, or never read."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from tests.support.waiting import NEVER_SECONDS

DRIP_SECONDS = 0.2
RECEIVED = 2**12  # bytes of a receive buffer: what a client leaves unread stays with the server


def connect(port: int) -> socket.socket:
    """A connection whose receive buffer is small."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
    client.settimeout(NEVER_SECONDS)
    client.connect(("127.0.0.1", port))
    return client


@contextmanager
def dripping(port: int, begin: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections that have sent `begin` and send one more byte of a header or body every now and then."""
    over = threading.Event()
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(count)]
        for each in clients:
            each.sendall(begin)

        def drip() -> None:
            while not over.wait(DRIP_SECONDS):
                for each in clients:
                    with suppress(OSError):
                        each.send(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield clients
        finally:
            over.set()
            thread.join()


@contextmanager
def never_reading(port: int, request: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections that ask once and do not read the answer."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(count)]
        for each in clients:
            each.sendall(request)
        yield clients


def last_words(clients: Sequence[socket.socket]) -> list[bytes]:
    """What each was sent until its connection ended. Raises AssertionError for one that does not end."""
    return [_rest(each) for each in clients]


def _rest(client: socket.socket) -> bytes:
    found = b""
    try:
        while piece := client.recv(2**16):
            found += piece
    except ConnectionResetError:
        pass
    except TimeoutError:
        raise AssertionError(f"a connection is still open; it was sent {found[:200]!r}") from None
    return found
