"""What a server asks its store for again and again does not grow with versions, updates and projects."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.project_status import StatusCollector
from inference.monitoring.task_table import TaskTable
from inference.operations.operator_log import OperatorLog
from inference.serving.model_cache import ModelCache
from inference.serving.protocol import ProjectRef
from inference.status.overview import RowBuilder
from inference.status.project_page import ProjectPageBuilder
from shared.label_studio.credentials import Credentials
from shared.net.connections import Connections
from shared.retraining.controller import Controller, make_reconciler
from shared.retraining.runs import Runs
from shared.retraining.scheduler import WINDOW
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.models import ModelStore
from shared.store.projects import KnownProject, KnownProjects
from tests.shared.retraining.test_controller import Launched
from tests.support.counted_storage import Counted
from tests.support.graphs import make_model
from tests.support.models import model_file, snapshot, version_name

PROJECT = 7


def cost(storage: Counted, work: Callable[[], object]) -> Counter[str]:
    """What the store is asked for meanwhile."""
    storage.asked.clear()
    work()
    return Counter(storage.asked)


def waiting(updates: int, projects: int) -> Counted:
    """Updates of projects that have connected."""
    storage = Counted()
    spool, known = Updates(storage), KnownProjects(storage)
    for project in range(1, projects + 1):
        known.remember(KnownProject(id=project))
    for number in range(updates):
        spool.add(1 + number % projects, "ANNOTATION_CREATED", 1.0 + number)
    return storage


def control(storage: Counted, each: int, launcher: Launched) -> Controller:
    settings = Settings(
        label_studio_host="http://127.0.0.1:1", start_training_each_n_updates=each, max_concurrent_runs=1
    )
    connections = Connections()
    reconciler = make_reconciler(storage, Credentials(settings, connections), connections)
    return Controller(settings, storage, launcher, reconciler)


@pytest.mark.parametrize("each", [1, 10**6], ids=["all are due", "none is due"])
def test_a_pass_of_the_loop_costs_the_same_with_200_projects_and_10_000_updates(each: int) -> None:
    small, large = waiting(2 * WINDOW, WINDOW), waiting(10_000, 200)
    launchers = [Launched(), Launched()]
    loops = [control(storage, each, one) for storage, one in zip((small, large), launchers, strict=True)]
    first = [cost(storage, loop.launch_due) for storage, loop in zip((small, large), loops, strict=True)]
    assert first[0] == first[1]
    assert [len(one.launches) for one in launchers] == [int(each == 1)] * 2
    again = [cost(storage, loop.launch_due) for storage, loop in zip((small, large), loops, strict=True)]
    assert again[0] == again[1]  # the one place is taken
    assert each == 1 or again[0] == Counter(keys=1)  # too little waits


def test_an_event_costs_the_same_with_100_000_updates_that_wait() -> None:
    found = []
    for storage in (waiting(2, 1), waiting(100_000, 200)):
        loop = control(storage, 10**6, Launched())
        loop.launch_due()
        update = Updates(storage).add(1, "START_TRAINING", 1e6)
        before = storage.requests
        loop.wake(update)
        loop.launch_changed([1])
        found.append(storage.requests - before)
    assert found[0] == found[1] <= 6  # its updates, the state of its runs, the claim


def kept(versions: int) -> Counted:
    """A store with so many versions, the last of which serves."""
    storage = Counted()
    for number in range(versions - 1):
        storage.put(f"versions/{PROJECT}/{version_name(number)}.onnx", model_file(number))
        storage.put(f"versions/{PROJECT}/{version_name(number)}.report.json", b"{}")
    storage.put(
        f"model_project_{PROJECT}.onnx",
        make_model(project=PROJECT, version=version_name(versions), snapshot=snapshot(versions)),
    )
    return storage


def test_serving_costs_the_same_with_500_versions() -> None:
    found = []
    for storage in (kept(2), kept(500)):
        times = iter(range(100))
        models = ModelCache(ModelStore(storage), cache_size=4, clock=lambda times=times: float(next(times)))  # type: ignore[misc]
        first = cost(storage, lambda models=models: models.serving(ProjectRef(PROJECT, "")))  # type: ignore[misc]
        again = cost(storage, lambda models=models: models.serving(ProjectRef(PROJECT, "")))  # type: ignore[misc]
        listed = cost(storage, lambda storage=storage: ModelStore(storage).versions(PROJECT))  # type: ignore[misc]
        found.append((first, again, listed))
    assert found[0] == found[1]
    assert found[0][1]["keys"] == 0  # nothing is listed to see that nothing changed


def test_a_second_look_at_a_project_costs_the_same_with_500_versions() -> None:
    found = []
    for versions in (2, 500):
        storage = kept(versions)
        for number in range(0, versions - 1, 2):
            storage.put(f"versions/{PROJECT}/{version_name(number)}.rejected", b"Worse than what serves.")
        store = ModelStore(storage)
        statuses = StatusCollector(store, Runs(storage), Updates(storage), KnownProjects(storage), ended=lambda _: None)
        builder = ProjectPageBuilder(
            Settings(),
            RowBuilder(Settings(), trains=False, clock=time.time),
            statuses,
            ActivityLog(),
            tasks=TaskTable(storage),
            operators=OperatorLog(storage),
            trouble=str,
            storage=storage,
            models=ModelCache(store, cache_size=1),
            findings={},
            trains=False,
            clock=time.time,
        )
        page = builder.build(PROJECT)
        assert page is not None
        assert len(page.versions) == versions - 1
        assert all(each.size for each in page.versions)
        found.append(cost(storage, lambda builder=builder: builder.build(PROJECT)))  # type: ignore[misc]
    assert found[0] == found[1]
