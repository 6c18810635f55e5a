"""More requests than the server can answer: what is accepted is bounded, the rest gets a time to retry.

What must not wait does not wait: /health and events, while no recording arrives and while the store hangs.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.retraining.updates import Updates
from shared.store.opening import open_storage
from tests.promises.load.gate import Gate
from tests.promises.load.messages import CONFIG, PROJECT, VALUES, batch, event
from tests.promises.load.slow_clients import connect
from tests.support.server import Server, run_server
from tests.support.store import publish_after
from tests.support.waiting import wait_until
from tests.support.web_server import Web, serve

pytestmark = pytest.mark.slow

PLACES = 12
TIMES = 10


@pytest.fixture
def server(web: Web, tmp_path: Path) -> Iterator[Server]:
    publish_after(tmp_path)
    settings = {"MAX_REQUESTS": str(PLACES), "FETCH_TIMEOUT_SECONDS": "600", "PREDICT_BUDGET_SECONDS": "600"}
    with run_server(tmp_path, DATA_HOSTS_ALLOWED="127.0.0.1", **settings) as server:
        yield server


def refused(server: Server) -> int:
    return int(server.metric("tss_requests_refused_total", reason="busy"))


def test_ten_times_too_many_predictions_are_bounded_and_the_rest_come_again_later(
    server: Server, web: Web, gate: Gate, tmp_path: Path
) -> None:
    body = batch(f"{web.url}/a.csv", kind="url")
    with ThreadPoolExecutor(TIMES * PLACES) as clients:
        asked = [clients.submit(server.post, "/predict", body) for _ in range(TIMES * PLACES)]
        wait_until(lambda: refused(server) == (TIMES - 1) * PLACES)
        assert server.get("/health").status == 200
        assert server.post("/webhook", event()).status == 201  # places of its own
        assert server.get("/ui/").status == 200
        gate.open()
        answers = [each.result() for each in asked]
    good = [each for each in answers if each.status == 200]
    turned_away = [each for each in answers if each.status == 503]
    assert (len(good), len(turned_away)) == (PLACES, (TIMES - 1) * PLACES)
    assert all(each.json()["results"][0]["result"] for each in good)
    assert all(int(each.headers["Retry-After"]) > 0 for each in turned_away)
    assert f"MAX_REQUESTS={PLACES}" in turned_away[0].json()["error"]
    assert server.post("/predict", batch({"value": VALUES})).status == 200  # places are free again
    assert [each.action for each in Updates(open_storage(str(tmp_path))).of(PROJECT)] == ["ANNOTATION_CREATED"]


def test_health_and_events_are_answered_while_every_thread_that_predicts_waits_for_a_recording(
    web: Web, gate: Gate, tmp_path: Path
) -> None:
    threads = 8  # PREDICT_THREADS=2, four fetches each; one host gets half of them
    publish_after(tmp_path)
    settings = {"DATA_HOSTS_ALLOWED": "127.0.0.1", "PREDICT_THREADS": "2", "FETCH_TIMEOUT_SECONDS": "600"}
    with (
        serve(gate) as other,
        run_server(tmp_path, **settings, PREDICT_BUDGET_SECONDS="600") as server,
        ThreadPoolExecutor(5) as clients,
    ):
        bodies = [batch(*[f"{each.url}/{n}.csv" for n in range(threads)], kind="url") for each in (web, other)]
        try:
            asked = [clients.submit(server.post, "/predict", body) for body in bodies * 2]
            wait_until(lambda: len(web.asked) + len(other.asked) == threads)
            assert server.get("/health").status == 200
            reported = clients.submit(server.post, "/webhook", event())
            wait_until(reported.done)
            assert reported.result().status == 201
            setup = {"project": f"{PROJECT}.1795475439", "schema": CONFIG.format(kind="url")}
            assert server.post("/setup", setup).json()["model_version"].startswith("2026")
            assert not any(each.done() for each in asked)
        finally:
            gate.open()
        assert [each.result().status for each in asked] == [200] * 4


def test_health_is_answered_and_what_waits_is_bounded_while_the_store_hangs(gate: Gate) -> None:
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "MAX_REQUESTS": "4",
    }
    with (
        serve(gate) as store,
        run_server("s3://bucket/models", ready="/livez", AWS_ENDPOINT_URL=store.url, **variables) as server,
        ThreadPoolExecutor(40) as clients,
    ):
        asked = [clients.submit(server.post, "/webhook", event()) for _ in range(40)]
        wait_until(lambda: sum(each.done() for each in asked) == 36)
        assert server.get("/health").status == 200
        assert server.get("/livez").status == 200
        done = [each.result() for each in asked if each.done()]
        assert {(each.status, each.headers["Retry-After"]) for each in done} == {(503, "5")}
        server.process.kill()
        wait_until(lambda: all(each.done() for each in asked))


def test_bodies_on_their_way_are_bounded_together_and_small_ones_go_through(tmp_path: Path) -> None:
    publish_after(tmp_path)
    almost = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n" + b" " * (2**20 - 1)
    with run_server(tmp_path, MAX_BODY_MB="1") as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(server.port)) for _ in range(6)]
        for each in clients:
            each.sendall(almost)  # 4 x MAX_BODY_MB, and the 64 KiB of each that do not count
        wait_until(lambda: server.metric("tss_requests_refused_total", reason="memory") == 2)
        assert server.post("/webhook", event()).status == 201
        assert server.post("/predict", batch({"value": VALUES})).status == 200
        for each in clients[:4]:
            each.close()
        wait_until(lambda: server.post("/predict", b" " * (2**20 - 1)).status == 400)
        assert server.metric("tss_requests_refused_total", reason="body") == 0
        assert server.post("/predict", b" " * 2**21).status == 413
        assert server.metric("tss_requests_refused_total", reason="body") == 1
