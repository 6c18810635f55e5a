"""SIGTERM ends a server without losing a request or an update; a second one ends it at once."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3

from shared.retraining.updates import Updates
from shared.store.opening import open_storage
from tests.promises.load.gate import Gate
from tests.promises.load.messages import PROJECT, batch, event
from tests.promises.load.slow_clients import last_words
from tests.support.server import Server, run_server
from tests.support.store import publish_after
from tests.support.waiting import NEVER_SECONDS, wait_until
from tests.support.web_server import Web

pytestmark = pytest.mark.slow

WRITERS = 6


@pytest.fixture
def server(web: Web, tmp_path: Path) -> Iterator[Server]:
    publish_after(tmp_path)
    limits = ("FETCH_TIMEOUT_SECONDS", "PREDICT_BUDGET_SECONDS", "CLIENT_TIMEOUT_SECONDS")  # none is to end a request
    with run_server(tmp_path, DATA_HOSTS_ALLOWED="127.0.0.1", **dict.fromkeys(limits, "600")) as server:
        yield server


def is_closed(server: Server) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", server.port)) != 0


def test_requests_that_have_begun_are_answered_after_sigterm(
    server: Server, web: Web, gate: Gate, tmp_path: Path
) -> None:
    half = event()
    with ThreadPoolExecutor(8) as clients, socket.create_connection(("127.0.0.1", server.port), 60) as sender:
        asked = [
            clients.submit(server.post, "/predict", batch(f"{web.url}/{each}.csv", kind="url")) for each in range(8)
        ]
        wait_until(lambda: len(web.asked) == 4)  # one host gets half of the eight threads
        sender.sendall(
            b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(half) + half[:10]
        )
        wait_until(lambda: server.metric("tss_requests_in_flight") == 10)  # with the one that asks
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_closed(server))
        with run_server(tmp_path) as successor:  # while it starts, the first one waits for what it has begun
            assert successor.get("/health").status == 200
        with suppress(OSError):
            sender.sendall(half[10:])
        (answered,) = last_words([sender])
        assert answered.startswith(b"HTTP/1.1 201 ")
        gate.open()
        answers = [each.result() for each in asked]
    assert [each.status for each in answers] == [200] * 8
    assert all(each.json()["results"][0]["result"] for each in answers)
    wait_until(lambda: server.process.poll() is not None)
    assert server.process.returncode == 0


def test_no_event_that_was_answered_is_lost_to_sigterm(server: Server, tmp_path: Path) -> None:
    stored: list[str] = []
    refused = 0

    def write() -> None:
        nonlocal refused
        with urllib3.PoolManager(retries=False, timeout=NEVER_SECONDS) as pool:
            while True:
                try:
                    answer = pool.request("POST", f"{server.url}/webhook", body=event())
                except urllib3.exceptions.HTTPError:
                    refused += 1  # it was never let in
                    return
                assert answer.status == 201
                stored.append(json.loads(answer.data)["job"])

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(stored) > 100)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: server.process.poll() is not None)
    for thread in threads:
        thread.join()
    assert server.process.returncode == 0
    assert refused == WRITERS
    kept = {each.job for each in Updates(open_storage(str(tmp_path))).of(PROJECT)}
    assert set(stored) <= kept
    assert len(kept) <= len(stored) + WRITERS


def test_a_second_sigterm_ends_at_once(server: Server, web: Web) -> None:
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.post, "/predict", batch(f"{web.url}/1.csv", kind="url"))
        wait_until(lambda: len(web.asked) == 1)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_closed(server))
        assert server.process.poll() is None  # it waits for the recording
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.process.poll() is not None)
        print(f"ended {time.monotonic() - begun:.3f} s after the second SIGTERM")
        assert server.process.returncode == -signal.SIGTERM
        with pytest.raises(AssertionError, match="not answered"):
            asked.result()
