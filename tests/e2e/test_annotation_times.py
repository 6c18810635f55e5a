"""A person who presses Submit waits for our answer to the event, so it must cost nothing."""

import statistics
import time

from examples.demo.client import Client
from tests.e2e.conftest import Serve
from tests.e2e.project import Project
from tests.e2e.recording_backend import recording_backend

PAIRS = 30
WEBHOOK_SECONDS = 1.0  # Label Studio gives up then, and the event is lost


def test_submitting_takes_as_long_as_with_a_backend_that_does_nothing(
    user: Client, serve: Serve, figures: dict[str, str]
) -> None:
    """Side by side, submissions alternate between the two, while ours trains at the same time."""
    with serve("annotation-times") as server, recording_backend() as idle:
        ours = Project(user, seed=7, count=PAIRS, labels=2, axis="numeric")
        ours.connect(server.url)
        theirs = Project(user, seed=7, count=PAIRS, labels=2, axis="numeric")
        theirs.connect(idle.url)
        seconds: dict[int, list[float]] = {ours.id: [], theirs.id: []}
        for number in range(PAIRS):
            for project in (ours, theirs) if number % 2 else (theirs, ours):
                since = time.perf_counter()
                project.annotate(number)
                seconds[project.id].append(time.perf_counter() - since)

    median, base = statistics.median(seconds[ours.id]), statistics.median(seconds[theirs.id])
    figures["annotation POST, median"] = (
        f"{1000 * median:.0f} ms; {1000 * base:.0f} ms with a backend that answers 204 at once"
    )
    figures["annotation POST, longest"] = (
        f"{1000 * max(seconds[ours.id]):.0f} ms; {1000 * max(seconds[theirs.id]):.0f} ms"
    )
    assert median - base < 0.05
    assert max(seconds[ours.id]) - base < WEBHOOK_SECONDS
