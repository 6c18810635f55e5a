"""The state of projects, its cost, and what is shown while the store is unreachable."""

import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest

from inference.monitoring.project_status import LOOKED_AT, StatusCollector
from shared.retraining.active_run import begin_run
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import Updates
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG
from tests.support.counted_storage import Counted
from tests.support.published import publish_with_report
from tests.support.store import publish_model


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Counted:
    return Counted()


def collector_of(storage: Storage, clock: Clock, ended: list[RunRecord] | None = None) -> StatusCollector:
    reported = ended if ended is not None else []
    return StatusCollector(
        ModelStore(storage), Runs(storage), Updates(storage), KnownProjects(storage), ended=reported.append, clock=clock
    )


def remember(storage: Storage, projects: Iterable[int]) -> None:
    for project in projects:
        KnownProjects(storage).remember(KnownProject(id=project, label_config=CONFIG))


def test_looks_within_a_second_cost_the_store_nothing(store: Counted) -> None:
    remember(store, range(1, 4))
    clock = Clock()
    status_collector = collector_of(store, clock)
    status_collector.statuses()
    store.asked.clear()
    status_collector.statuses()
    assert store.asked == {}


def test_a_look_costs_no_more_with_two_hundred_projects_than_with_fifty(store: Counted) -> None:
    costs = []
    for count in (50, 200):
        remember(store, range(1, count + 1))
        clock = Clock()
        status_collector = collector_of(store, clock)
        assert len(status_collector.statuses()) == count
        store.asked.clear()
        clock.now += 2
        status_collector.statuses()
        costs.append(store.asked.total())
    assert costs[0] == costs[1]


def test_a_look_costs_no_more_where_every_project_has_updates_that_wait(store: Counted) -> None:
    costs = []
    for count in (50, 200):
        remember(store, range(1, count + 1))
        for project in range(1, count + 1):
            Updates(store).add(project, "ANNOTATION_CREATED", 1.0)
        clock = Clock()
        status_collector = collector_of(store, clock)
        status_collector.statuses()
        store.asked.clear()
        clock.now += 2
        assert all(each.updates for each in status_collector.statuses())
        costs.append(store.asked.total())
    assert costs[0] == costs[1]


def test_looks_that_take_long_are_further_apart(store: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(store, [1])
    clock = Clock()
    status_collector = collector_of(store, clock)
    look = status_collector._look

    def slow_look(*, viewed: bool) -> None:
        clock.now += 1
        look(viewed=viewed)

    monkeypatch.setattr(status_collector, "_look", slow_look)
    status_collector.statuses()
    for later, looks in ((4.0, 0), (1.5, 1)):
        clock.now += later
        store.asked.clear()
        status_collector.statuses()
        assert bool(store.asked) == bool(looks)


def test_every_project_has_its_turn(store: Counted) -> None:
    remember(store, range(1, 3 * LOOKED_AT + 1))
    clock = Clock()
    status_collector = collector_of(store, clock)
    status_collector.statuses()
    publish_with_report(store, "20260101T000000Z-aaaaaa", project=2 * LOOKED_AT)
    for _ in range(3):
        clock.now += 2
        found = status_collector.statuses()
    assert found[2 * LOOKED_AT - 1].version == "20260101T000000Z-aaaaaa"


def test_while_the_store_is_unreachable_the_last_known_statuses_are_shown(store: Counted) -> None:
    remember(store, [1])
    clock = Clock()
    status_collector = collector_of(store, clock)
    before = status_collector.statuses()
    clock.now += 2
    store.away = True
    assert status_collector.statuses() == before
    assert status_collector.error == "The store is away."
    clock.now += 2
    store.away = False
    status_collector.statuses()
    assert status_collector.error == ""


def test_runs_that_ended_between_two_looks_are_reported_once_each(store: Counted) -> None:
    remember(store, [1])
    clock = Clock()
    ended: list[RunRecord] = []
    status_collector = collector_of(store, clock, ended)
    status_collector.statuses()
    for number in range(3):
        with begin_run(store, 1, launcher="test", host="here") as run:
            run.end("failed" if number else "rejected", exit_code=75 if number else 0)
    for _ in range(2):
        clock.now += 2
        found = status_collector.statuses()
    assert [(record.number, record.outcome) for record in ended] == [(1, "rejected"), (2, "failed"), (3, "failed")]
    assert found[0].last_success == ended[0].ended_at


def test_a_deleted_project_is_gone(store: Counted) -> None:
    remember(store, [1, 2])
    clock = Clock()
    status_collector = collector_of(store, clock)
    status_collector.statuses()
    ModelStore(store).delete(1)
    clock.now += 2
    assert [each.project for each in status_collector.statuses()] == [2]
    assert status_collector.status(1) is None


@pytest.mark.parametrize("length", [2**16 - 1000, 2**20 - 1000])
def test_memory_does_not_grow_with_the_configurations_of_all_projects(tmp_path: Path, length: int) -> None:
    storage = open_storage(str(tmp_path))
    head, tail = CONFIG.split("</TimeSeriesLabels>")
    labels = "".join(f'<Label value="label {i}"/>' for i in range(length // 30))
    config = f"{head}{labels}</TimeSeriesLabels>{tail}"
    count = 2**24 // len(config)  # 16 MiB of text in all
    for project in range(1, count + 1):
        KnownProjects(storage).remember(KnownProject(id=project, label_config=config))
    status_collector = collector_of(storage, Clock())
    tracemalloc.start()
    try:
        assert len(status_collector.statuses()) == count
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 2**24
    status = status_collector.status(count)
    assert status is not None
    assert status.config is not None
    assert len(status.config.labels) > length // 31


def test_a_model_trained_by_older_rules_is_outdated(store: Counted) -> None:
    remember(store, [3, 4])
    publish_model(store, 3, "20260101T000000Z-aaaaaa", rules=1)
    publish_model(store, 4, "20260101T000000Z-aaaaaa")
    found = {each.project: each.outdated for each in collector_of(store, Clock()).statuses()}
    assert found == {3: True, 4: False}
