"""The training loop without fits: events, two servers, trainers that die anywhere, and a clock that moves.

What annotators do and what can happen to events, servers, trainers and clocks are rules; hypothesis plays them in any
order. Everything but the fit is real: spool, records, lease, store and decision.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.errors import LeaseHeldError, RunCancelledError
from shared.retraining.active_run import ActiveRun, begin_run
from shared.retraining.runs import Runs
from shared.retraining.scheduler import decide
from shared.retraining.updates import RECONCILE, START_TRAINING, Updates
from shared.settings import Settings
from shared.store import lease as leases
from shared.store.lease import LEASE_SECONDS, read_lease
from shared.store.models import ModelStore
from tests.support.memory_storage import MemoryStorage
from tests.support.models import model_file, snapshot

PROJECTS = (1, 2)
OUTCOMES = ("published", "published", "published", "temporary", "permanent", "crash")
PLAN = Settings(max_concurrent_runs=1)
TOTALS: Counter[str] = Counter()  # printed at the end: a machine that tried nothing has shown nothing


class Killed(BaseException):
    """kill -9: nothing of the process runs after this."""


class Mortal:
    """A store as a process sees it that dies at its n-th call."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self.left: int | None = None

    def __getattr__(self, name: str) -> Any:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise Killed
        return getattr(self._storage, name)


class Trainer:
    """A training process, one step at a time."""

    def __init__(self, world: "World", project: int, number: int, outcome: str) -> None:
        self.world = world
        self.project = project
        self.number = number
        self.outcome = outcome
        self.storage = Mortal(world.storage)
        self.run: ActiveRun | None = None
        self.beaten_at: float | None = None  # None: before it has the lease, or the clock has moved since
        self._steps = self._train()

    def step(self) -> bool:
        """Do a little; returns whether it goes on."""
        try:
            next(self._steps)
        except (StopIteration, Killed, LeaseHeldError, RunCancelledError):
            return False
        return True

    def _train(self) -> Iterator[None]:
        storage: Any = self.storage
        self.run = run = begin_run(storage, self.project, launcher="process", host="test", number=self.number)
        self.world.begun(self)
        yield
        run.start_from(Updates(storage).of(self.project))
        self.world.beat(self)
        yield
        state = self.world.reference[self.project]
        run.report(snapshot=snapshot(state), state="fitting")
        yield
        try:
            run.beat()
        except RunCancelledError:
            run.end("cancelled", exit_code=0)
            return
        self.world.beat(self)
        yield
        if self.outcome == "published":
            data = model_file(self.world.next_version(), project=self.project, state=state)
            result = ModelStore(storage).publish(run.lease, data, b"weights")
            if result.published:
                self.world.published(self)
            yield
            run.end("published" if result.published else "rejected", exit_code=0)
        elif self.outcome == "permanent":
            run.end("failed", exit_code=2)
        elif self.outcome == "temporary":
            run.end("failed", exit_code=75)
        else:
            raise Killed


class World(RuleBasedStateMachine):
    """Label Studio, two servers with a launcher each, and one store."""

    @initialize()
    def begin(self) -> None:
        TOTALS["machines"] += 1
        self.storage = MemoryStorage()
        self.updates = Updates(self.storage)
        self.runs = Runs(self.storage)
        self.reference = dict.fromkeys(PROJECTS, 0)
        self.delivered = dict.fromkeys(PROJECTS, 0)
        self.events: list[tuple[int, int]] = []  # project, its state when it was sent
        self.servers: tuple[dict[int, Trainer], ...] = ({}, {})
        self.orphans: list[Trainer] = []  # of a server that died while its children had not heard of it yet
        self.fences: dict[int, list[int]] = defaultdict(list)
        self.serving = dict.fromkeys(PROJECTS, 0)
        self.versions = 0

    # What trainers tell

    def trainers(self) -> list[Trainer]:
        return [*self.orphans, *self.servers[0].values(), *self.servers[1].values()]

    def next_version(self) -> int:
        self.versions += 1
        return self.versions

    def begun(self, trainer: Trainer) -> None:
        TOTALS["runs"] += 1
        now = self.storage.now()
        rivals = [
            other
            for other in self.trainers()
            if other is not trainer
            and other.project == trainer.project
            and other.beaten_at is not None
            and now - other.beaten_at < LEASE_SECONDS
        ]
        assert not rivals, "two runs of a project at once"
        self.beat(trainer)

    def beat(self, trainer: Trainer) -> None:
        trainer.beaten_at = self.storage.now()

    def published(self, trainer: Trainer) -> None:
        TOTALS["models"] += 1
        assert trainer.run is not None
        fence = trainer.run.lease.fence
        lease = read_lease(self.storage, trainer.project)
        assert lease is not None
        assert lease.fence == fence, "published without the lease"
        assert all(fence > other for other in self.fences[trainer.project]), "published out of turn"
        self.fences[trainer.project].append(fence)

    # What people do

    @rule(project=st.sampled_from(PROJECTS), late=st.booleans())
    def annotate(self, project: int, late: bool) -> None:
        TOTALS["events"] += 1
        self.reference[project] += 1
        if late:
            self.events.append((project, self.reference[project]))
        else:
            self.arrive(project, self.reference[project])

    @rule(project=st.sampled_from(PROJECTS))
    def press_the_button(self, project: int) -> None:
        TOTALS["events"] += 1
        self.updates.add(project, START_TRAINING, self.storage.now())

    @precondition(lambda self: self.trainers())
    @rule(data=st.data(), steps=st.integers(1, 5))
    def annotate_during_a_run(self, data: st.DataObject, steps: int) -> None:
        trainer = data.draw(st.sampled_from(self.trainers()))
        self.advance(trainer, steps)
        self.annotate(trainer.project, late=False)

    @precondition(lambda self: self.trainers())
    @rule(project=st.sampled_from(PROJECTS))
    def cancel(self, project: int) -> None:
        self.runs.request_cancel(project)

    # What becomes of events

    @precondition(lambda self: self.events)
    @rule(data=st.data(), times=st.integers(0, 3))
    def deliver(self, data: st.DataObject, times: int) -> None:
        index = data.draw(st.integers(0, len(self.events) - 1))
        project, state = self.events.pop(index)
        for _ in range(times):
            self.arrive(project, state)

    def arrive(self, project: int, state: int) -> None:
        self.updates.add(project, "ANNOTATION_CREATED", self.storage.now())
        self.delivered[project] = max(self.delivered[project], state)

    @rule(project=st.sampled_from(PROJECTS))
    def reconcile(self, project: int) -> None:
        trained, reference = self.trained(project), self.reference[project]
        if trained != reference:
            job = f"{project}-{reference}"
            self.updates.add(project, RECONCILE, self.storage.now(), job=job, weight=reference - trained)
            self.delivered[project] = reference

    # What servers and trainers do

    @precondition(lambda self: self.updates.waiting())
    @rule(servers=st.sampled_from(((0,), (1,), (0, 1))), outcome=st.sampled_from(OUTCOMES))
    def look(self, servers: tuple[int, ...], outcome: str) -> None:
        for server in servers:
            self.tick(server, outcome)

    def tick(self, server: int, outcome: str) -> None:
        children = self.servers[server]
        waiting = self.updates.waiting()
        for project in waiting:
            self.runs.record_abandoned(project)
        for launch in decide(waiting, self.runs.state, self.storage.now(), PLAN, running=children):
            TOTALS["launches"] += 1
            children[launch.project] = Trainer(self, launch.project, launch.number, outcome)

    @precondition(lambda self: self.trainers())
    @rule(data=st.data(), steps=st.integers(1, 7))
    def work(self, data: st.DataObject, steps: int) -> None:
        self.advance(data.draw(st.sampled_from(self.trainers())), steps)

    @precondition(lambda self: self.trainers())
    @rule()
    def work_to_the_end(self) -> None:
        for trainer in self.trainers():
            self.advance(trainer, 10)

    @precondition(lambda self: self.trainers())
    @rule(data=st.data(), seconds=st.sampled_from((LEASE_SECONDS / 2, LEASE_SECONDS, 200)))
    def stand_still(self, data: st.DataObject, seconds: float) -> None:
        """A paused trainer wakes up when another may have its lease."""
        trainer = data.draw(st.sampled_from(self.trainers()))
        self.storage.time += seconds
        self.press_the_button(trainer.project)
        self.tick(data.draw(st.sampled_from((0, 1))), "published")
        for other in self.trainers():
            if other is not trainer:
                self.advance(other, 4)
        self.advance(trainer, 10)

    @precondition(lambda self: self.trainers())
    @rule(data=st.data(), calls=st.integers(1, 60))
    def kill(self, data: st.DataObject, calls: int) -> None:
        TOTALS["kills"] += 1
        trainer = data.draw(st.sampled_from(self.trainers()))
        trainer.storage.left = calls
        self.advance(trainer, 10)

    @precondition(lambda self: self.trainers())
    @rule(server=st.sampled_from((0, 1)))
    def kill_server(self, server: int) -> None:
        TOTALS["kills"] += 1
        self.orphans += self.servers[server].values()
        self.servers[server].clear()

    def advance(self, trainer: Trainer, steps: int) -> None:
        for _ in range(steps):
            if not trainer.step():
                self.ended(trainer)
                return

    def ended(self, trainer: Trainer) -> None:
        if trainer in self.orphans:
            self.orphans.remove(trainer)
        for children in self.servers:
            if children.get(trainer.project) is trainer:
                del children[trainer.project]
                self.runs.record_failed(trainer.project, trainer.number, "It recorded no end.")

    # Time

    @rule(seconds=st.sampled_from((1, 10, 31, LEASE_SECONDS, 200)))
    def wait(self, seconds: float) -> None:
        self.storage.time += seconds

    @rule(seconds=st.floats(-1e6, 1e6))
    def set_the_clock(self, seconds: float) -> None:
        self.storage.time += seconds
        for trainer in self.trainers():
            trainer.beaten_at = None

    # What holds

    def trained(self, project: int) -> int:
        last = self.runs.last_ended(project)
        return last.trained.annotations if last and last.trained else 0

    @invariant()
    def no_update_is_lost(self) -> None:
        waiting = self.updates.waiting()
        for project in PROJECTS:
            assert self.delivered[project] <= self.trained(project) or waiting.get(project), "a lost update"

    @invariant()
    def no_model_is_replaced_by_one_of_older_annotations(self) -> None:
        store = ModelStore(self.storage)
        for project in PROJECTS:
            model_info = store.model_info(project)
            state = model_info.snapshot.annotations if model_info and model_info.snapshot else 0
            assert state >= self.serving[project], "an older model came back"
            self.serving[project] = state

    def teardown(self) -> None:
        """From here on nothing goes wrong: everything is trained on in bounded time, and then there is silence."""
        self.events.clear()
        for trainer in self.trainers():
            trainer.storage.left = 1
            self.advance(trainer, 1)
        launches = TOTALS["launches"]
        for _ in range(150):  # minutes: LONGEST_WAIT and a lease
            self.storage.time += 60
            for project in PROJECTS:
                self.reconcile(project)
            self.tick(0, "published")
            for trainer in self.trainers():
                self.advance(trainer, 10)
        waiting = self.updates.waiting()
        for project in PROJECTS:
            assert self.trained(project) == self.reference[project], "annotations stay untrained"
            assert not waiting.get(project), "updates stay for ever"
        assert TOTALS["launches"] - launches <= 3 * len(PROJECTS), "a busy loop"


@pytest.fixture(autouse=True)
def _no_process_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """All trainers here are this process, which does not die with them."""
    monkeypatch.setattr(leases, "this_process", lambda: "")


World.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestWorld = World.TestCase


def test_the_machine_has_tried_something(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nscheduling:", ", ".join(f"{count} {what}" for what, count in sorted(TOTALS.items())))
    if TOTALS["machines"] >= 50:  # not when this test is run alone
        assert min(TOTALS[what] for what in ("events", "kills", "launches", "runs", "models")) > 0


def test_a_run_that_always_fails_is_tried_ever_more_seldom() -> None:
    world = World()
    world.begin()
    world.annotate(1, late=False)
    launches: list[float] = []
    start = world.storage.now()
    while world.storage.now() < start + 6 * 3600:
        world.tick(0, "temporary")
        if world.trainers():
            launches.append(world.storage.now() - start)
            world.advance(world.trainers()[0], 10)
        world.storage.time += 5
    gaps = [after - before for before, after in pairwise(launches)]
    assert gaps == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]


def test_a_person_at_work_gets_one_try_a_minute() -> None:
    world = World()
    world.begin()
    launches = 0
    for turn in range(360):
        if turn % 2:
            world.annotate(1, late=False)
        world.tick(0, "crash")
        for trainer in world.trainers():
            launches += 1
            with suppress(Killed):
                world.advance(trainer, 10)
        world.storage.time += 10
    assert 25 <= launches <= 61
