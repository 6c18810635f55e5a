"""What a pass of the control loop costs with many projects, and which of several servers starts a run."""

import pytest

from shared.errors import StoreError
from shared.retraining.launch_claims import LaunchClaims
from shared.retraining.launches import Launches
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.scheduler import WINDOW
from shared.retraining.updates import START_TRAINING, Update, Updates
from shared.settings import Settings
from tests.shared.retraining.test_controller import Launched
from tests.support.counted_storage import Counted

SETTINGS = Settings(max_concurrent_runs=1)
READ = 3  # requests for the state of one project's runs: a listing, the lease, the last record
FIRST_READ = 2  # … before its first run has ended
CLAIM = 2


def fail(storage: Counted, project: int, failures: int = 6) -> None:
    """Record that the last run of a project failed."""
    runs = Runs(storage)
    record = RunRecord(project=project, number=failures, waiting_updates=1)
    ended = runs.end(record, "failed", exit_code=75, reason="Label Studio is away.")
    assert ended.failures == 1


def in_back_off(count: int) -> Counted:
    """A store with so many projects whose last run failed just now; an update of each waits."""
    storage = Counted()
    for project in range(1, count + 1):
        Updates(storage).add(project, "ANNOTATION_CREATED", float(project))
        fail(storage, project)
    return storage


def launches_of(storage: Counted, launcher: Launched, process: str = "a") -> Launches:
    return Launches(SETTINGS, storage, launcher, LaunchClaims(storage, process), state_of=Runs(storage).state)


def spent(storage: Counted, launches: Launches, waiting: dict[int, list[Update]], *, whole: bool = True) -> int:
    """Requests of a pass."""
    before = storage.requests
    launches.start_due(waiting, whole=whole)
    return storage.requests - before


def test_projects_in_back_off_are_read_once_and_again_when_their_time_has_come() -> None:
    storage = in_back_off(100)
    launcher = Launched()
    launches = launches_of(storage, launcher)
    waiting = Updates(storage).waiting()
    assert spent(storage, launches, waiting) == 100 * READ
    assert spent(storage, launches, waiting) == 0
    storage.time += 31
    assert spent(storage, launches, waiting) == WINDOW * READ + CLAIM
    assert [launch.project for launch in launcher.launches] == [1]


@pytest.mark.parametrize("others", [10, 1000])
def test_an_event_starts_a_run_at_the_same_cost_however_many_are_in_back_off(others: int) -> None:
    storage = in_back_off(others)
    launcher = Launched()
    launches = launches_of(storage, launcher)
    launches.start_due(Updates(storage).waiting())
    event = Updates(storage).add(9999, "ANNOTATION_CREATED", 1e6)
    assert launches.may_be_due(9999, [event])
    assert spent(storage, launches, {9999: [event]}, whole=False) == FIRST_READ + CLAIM
    assert [launch.project for launch in launcher.launches] == [9999]


def test_a_pass_reads_no_more_projects_than_it_needs() -> None:
    storage = Counted()
    for project in range(1, 1001):
        Updates(storage).add(project, "ANNOTATION_CREATED", float(project))
    assert spent(storage, launches_of(storage, Launched()), Updates(storage).waiting()) == WINDOW * FIRST_READ + CLAIM


def test_a_project_trained_elsewhere_meanwhile_is_read_again() -> None:
    """It was in back-off; another server trained it, and a new update came: nothing is to be waited for."""
    storage = in_back_off(1)
    launcher = Launched()
    launches = launches_of(storage, launcher)
    launches.start_due(Updates(storage).waiting())
    Updates(storage).remove(Updates(storage).of(1))
    Runs(storage).end(RunRecord(project=1, number=7), "published", exit_code=0, reason="")
    Updates(storage).add(1, "ANNOTATION_CREATED", 2.0)
    launches.start_due(Updates(storage).waiting())
    assert [(launch.project, launch.number) for launch in launcher.launches] == [(1, 8)]


def test_the_button_ends_a_remembered_back_off() -> None:
    storage = in_back_off(1)
    launcher = Launched()
    launches = launches_of(storage, launcher)
    launches.start_due(Updates(storage).waiting())
    Updates(storage).add(1, START_TRAINING, 2.0)
    launches.start_due(Updates(storage).waiting())
    assert [launch.project for launch in launcher.launches] == [1]


def test_two_servers_start_one_run_each_and_not_the_same_one() -> None:
    storage = Counted()
    for project in (1, 2):
        Updates(storage).add(project, "ANNOTATION_CREATED", float(project))
    launchers = [Launched(), Launched()]
    for launcher, process in zip(launchers, ("a", "b"), strict=True):
        launches_of(storage, launcher, process).start_due(Updates(storage).waiting())
    assert [[launch.project for launch in launcher.launches] for launcher in launchers] == [[1], [2]]


def test_a_launch_that_fails_leaves_the_run_to_other_servers() -> None:
    storage = Counted()
    Updates(storage).add(1, "ANNOTATION_CREATED", 1.0)
    broken, sound = Launched(), Launched()
    broken.fails = True
    with pytest.raises(StoreError):
        launches_of(storage, broken, "a").start_due(Updates(storage).waiting())
    assert Runs(storage).launched(1, 1) is None
    launches_of(storage, sound, "b").start_due(Updates(storage).waiting())
    assert len(sound.launches) == 1
