"""Any input gets a 2xx or 4xx with a sentence, one result a task, and no temporary error is stored (promise 8)."""

from pathlib import Path

import pytest

from tests.promises.hostile.requests import plant, recordings, storm
from tests.support.server import run_server
from tests.support.store import publish_model
from tests.support.web_server import serve

pytestmark = pytest.mark.slow

REQUESTS = 1500
FLAT = 100.0  # MiB that memory may rise from the first thousand requests on: caches fill, nothing else


def test_fuzzed_requests_get_an_answer_that_is_no_500_and_memory_stays_flat(tmp_path: Path) -> None:
    publish_model(tmp_path, 3)
    plant(tmp_path)
    served: dict[str, bytes] = {}
    with (
        serve(recordings(served)) as web,
        run_server(tmp_path, DATA_HOSTS_ALLOWED="127.0.0.1", LOG_LEVEL="error", FETCH_TIMEOUT_SECONDS="5") as server,
    ):
        counts = storm(server, web.url, served, REQUESTS)
        assert server.alive
        assert "Traceback" not in server.log
    print(f"{counts.requests} requests {dict(counts.sent)}, {dict(counts.statuses)}, memory {counts.memory}")
    assert counts.problems == []
    assert counts.results > counts.passing > 0
    assert counts.sane > 0
    assert counts.memory[-1] - counts.memory[1] < FLAT
