"""Real servers and trainers that know nothing of each other over one store (promise 5).

On one machine; as two replicas over one volume, which cannot see each other's processes; as two clusters over one
bucket of a real S3 server.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.promises.crash.counting import COUNTS, LONG
from tests.promises.crash.live_stack import ELSEWHERE, PROJECT, START_SECONDS, LiveStack, live_stack
from tests.support.label_studio import REGIONS
from tests.support.seaweed import Seaweed
from tests.support.waiting import wait_until

ROUNDS = 5 if LONG else 1
TRIGGERS = 8  # events at one moment, to each server
SHORT_LEASE = "from shared.store import lease\nlease.LEASE_SECONDS, lease.HEARTBEAT_SECONDS = 4.0, 1.0"


class Place(NamedTuple):
    """A live stack, and how a second server or trainer is started that is elsewhere."""

    play: LiveStack
    inside: Sequence[str]
    environ: dict[str, str]

    @property
    def storage(self) -> Storage:
        return open_storage(self.play.model_dir)


@pytest.fixture(params=["one machine", "two replicas", pytest.param("two clusters", marks=pytest.mark.s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    inside: Sequence[str] = ()
    if request.param != "one machine":
        inside = ELSEWHERE
        if subprocess.run([*ELSEWHERE, "true"], check=False, capture_output=True).returncode:
            pytest.skip("This kernel gives nobody a pid namespace of his own (unshare --user --pid).")
    if request.param != "two clusters":
        with live_stack(tmp_path) as play:
            yield Place(play, inside, {})
        return
    address = request.getfixturevalue("bucket")
    seaweed: Seaweed = request.getfixturevalue("seaweed")
    with live_stack(tmp_path, model_dir=address) as play:
        yield Place(play, inside, seaweed.environment)


@pytest.mark.timeout(1800)
def test_simultaneous_triggers_become_one_run(place: Place) -> None:
    play, storage = place.play, place.storage
    runs, updates = Runs(storage), Updates(storage)
    one, first = play.server("one", TRAIN_LAUNCHER="process", **place.environ)
    two, second = play.server("two", inside=place.inside, TRAIN_LAUNCHER="process", **place.environ)
    with one.start(START_SECONDS), two.start(START_SECONDS), ThreadPoolExecutor(2 * TRIGGERS) as pool:
        for number in range(1, ROUNDS + 1):
            play.label_studio.annotate(number, result=REGIONS)
            reported = list(pool.map(play.annotators.tell_again, [first, second] * TRIGGERS))
            assert all(reported)
            COUNTS["triggers at one moment"] += len(reported)
            wait_until(lambda: not updates.of(PROJECT) and runs.state(PROJECT).active is None)
            ended = runs.history(PROJECT)
            assert [(each.number, each.outcome, each.reason[:50]) for each in reversed(ended)] == [
                (run, "published", ended[-run].reason[:50]) for run in range(1, number + 1)
            ]
        fences = [each.fence for each in reversed(runs.history(PROJECT))]
        assert fences == sorted(set(fences))
        assert len(ModelStore(storage).versions(PROJECT)) == ROUNDS


@pytest.mark.timeout(1800)
def test_a_run_that_stood_still_publishes_nothing_after_another_has(place: Place) -> None:
    play, storage = place.play, place.storage
    runs, store = Runs(storage), ModelStore(storage)
    for _ in range(ROUNDS):
        number = runs.next_number(PROJECT)

        def fits(number: int = number) -> bool:
            record = runs.record(PROJECT, number)
            return record is not None and record.state == "fitting"

        with play.trainer(SHORT_LEASE, TRAIN_EPOCHS="3000", **place.environ) as sleeper:
            wait_until(fits)
            os.kill(sleeper.pid, signal.SIGSTOP)
            play.label_studio.annotate(1, result=REGIONS)
            code = 75
            while code == 75:  # as long as the lease of the one that stands still is live
                code, said = play.train(SHORT_LEASE, inside=place.inside, **place.environ)
            assert code == 0, said
            served = store.model_info(PROJECT)
            os.kill(sleeper.pid, signal.SIGCONT)
            last_words = sleeper.stdout.read() if sleeper.stdout else ""
            assert sleeper.wait() == 75, last_words
        COUNTS["runs that stood still"] += 1
        assert "This run must not publish" in last_words
        assert store.model_info(PROJECT) == served
        assert served is not None
        last = runs.last_ended(PROJECT)
        assert last is not None
        assert (last.outcome, last.version) == ("published", served.version)
    assert len([each for each in store.versions(PROJECT) if each.accepted]) == ROUNDS
