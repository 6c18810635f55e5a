"""A host of recordings that hangs delays nobody else (promise 13)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shared.errors import HostBusyError
from shared.label_studio.host_shares import HostShares
from tests.promises.hostile.messages import VALUES, label_config
from tests.support.server import run_server
from tests.support.store import publish_model
from tests.support.waiting import wait_until
from tests.support.web_server import Asked, answer, serve

THREADS = 8  # of PREDICT_THREADS=2


def batch(project: int, *urls: str) -> dict[str, Any]:
    tasks = [{"id": number, "data": {"csv_url": url}} for number, url in enumerate(urls)]
    return {"project": str(project), "label_config": label_config("url"), "tasks": tasks}


def test_a_host_has_its_share_and_others_have_theirs() -> None:
    shares = HostShares(2)
    with shares.place("a"), shares.place("a"), shares.place("b"), pytest.raises(HostBusyError), shares.place("a"):
        pass
    with shares.place("a"):
        assert shares._downloads == {"a": 1}


def test_requests_for_a_hanging_host_leave_threads_to_other_projects(tmp_path: Path) -> None:
    stop = threading.Event()

    def hang(asked: Asked) -> bytes:
        stop.wait()
        return answer()

    csv = ("value\n" + "\n".join(map(str, VALUES)) + "\n").encode()
    publish_model(tmp_path, 3)
    publish_model(tmp_path, 4)
    settings = {"DATA_HOSTS_ALLOWED": "127.0.0.1", "PREDICT_THREADS": "2", "FETCH_TIMEOUT_SECONDS": "600"}
    with (
        serve(hang) as dead,
        serve(lambda asked: answer(csv)) as web,
        run_server(tmp_path, **settings) as server,
        ThreadPoolExecutor(3) as pool,
    ):
        try:
            waiting = [
                pool.submit(server.json, "POST", "/predict", batch(3, *[f"{dead.url}/{i}.csv"] * 20)) for i in range(3)
            ]
            wait_until(lambda: len(dead.asked) >= THREADS // 2)
            reply = server.post("/predict", batch(4, *[f"{web.url}/a.csv"] * 6))
            assert reply.status == 200
            assert [each and len(each["result"]) for each in reply.json()["results"]] == [1] * 6
            assert not any(each.done() for each in waiting)
            assert len(dead.asked) == THREADS // 2
        finally:
            stop.set()
