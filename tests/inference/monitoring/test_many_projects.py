"""What a server asks its store for with many projects, as requests to a bucket: each page of a listing is one."""

import threading
from collections.abc import Callable

import pytest

from inference.monitoring import project_status
from inference.monitoring.metrics import ServerMetrics
from inference.monitoring.project_examination import Marks
from inference.monitoring.project_status import IDLE_LOOKED_AT, StatusCollector
from inference.monitoring.status_metrics import most_active
from inference.serving.model_cache import ModelCache
from shared.retraining.active_run import begin_run
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store import keys
from shared.store.models import ModelStore
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Blob
from tests.support.counted_storage import Counted
from tests.support.graphs import make_model
from tests.support.models import snapshot
from tests.support.store import publish_model
from tests.support.waiting import NEVER_SECONDS

VERSION = "20260101T000000Z-aaaaaa"
FIRST = 6  # requests for a project at the first look: record, runs, lease, last run, model, report
RUNS = 3  # … for the state of its runs
LATER = "20260102T000000Z-bbbbbb"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def store_of(count: int) -> Counted:
    """Projects that have connected, each with a model and a run that published it."""
    storage = Counted()
    for project in range(1, count + 1):
        KnownProjects(storage).remember(KnownProject(id=project))
        storage.put(keys.model(project), make_model(project=project, version=VERSION, snapshot=snapshot(1), hidden=2))
        storage.put(keys.weights(project), b"weights")
        record = RunRecord(project=project, number=1, version=VERSION)
        Runs(storage).end(record, "published", exit_code=0, reason="")
    return storage


@pytest.fixture(scope="module")
def large() -> Counted:
    return store_of(1000)


def collector_of(storage: Counted, clock: Clock, each: int = 1) -> StatusCollector:
    return StatusCollector(
        ModelStore(storage),
        Runs(storage),
        Updates(storage),
        KnownProjects(storage),
        settings=Settings(start_training_each_n_updates=each),
        ended=lambda _: None,
        clock=clock,
    )


def spent(storage: Counted, work: Callable[[], object]) -> int:
    before = storage.requests
    work()
    return storage.requests - before


def look(collector: StatusCollector) -> None:
    """As the background thread does it."""
    collector._attempt(viewed=False)


def a_minute(collector: StatusCollector, clock: Clock) -> None:
    for _ in range(6):
        clock.now += 10
        look(collector)


def test_the_first_look_reads_six_objects_a_project_and_no_model_wholly(
    large: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[str] = []
    get = Counted.get

    def noting(storage: Counted, key: str, *, last: int | None = None) -> object:
        if last is None:
            whole.append(key)
        return get(storage, key, last=last)

    monkeypatch.setattr(Counted, "get", noting)
    collector = collector_of(large, Clock())
    assert spent(large, lambda: look(collector)) <= FIRST * 1000 + 10
    assert {each.version for each in collector.known()} == {VERSION}
    assert not [key for key in whole if key.endswith(".onnx")]


@pytest.mark.parametrize("count", [100, 1000])
def test_a_minute_in_which_nothing_happens_costs_less_than_ninety_requests(count: int, large: Counted) -> None:
    storage = large if count == 1000 else store_of(count)
    clock = Clock()
    collector = collector_of(storage, clock)
    look(collector)
    assert spent(storage, lambda: a_minute(collector, clock)) <= 90


def test_listings_are_the_less_often_the_more_projects_there_are(large: Counted) -> None:
    clock = Clock()
    collector = collector_of(large, clock)
    look(collector)
    collector._marks = {project: Marks("m") for project in range(1, 10_001)}  # 31 pages
    collector._listed_at = clock.now
    listed = []
    monkey = collector._projects.marks
    collector._projects.marks = lambda: listed.append(clock.now) or monkey()  # type: ignore[method-assign,func-returns-value]
    for _ in range(59):
        clock.now += 1
        collector._list(viewed=False)
    assert listed == []
    clock.now += 2
    collector._list(viewed=False)
    assert len(listed) == 1


def test_what_waits_with_too_few_updates_costs_nothing_more() -> None:
    """Below the threshold nobody may start a run: nothing is to be looked at."""
    storage = store_of(300)
    for project in range(1, 301):
        Updates(storage).add(project, "ANNOTATION_CREATED", 1.0)
    clock = Clock()
    collector = collector_of(storage, clock, each=10)
    look(collector)
    assert spent(storage, lambda: a_minute(collector, clock)) <= 120


def test_a_metrics_scrape_reads_nothing_and_waits_for_no_look() -> None:
    storage = store_of(3)
    collector = collector_of(storage, Clock())
    look(collector)
    metrics = ServerMetrics("1")
    metrics.watch(ModelCache(ModelStore(storage), cache_size=1), collector, lambda: None)
    collector.touch(1)
    assert spent(storage, metrics.text) == 0
    begun, gate = threading.Event(), threading.Event()
    marks = storage.marks

    def hanging(folder: str = "", *, deep: bool = True) -> dict[str, str]:
        begun.set()
        gate.wait(NEVER_SECONDS)
        return marks(folder, deep=deep)

    storage.marks = hanging  # type: ignore[method-assign]
    collector._listed_at = float("-inf")
    thread = threading.Thread(target=collector.statuses)
    collector.touch(1)
    thread.start()
    try:
        assert begun.wait(NEVER_SECONDS)
        assert spent(storage, metrics.text) == 0
        assert b"tss_projects 3.0" in metrics.text()
    finally:
        gate.set()
        thread.join()


def test_a_model_that_was_published_or_rolled_back_elsewhere_is_seen_by_the_next_listing() -> None:
    storage = store_of(300)
    clock = Clock()
    collector = collector_of(storage, clock)
    look(collector)
    publish_model(storage, 299, LATER)
    clock.now += 10
    look(collector)
    assert {each.project: each.version for each in collector.known()}[299] == LATER


def test_a_run_elsewhere_is_seen_while_its_update_waits_and_when_it_has_gone() -> None:
    storage = store_of(300)
    clock = Clock()
    ended: list[RunRecord] = []
    collector = collector_of(storage, clock)
    collector._examiner._ended = ended.append
    update = Updates(storage).add(299, "ANNOTATION_CREATED", 1.0)
    look(collector)
    with begin_run(storage, 299, launcher="test", host="here") as run:
        run.start_from([update])
        clock.now += 10
        look(collector)
        assert [each.project for each in collector.known() if each.runs.active] == [299]
        run.end("rejected", exit_code=0)
    clock.now += 10
    look(collector)
    assert not any(each.runs.active or each.updates for each in collector.known())
    assert [(record.project, record.outcome) for record in ended] == [(299, "rejected")]


def test_a_run_that_nobody_could_see_is_found_in_turn() -> None:
    """Started by hand, failed, and without an update: no listing shows it."""
    storage = store_of(5)
    clock = Clock()
    collector = collector_of(storage, clock)
    look(collector)
    Runs(storage).end(RunRecord(project=4, number=2), "failed", exit_code=2, reason="Wrong setting.")
    for _ in range(5 // IDLE_LOOKED_AT):
        clock.now += 10
        look(collector)
    last = {each.project: each.runs.last for each in collector.known()}[4]
    assert last is not None
    assert last.number == 2


def test_a_damaged_model_that_is_published_while_the_server_runs_is_named() -> None:
    storage = store_of(300)
    clock = Clock()
    collector = collector_of(storage, clock)
    look(collector)
    data = make_model(project=7, version=LATER, snapshot=snapshot(2), hidden=2)
    storage.put(keys.model(7), data[:100] + b"\xff" + data[101:])
    clock.now += 10
    look(collector)
    assert "checksum" in {each.project: each.refused for each in collector.known()}[7]


def test_a_page_does_not_wait_for_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_status, "WAIT_SECONDS", 0.01)
    collector = collector_of(store_of(3), Clock())
    with collector._looking:  # in progress
        assert collector.statuses() == []
        status = collector.status(2)
    assert status is not None
    assert status.version == VERSION


def test_a_page_is_read_while_the_look_waits_for_another_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_status, "WAIT_SECONDS", 0.01)
    storage = store_of(3)
    collector = collector_of(storage, Clock())
    begun, gate = threading.Event(), threading.Event()
    get = storage.get

    def hanging(key: str, *, last: int | None = None) -> Blob | None:
        if key == keys.known(1):
            begun.set()
            gate.wait(NEVER_SECONDS)
        return get(key, last=last)

    monkeypatch.setattr(storage, "get", hanging)
    thread = threading.Thread(target=collector.statuses)
    thread.start()
    try:
        assert begun.wait(NEVER_SECONDS)
        status = collector.status(2)
        assert status is not None
        assert status.version == VERSION
        assert [each.project for each in collector.statuses()] == [2]
    finally:
        gate.set()
        thread.join()
    assert [each.project for each in collector.known()] == [1, 2, 3]


def test_the_most_active_projects_have_series_of_their_own() -> None:
    storage = store_of(6)
    Runs(storage).end(RunRecord(project=5, number=2), "failed", exit_code=75, reason="Label Studio is away.")
    Updates(storage).add(3, "ANNOTATION_CREATED", 4e9)
    with begin_run(storage, 6, launcher="test", host="here"):
        collector = collector_of(storage, Clock())
        look(collector)
        assert [each.project for each in most_active(collector.known(), 3)] == [5, 6, 3]
