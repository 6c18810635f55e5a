"""A person who presses Submit waits for our answer to the event, so it must cost nothing."""

import statistics
import time
from pathlib import Path
from urllib.parse import urlsplit

from examples.demo.client import Client
from tests.e2e.conftest import Serve
from tests.e2e.project import Project
from tests.e2e.recording_backend import recording_backend

PAIRS = 30
ROUNDS = 3  # of pairs at most: on a busy machine one submission takes 0.1 s longer than the next, whatever the backend
COSTS = 0.05  # s


def test_submitting_takes_as_long_as_with_a_backend_that_does_nothing(
    user: Client, serve: Serve, logs: Path, figures: dict[str, str]
) -> None:
    """Side by side, submissions alternate between the two, while ours trains at the same time.

    Label Studio waits 1 s for an answer to the event; then it gives up, says so in its log, and the event is lost.
    """
    log = logs / "label-studio.log"
    begin = log.stat().st_size
    with serve("annotation-times") as server, recording_backend() as idle:
        ours = Project(user, seed=7, count=PAIRS, labels=2, axis="numeric")
        ours.connect(server.url)
        theirs = Project(user, seed=7, count=PAIRS, labels=2, axis="numeric")
        theirs.connect(idle.url)
        seconds: dict[int, list[float]] = {ours.id: [], theirs.id: []}
        for _ in range(ROUNDS):
            for number in range(PAIRS):
                for project in (ours, theirs) if number % 2 else (theirs, ours):
                    since = time.perf_counter()
                    project.annotate(number)
                    seconds[project.id].append(time.perf_counter() - since)
            median, base = statistics.median(seconds[ours.id]), statistics.median(seconds[theirs.id])
            if median - base < COSTS:
                break
    lines = log.read_bytes()[begin:].decode(errors="replace").splitlines()
    errors = [line for line in lines if "::run_webhook_sync::" in line]

    figures["annotation POST, median"] = (
        f"{1000 * median:.0f} ms; {1000 * base:.0f} ms with a backend that answers 204 at once"
    )
    figures["annotation POST, longest"] = (
        f"{1000 * max(seconds[ours.id]):.0f} ms; {1000 * max(seconds[theirs.id]):.0f} ms"
    )
    assert median - base < COSTS
    assert [line for line in errors if f"port={urlsplit(idle.url).port})" not in line] == []
