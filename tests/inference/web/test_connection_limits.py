import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from inference.web.connection_limits import ConnectionLimits, make_protocol
from tests.support.waiting import NEVER_SECONDS, wait_until


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the names of the headers, once the body is whole."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(0.05)
    names = b" ".join(name for name, _ in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(names))]})
    await send({"type": "http.response.body", "body": names})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    limits = ConnectionLimits(8, NEVER_SECONDS, lambda _: None, lambda _: None)
    config = uvicorn.Config(
        echo, http=make_protocol(limits), ws="none", lifespan="off", log_config=None, date_header=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: server.started)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def ask(port: int, *parts: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=NEVER_SECONDS) as connection:
        for part in parts:
            connection.sendall(part)
        return connection.recv(65536)


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("name", [b"Authorization", b"Origin", b"Sec-Fetch-Site", b"Host", b"X"])
def test_a_header_in_a_trailer_counts_for_nothing(port: int, name: bytes) -> None:
    trailer = b"0\r\n" + name + b": same-origin\r\n\r\n"
    plain = ask(port, HEAD + b"2\r\n{}\r\n0\r\n\r\n")
    for parts in ((HEAD + b"2\r\n{}\r\n" + trailer,), (HEAD + b"2\r\n{}\r\n", trailer)):
        assert ask(port, *parts) == plain
    assert plain.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "tail",
    [b"0\r\nX", b"0\r\n: \r\n\r\n", b"0\r\nX y\r\n\r\n", b"0\r\nX: \x00\r\n\r\n", b"-1\r\n\r\n", b"0;" + b"x" * 10**5],
)
def test_odd_and_truncated_trailers_are_the_clients_mistake(port: int, tail: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=NEVER_SECONDS) as connection:
        connection.sendall(HEAD + b"2\r\n{}\r\n" + tail)
        connection.shutdown(socket.SHUT_WR)
        found = connection.recv(65536)
    assert not found or found.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4")), found
    assert ask(port, HEAD + b"0\r\n\r\n").startswith(b"HTTP/1.1 200")
