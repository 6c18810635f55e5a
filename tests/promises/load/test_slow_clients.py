"""Five hundred clients that send byte by byte or never read, and the others are answered all the same."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.promises.load.messages import VALUES, batch, event
from tests.promises.load.slow_clients import connect, dripping, last_words, never_reading
from tests.support.server import Server, run_server
from tests.support.store import publish_after
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SLOW = 500
PLACES = 8
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{"
CHUNKS = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
ASK = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    publish_after(tmp_path)
    with run_server(tmp_path, CLIENT_TIMEOUT_SECONDS="3", MAX_REQUESTS=str(PLACES)) as server:
        yield server


def assert_it_answers(server: Server) -> None:
    """All that Label Studio needs."""
    assert server.get("/health").status == 200
    assert server.post("/webhook", event()).status == 201
    assert server.post("/predict", batch({"value": VALUES})).json()["results"][0]["result"]


def refused(server: Server, reason: str = "slow") -> int:
    return int(server.metric("tss_requests_refused_total", reason=reason))


def is_busy(server: Server) -> bool:
    return server.post("/predict", batch({"value": VALUES})).status == 503


@pytest.mark.parametrize("begin", [HEAD, BODY, CHUNKS], ids=["head", "body", "chunk"])
def test_requests_that_drip_in_hold_no_place_and_are_cut_off(server: Server, begin: bytes) -> None:
    with dripping(server.port, begin, 500 if begin != CHUNKS else 20) as clients:
        wait_until(lambda: server.metric("tss_connections") + refused(server) > len(clients))  # all are there, or were
        assert_it_answers(server)
        answers = last_words(clients)
    assert all(each.startswith(b"HTTP/1.1 408 ") or b"400" in each[:20] for each in answers)
    wait_until(lambda: server.metric("tss_connections") < 5)
    if begin != CHUNKS:
        assert all(b"CLIENT_TIMEOUT_SECONDS=3" in each for each in answers)
        assert refused(server) == SLOW
    assert_it_answers(server)


def test_silent_connections_are_closed_silently(server: Server) -> None:
    clients = [connect(server.port) for _ in range(20)]
    assert last_words(clients) == [b""] * 20
    for each in clients:
        each.close()
    assert_it_answers(server)


def test_clients_that_never_read_keep_their_place_only_until_they_are_cut_off(tmp_path: Path) -> None:
    publish_after(tmp_path)
    body = batch({"value": [0, 0, 0, 0, 0, 0, 1, 1, 1] * 20_000})  # its answer is larger than what sockets buffer
    request = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with (
        run_server(tmp_path, CLIENT_TIMEOUT_SECONDS="8", MAX_REQUESTS="1") as server,
        never_reading(server.port, request, 1),
    ):
        wait_until(lambda: server.metric("tss_stage_seconds_count", stage="segment") == 1)
        assert is_busy(server)
        assert server.get("/health").status == 200
        assert server.post("/webhook", event()).status == 201
        wait_until(lambda: refused(server) == 1)
        assert_it_answers(server)


def test_five_hundred_that_never_read_small_answers_cost_nothing(server: Server) -> None:
    with never_reading(server.port, ASK, SLOW - PLACES):
        assert_it_answers(server)
        assert server.metric("tss_connections") <= SLOW


def test_an_answer_that_is_taken_slowly_but_in_time_arrives_whole(server: Server) -> None:
    body = batch(*[{"value": VALUES}] * 4000)
    with connect(server.port) as client:
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        (found,) = last_words([client])
    assert found.startswith(b"HTTP/1.1 200")
    assert found.count(b'"model_version"') == 4000


def test_more_connections_than_allowed_cost_those_that_waited_longest(tmp_path: Path) -> None:
    publish_after(tmp_path)
    with ExitStack() as stack, run_server(tmp_path, MAX_CONNECTIONS="20", CLIENT_TIMEOUT_SECONDS="10") as server:
        clients = [stack.enter_context(connect(server.port)) for _ in range(60)]
        assert_it_answers(server)
        assert server.metric("tss_connections") <= 20
        assert refused(server, "connections") >= 40
        assert last_words(clients) == [b""] * 60
        assert_it_answers(server)


def test_requests_sent_without_waiting_for_answers_are_bounded(server: Server) -> None:
    with connect(server.port) as client:
        client.sendall(ASK * 5)
        client.sendall(ASK.replace(b"Host: localhost", b"Host: localhost\r\nConnection: close"))
        assert last_words([client])[0].count(b"HTTP/1.1 200") == 6
    with connect(server.port) as client:
        client.sendall(ASK * 1000)
        assert last_words([client])[0].count(b"HTTP/1.1 200") < 20
    assert_it_answers(server)


@pytest.mark.parametrize(
    "endless",
    [HEAD, b"GET /", CHUNKS + b"1;", CHUNKS + b"0\r\nX-Trailer: "],
    ids=["header", "address", "extension", "trailer"],
)
def test_heads_without_end_are_refused(server: Server, endless: bytes) -> None:
    with connect(server.port) as client:
        client.sendall(endless)
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                client.sendall(b"x" * 2**16)
    assert refused(server, "head") == 1
    assert_it_answers(server)
