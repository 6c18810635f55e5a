"""Five hundred clients that send byte by byte or never read, and the others are answered all the same."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.promises.load.server import VALUES, Served, batch, event, publish, serving, wait_until
from tests.promises.load.slow_clients import connect, dripping, last_words, never_reading

SLOW = 500
PLACES = 8
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nX-Slow: "
BODY = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{"
CHUNKS = b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
ASK = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    publish(tmp_path)
    with serving(tmp_path, CLIENT_TIMEOUT_SECONDS="3", MAX_REQUESTS=str(PLACES)) as served:
        yield served


def assert_it_answers(served: Served) -> None:
    """All that Label Studio needs."""
    assert served.get("/health").status == 200
    assert served.post("/webhook", event()).status == 201
    assert served.post("/predict", batch({"value": VALUES})).json()["results"][0]["result"]


def refused(served: Served, reason: str = "slow") -> int:
    return int(served.metric("tss_requests_refused_total", reason=reason))


def is_busy(served: Served) -> bool:
    return served.post("/predict", batch({"value": VALUES})).status == 503


@pytest.mark.parametrize("begin", [HEAD, BODY, CHUNKS], ids=["head", "body", "chunk"])
def test_requests_that_drip_in_hold_no_place_and_are_cut_off(served: Served, begin: bytes) -> None:
    with dripping(served.port, begin, 500 if begin != CHUNKS else 20) as clients:
        wait_until(lambda: served.metric("tss_connections") > len(clients))
        assert_it_answers(served)
        answers = last_words(clients)
    assert all(each.startswith(b"HTTP/1.1 408 ") or b"400" in each[:20] for each in answers)
    wait_until(lambda: served.metric("tss_connections") < 5)
    if begin != CHUNKS:
        assert all(b"CLIENT_TIMEOUT_SECONDS=3" in each for each in answers)
        assert refused(served) == SLOW
    assert_it_answers(served)


def test_connections_that_say_nothing_are_closed_without_a_word(served: Served) -> None:
    clients = [connect(served.port) for _ in range(20)]
    assert last_words(clients) == [b""] * 20
    for each in clients:
        each.close()
    assert_it_answers(served)


def test_clients_that_never_read_keep_their_place_only_until_they_are_cut_off(tmp_path: Path) -> None:
    publish(tmp_path)
    body = batch({"value": [0, 0, 0, 0, 0, 0, 1, 1, 1] * 20_000})  # its answer is larger than what sockets buffer
    request = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with (
        serving(tmp_path, CLIENT_TIMEOUT_SECONDS="8", MAX_REQUESTS="1") as served,
        never_reading(served.port, request, 1),
    ):
        wait_until(lambda: served.metric("tss_stage_seconds_count", stage="segment") == 1)
        assert is_busy(served)
        assert served.get("/health").status == 200
        assert served.post("/webhook", event()).status == 201
        wait_until(lambda: refused(served) == 1)
        assert_it_answers(served)


def test_five_hundred_that_never_read_small_answers_cost_nothing(served: Served) -> None:
    with never_reading(served.port, ASK, SLOW - PLACES):
        assert_it_answers(served)
        assert served.metric("tss_connections") <= SLOW


def test_an_answer_that_is_taken_slowly_but_in_time_arrives_whole(served: Served) -> None:
    body = batch(*[{"value": VALUES}] * 4000)
    with connect(served.port) as client:
        head = f"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        (found,) = last_words([client])
    assert found.startswith(b"HTTP/1.1 200")
    assert found.count(b'"model_version"') == 4000


def test_more_connections_than_allowed_cost_those_that_waited_longest(tmp_path: Path) -> None:
    publish(tmp_path)
    with ExitStack() as stack, serving(tmp_path, MAX_CONNECTIONS="20", CLIENT_TIMEOUT_SECONDS="3") as served:
        clients = [stack.enter_context(connect(served.port)) for _ in range(60)]
        assert_it_answers(served)
        assert served.metric("tss_connections") <= 20
        assert refused(served, "connections") >= 40
        assert last_words(clients) == [b""] * 60
        assert_it_answers(served)


def test_requests_sent_without_waiting_for_answers_are_bounded(served: Served) -> None:
    with connect(served.port) as client:
        client.sendall(ASK * 5)
        client.sendall(ASK.replace(b"Host: a", b"Host: a\r\nConnection: close"))
        assert last_words([client])[0].count(b"HTTP/1.1 200") == 6
    with connect(served.port) as client:
        client.sendall(ASK * 1000)
        assert last_words([client])[0].count(b"HTTP/1.1 200") < 20
    assert_it_answers(served)


@pytest.mark.parametrize(
    "endless",
    [HEAD, b"GET /", CHUNKS + b"1;", CHUNKS + b"0\r\nX-Trailer: "],
    ids=["header", "address", "extension", "trailer"],
)
def test_heads_without_end_are_refused(served: Served, endless: bytes) -> None:
    with connect(served.port) as client:
        client.sendall(endless)
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                client.sendall(b"x" * 2**16)
    assert refused(served, "head") == 1
    assert_it_answers(served)
