"""A bucket that is away, slow, throttled, or loses its answers: a proxy in front of a real S3 server (promises 1–3, 5).

A single failed request is not noticed by the caller; if all further ones fail, it is as if the process died there.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from shared.errors import StoreError
from shared.retraining.active_run import begin_run
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.store.bucket import ObjectStorage
from shared.store.models import ModelStore
from shared.store.storage import Storage
from tests.promises.crash.counting import COUNTS, LONG
from tests.promises.crash.live_stack import START_SECONDS, LiveStack, live_stack
from tests.support.models import model_file, snapshot, version_name
from tests.support.proxy import FAULTS, Fault, Proxy, proxy
from tests.support.seaweed import BUCKET, Seaweed
from tests.support.web_server import Asked, Web

pytestmark = [pytest.mark.s3, pytest.mark.timeout(1800)]
STEP = 1 if LONG else 4  # of the requests at which something goes wrong, every how many-th
STATE = 7


@pytest.fixture
def way(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, Web]]:
    with proxy(seaweed) as (script, web):
        for name, value in {**seaweed.environment, "AWS_ENDPOINT_URL": web.url}.items():
            monkeypatch.setenv(name, value)
        yield script, web
        COUNTS.update({f"faults of the bucket: {fault}": count for fault, count in script.made.items()})


def bucket(**options: float) -> ObjectStorage:
    return ObjectStorage(f"s3://{BUCKET}/{uuid4().hex}", **options)


def prepare(storage: Storage) -> None:
    """Two versions and a waiting update."""
    run = begin_run(storage, STATE, launcher="test", host="here")
    for number in (1, 2):
        assert ModelStore(storage).publish(run.lease, model_file(number), f"weights {number}".encode()).published
    run.end("published", exit_code=0)
    Updates(storage).add(STATE, "ANNOTATION_CREATED", 1.0, job="7-1")


def work(storage: Storage) -> None:
    """An event, a run that publishes, and a roll back."""
    store = ModelStore(storage, keep_versions=2)
    Updates(storage).add(STATE, "ANNOTATION_CREATED", 2.0)
    run = begin_run(storage, STATE, launcher="test", host="here")
    run.start_from(Updates(storage).of(STATE))
    run.report(snapshot=snapshot(3))
    assert store.publish(run.lease, model_file(3), b"weights 3").published
    run.end("published", exit_code=0)
    store.roll_back(STATE)


def serving(storage: Storage) -> str:
    model_info = ModelStore(storage).model_info(STATE)
    assert model_info is not None
    assert not model_info.refused
    return model_info.version


def requests_of_the_work(script: Proxy) -> int:
    storage = bucket()
    prepare(storage)
    before = script.requests
    work(storage)
    return script.requests - before


class At:
    """A fault at the n-th request, or from there on."""

    def __init__(self, n: int, fault: Fault, *, lasting: bool = False) -> None:
        self._left = n
        self._fault = fault
        self._lasting = lasting

    def __call__(self, asked: Asked) -> Fault | None:
        self._left -= 1
        return self._fault if self._left == 0 or (self._left < 0 and self._lasting) else None


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("cut", "hanging")])
def test_a_fault_at_any_one_request_is_not_noticed(way: tuple[Proxy, Web], fault: Fault) -> None:
    script, _ = way
    for n in range(1, requests_of_the_work(script) + 1, STEP):
        script.fault = lambda asked: None
        storage = bucket()
        prepare(storage)
        script.fault = At(n, fault)
        work(storage)
        assert serving(storage) == version_name(2)
        last = Runs(storage).last_ended(STATE)
        assert last is not None
        assert (last.outcome, last.number) == ("published", 2)
        assert Updates(storage).of(STATE) == []
    assert script.made[fault] > 5


@pytest.mark.parametrize(("fault", "lasting"), [("away", True), ("lost", True), ("cut", False)])
def test_a_bucket_that_fails_at_any_request_leaves_a_state_to_continue_from(
    way: tuple[Proxy, Web], fault: Fault, lasting: bool
) -> None:
    script, _ = way
    seen: Counter[str] = Counter()
    for n in range(1, requests_of_the_work(script) + 1, STEP):
        script.fault = lambda asked: None
        address = f"s3://{BUCKET}/{uuid4().hex}"
        prepare(ObjectStorage(address))
        script.fault = At(n, fault, lasting=lasting)
        with pytest.raises(StoreError, match=r"could not be|kept changing") if lasting else suppress(StoreError):
            work(ObjectStorage(address, retry_seconds=0.1))
        script.fault = lambda asked: None
        storage = ObjectStorage(address)
        state = Runs(storage).state(STATE)  # its holder is this process, which lives: only the records can say more
        updates = Updates(storage).of(STATE)
        trained = state.last is not None and state.last.trained == snapshot(3)
        seen[serving(storage)] += 1
        assert serving(storage) in (version_name(2), version_name(3))
        assert trained or len(updates) >= 1, "an update is lost"
        for version in ModelStore(storage).versions(STATE):
            assert ModelStore(storage).load_version(STATE, version.name)
    assert len(seen) == 2


@pytest.mark.parametrize("fault", ["away", "hanging"])
def test_a_server_whose_bucket_does_not_answer_serves_on_and_says_so_to_events(
    way: tuple[Proxy, Web], seaweed: Seaweed, tmp_path: Path, fault: Fault
) -> None:
    script, web = way
    environ = {**seaweed.environment, "AWS_ENDPOINT_URL": web.url}
    with live_stack(tmp_path, model_dir=f"s3://{BUCKET}/{uuid4().hex}") as play:
        assert play.train(**environ)[0] == 0
        program, server = play.server("server", TRAIN_LAUNCHER="none", **environ)
        with program.start(START_SECONDS):
            version = play.predict(server)[1]["model_version"]
            script.fault = lambda asked: fault
            asked = Asking(play, server)
            asked.ask_until_events_are_refused()
            print(f"\n{asked.figures(fault)}")
            assert asked.versions == {version}
            assert asked.slow(asked.event_seconds / 3) <= 1 or fault != "hanging", "requests wait for the bucket"
            script.fault = lambda asked: None
            script.back.set()
            while not play.annotators.save(server):
                pass
            assert play.train(**environ)[0] == 0
            while play.predict(server)[1]["model_version"] == version:
                pass


class Asking:
    """Predictions while events are sent."""

    def __init__(self, play: LiveStack, server: str) -> None:
        self._play = play
        self._server = server
        self.versions: set[str] = set()
        self.seconds: list[float] = []
        self.event_seconds = 0.0

    def ask_until_events_are_refused(self) -> None:
        event = threading.Thread(target=self._tell)
        event.start()
        while event.is_alive() or len(self.seconds) < 50:
            started = time.monotonic()
            status, found = self._play.predict(self._server)
            self.seconds.append(time.monotonic() - started)
            assert status == 200, found
            self.versions.add(found["model_version"])
            assert self._play.pool.request("GET", f"{self._server}/health").status == 200
        assert self._play.annotators.refused[0].startswith("503 ")

    def slow(self, seconds: float) -> int:
        return sum(each > seconds for each in self.seconds)

    def figures(self, fault: str) -> str:
        ordered = sorted(self.seconds)
        return (
            f"bucket {fault}: event refused after {self.event_seconds:.1f} s; {len(ordered)} predictions meanwhile, "
            f"median {ordered[len(ordered) // 2] * 1000:.0f} ms, slowest two {ordered[-2]:.2f} and {ordered[-1]:.2f} s"
        )

    def _tell(self) -> None:
        started = time.monotonic()
        self._play.annotators.save(self._server)
        self.event_seconds = time.monotonic() - started
