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
from tests.promises.load.server import PROJECT, STUCK_SECONDS, Served, batch, event, publish, serving, wait_until
from tests.promises.load.slow_clients import last_words
from tests.support.web_server import Web

WRITERS = 6


@pytest.fixture
def served(web: Web, tmp_path: Path) -> Iterator[Served]:
    publish(tmp_path)
    with serving(tmp_path, DATA_HOSTS_ALLOWED="127.0.0.1", FETCH_TIMEOUT_SECONDS="600") as served:
        yield served


def is_closed(served: Served) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", served.port)) != 0


def test_requests_that_have_begun_are_answered_after_sigterm(
    served: Served, web: Web, gate: Gate, tmp_path: Path
) -> None:
    half = event()
    with ThreadPoolExecutor(8) as clients, socket.create_connection(("127.0.0.1", served.port), 60) as sender:
        asked = [
            clients.submit(served.post, "/predict", batch(f"{web.url}/{each}.csv", kind="url")) for each in range(8)
        ]
        wait_until(lambda: len(web.asked) == 8)
        sender.sendall(b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(half) + half[:10])
        wait_until(lambda: served.metric("tss_requests_in_flight") == 10)  # with the one that asks
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_closed(served))
        with serving(tmp_path) as successor:  # while it starts, the first one waits for what it has begun
            assert successor.get("/health").status == 200
        with suppress(OSError):
            sender.sendall(half[10:])
        (answered,) = last_words([sender])
        assert answered.startswith(b"HTTP/1.1 201 ")
        gate.open()
        answers = [each.result() for each in asked]
    assert [each.status for each in answers] == [200] * 8
    assert all(each.json()["results"][0]["result"] for each in answers)
    wait_until(lambda: served.process.poll() is not None)
    assert served.process.returncode == 0


def test_no_event_that_was_answered_is_lost_to_sigterm(served: Served, tmp_path: Path) -> None:
    stored: list[str] = []
    refused = 0
    over = threading.Event()

    def write() -> None:
        nonlocal refused
        with urllib3.PoolManager(retries=False, timeout=STUCK_SECONDS) as pool:
            while not over.is_set():
                try:
                    answer = pool.request("POST", f"{served.url}/webhook", body=event())
                except urllib3.exceptions.HTTPError:
                    refused += 1  # it was never let in
                    return
                assert answer.status == 201
                stored.append(json.loads(answer.data)["job"])

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(stored) > 100)
    served.process.send_signal(signal.SIGTERM)
    wait_until(lambda: served.process.poll() is not None)
    over.set()
    for thread in threads:
        thread.join()
    assert served.process.returncode == 0
    assert refused == WRITERS
    kept = {each.job for each in Updates(open_storage(str(tmp_path))).of(PROJECT)}
    assert set(stored) <= kept
    assert len(kept) <= len(stored) + WRITERS


def test_a_second_sigterm_ends_at_once(served: Served, web: Web) -> None:
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(served.post, "/predict", batch(f"{web.url}/1.csv", kind="url"))
        wait_until(lambda: len(web.asked) == 1)
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_closed(served))
        assert served.process.poll() is None  # it waits for the recording
        begun = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: served.process.poll() is not None)
        print(f"ended {time.monotonic() - begun:.3f} s after the second SIGTERM")
        assert served.process.returncode == -signal.SIGTERM
        with pytest.raises(AssertionError, match="not answered"):
            asked.result()
