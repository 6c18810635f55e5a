import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import LabelStudioError, StoreError
from shared.label_studio.credentials import Credentials
from shared.net.connections import Connections
from shared.retraining.active_run import begin_run
from shared.retraining.controller import COMPARED_AT_ONCE, Controller, make_reconciler
from shared.retraining.reconcile import Finding
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage
from tests.support.label_studio import LabelStudioDouble
from tests.support.tokens import TOKEN
from tests.support.waiting import wait_until
from tests.support.web_server import serve


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00garbage")


def of_a_later_release(path: Path) -> None:
    path.write_bytes(b'{"schema": 9, "project": {"number": 7}, "number": [1], "fence": "x", "id": {}, "title": 3}')


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def holes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


UNREADABLE = (garbage, of_a_later_release, pipe, link, holes)
RECORDS = ("runs/7/ended/00000001.json", "runs/7/active", "projects/7.json")


class Launched:
    """A launcher that only remembers what it was asked to start."""

    name = "test"

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.fails = False

    def launch(self, launch: Launch) -> None:
        if self.fails:
            raise StoreError("The launcher is out of order.")
        self.launches.append(launch)

    def running(self) -> set[int]:
        return {launch.project for launch in self.launches}

    def close(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    storage = open_storage(str(tmp_path / "store"))
    KnownProjects(storage).remember(KnownProject(id=3))
    return storage


def control_of(
    folder: Storage,
    launcher: Launched,
    host: str = "http://127.0.0.1:1",
    seconds: int = 0,
    places: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Controller:
    settings = Settings(
        label_studio_host=host, label_studio_api_key=TOKEN, reconcile_seconds=seconds, max_concurrent_runs=places
    )
    connections = Connections()
    reconciler = make_reconciler(folder, Credentials(settings, connections), connections)
    return Controller(settings, folder, launcher, reconciler, clock=clock)


def test_an_update_starts_a_run(folder: Storage) -> None:
    launcher = Launched()
    Updates(folder).add(3, "ANNOTATION_CREATED", time.time())
    control_of(folder, launcher).launch_due()
    (launch,) = launcher.launches
    assert (launch.project, launch.number) == (3, 1)
    assert Runs(folder).launched(3, 1) is not None


def test_an_abandoned_run_is_recorded_as_failed_before_the_next_is_launched(folder: Storage) -> None:
    launcher = Launched()
    Updates(folder).add(3, "ANNOTATION_CREATED", time.time())
    with begin_run(folder, 3, launcher="process", host="here"):
        pass  # left without an end
    control_of(folder, launcher).launch_due()
    ended = Runs(folder).last_ended(3)
    assert ended is not None
    assert (ended.outcome, ended.failures) == ("failed", 1)
    assert launcher.launches == [], "back-off applies"


def test_the_loop_sees_updates_that_others_wrote_and_those_it_is_woken_for(folder: Storage) -> None:
    launcher = Launched()
    control = control_of(folder, launcher)
    control.start()
    Updates(folder).add(3, "ANNOTATION_CREATED", time.time())
    control.wake()
    wait_until(lambda: bool(launcher.launches))
    control.stop()


def test_a_launcher_that_fails_is_reported_once_and_tried_again(
    folder: Storage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.retraining.controller.PASS_SECONDS", 0.01)
    launcher = Launched()
    launcher.fails = True
    Updates(folder).add(3, "ANNOTATION_CREATED", time.time())
    control = control_of(folder, launcher)
    with caplog.at_level(logging.INFO, "shared.retraining.controller"):
        control.start()
        wait_until(lambda: "out of order" in caplog.text)
        launcher.fails = False
        wait_until(lambda: bool(launcher.launches))
        wait_until(lambda: "Recovered: Trainings cannot be started" in caplog.text)
        control.stop()
    assert caplog.text.count("out of order") == 1


def test_a_missed_event_becomes_an_update_and_a_run(folder: Storage) -> None:
    label_studio = LabelStudioDouble()
    label_studio.annotate(1)
    KnownProjects(folder).remember(KnownProject(id=1))
    launcher = Launched()
    with serve(label_studio) as web:
        control = control_of(folder, launcher, web.url, seconds=300)
        control.start()
        wait_until(lambda: launcher.launches and control.findings)  # a pass may launch before the finding is kept
        control.stop()
    assert launcher.launches[0].project == 1
    assert control.findings[1].state == "changed"


def test_a_project_that_connects_again_and_again_is_compared_now_and_then(
    folder: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_studio = LabelStudioDouble()
    compared: list[int] = []
    with serve(label_studio) as web:
        control = control_of(folder, Launched(), web.url, clock=lambda: 0.0)
        compare = control.reconcile

        def counted(projects: list[int]) -> list[Finding]:
            compared.extend(projects)
            return compare(projects)

        monkeypatch.setattr(control, "reconcile", counted)
        control.start()
        for _ in range(20):
            control.reconcile_soon(1)
        wait_until(lambda: 1 in control.findings)
        control.reconcile_soon(1, 2)
        wait_until(lambda: 2 in control.findings)
        control.stop()
    assert compared == [1, 2]


def test_label_studio_away_is_reported_and_stops_nothing(folder: Storage, caplog: pytest.LogCaptureFixture) -> None:
    KnownProjects(folder).remember(KnownProject(id=1))
    launcher = Launched()
    control = control_of(folder, launcher, seconds=300)
    with caplog.at_level(logging.WARNING, "shared.retraining.controller"):
        control.start()
        wait_until(lambda: "was not reached" in caplog.text)
        Updates(folder).add(1, "ANNOTATION_CREATED", time.time())
        control.wake()
        wait_until(lambda: bool(launcher.launches))
        control.stop()


@pytest.mark.parametrize("key", RECORDS)
@pytest.mark.parametrize("damage", UNREADABLE)
def test_an_unreadable_record_of_one_project_stops_no_other(
    folder: Storage, key: str, damage: Callable[[Path], None]
) -> None:
    launcher, label_studio = Launched(), LabelStudioDouble()
    label_studio.annotate(1)
    for project in (1, 7, 8):
        KnownProjects(folder).remember(KnownProject(id=project))
        with begin_run(folder, project, launcher="process", host="here") as active:
            active.end("published", exit_code=0)
        Updates(folder).add(project, "ANNOTATION_CREATED", time.time())
    path = Path(folder.address) / key
    path.unlink()
    damage(path)
    with serve(label_studio) as web:
        control = control_of(folder, launcher, web.url, places=3)
        control.launch_due()
        assert launcher.running() >= {1, 8}
        found = {finding.project: finding.state for finding in control.reconcile([7, 1])}
    assert found[1] == "waiting"


def test_events_of_an_unknown_project_train_nothing_before_label_studio_confirms_it(folder: Storage) -> None:
    launcher, label_studio = Launched(), LabelStudioDouble()
    for project in (1, 2, 9):
        Updates(folder).add(project, "ANNOTATION_CREATED", 1.0)
    Updates(folder).add(3, "ANNOTATION_CREATED", 2.0)
    away = control_of(folder, launcher)
    away.launch_due()
    assert launcher.running() == {3}, "forged ones are older and take no place"
    with pytest.raises(LabelStudioError):
        away.confirm_strangers()
    assert Updates(folder).waiting().keys() == {1, 2, 3, 9}, "while Label Studio is away they stay"
    with serve(label_studio) as web:
        control = control_of(folder, launcher, web.url, places=2)
        control.launch_due()
        assert launcher.running() == {3}
        control.confirm_strangers()
        control.launch_due()
    assert launcher.running() == {1, 3}
    assert Updates(folder).waiting().keys() == {1, 3}
    known = KnownProjects(folder).get(1)
    assert known is not None
    assert known.title == "One"


def test_updates_of_unknown_projects_are_bounded(folder: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.retraining.strangers.MOST_STRANGE", 5)
    control = control_of(folder, Launched())
    for project in range(10, 15):
        assert not control.is_full(project)
        Updates(folder).add(project, "ANNOTATION_CREATED", 1.0)
        control.launch_due()
    assert control.is_full(99)
    assert not control.is_full(3), "a project that connected is never refused"


def test_events_of_unknown_projects_are_bounded_without_a_token_too(
    folder: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.retraining.strangers.MOST_STRANGE", 5)
    settings = Settings(label_studio_host="http://127.0.0.1:1", reconcile_seconds=0)
    connections = Connections()
    reconciler = make_reconciler(folder, Credentials(settings, connections), connections)
    control = Controller(settings, folder, Launched(), reconciler)
    for project in range(90, 95):
        Updates(folder).add(project, "ANNOTATION_CREATED", time.time())
        control.launch_due()
    assert control.is_full(99)
    assert not control.is_full(3)


def test_many_projects_are_compared_a_few_at_a_time(folder: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.retraining.controller.COMPARE_SECONDS", 0.01)
    for project in range(100, 150):
        KnownProjects(folder).remember(KnownProject(id=project))
    with serve(LabelStudioDouble()) as web:
        control = control_of(folder, Launched(), web.url, seconds=300)
        sizes: list[int] = []
        compare = control.reconcile

        def counted(projects: list[int]) -> list[Finding]:
            sizes.append(len(projects))
            return compare(projects)

        monkeypatch.setattr(control, "reconcile", counted)
        control.start()
        wait_until(lambda: len(control.findings) == 51)
        control.reconcile_soon(*range(200, 245))
        wait_until(lambda: len(control.findings) == 96)
        control.stop()
    assert max(sizes) == COMPARED_AT_ONCE
