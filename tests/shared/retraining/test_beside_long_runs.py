"""A long training holds nobody up: short ones go first, and one may run beside it. With children that are processes."""

import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.retraining.launch_claims import LaunchClaims
from shared.retraining.launcher import ChildProcessLauncher
from shared.retraining.launches import Launches
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

LONG, SHORT, LONG_TOO, NEW = 1, 2, 3, 4
CHILD = """
    import os, sys, time
    from shared.retraining.active_run import begin_run
    from shared.retraining.updates import Updates
    from shared.store.opening import open_storage

    project, number = int(sys.argv[2]), int(sys.argv[4])
    storage = open_storage(os.environ["MODEL_DIR"])
    with begin_run(storage, project, launcher="process", host=f"here pid {os.getpid()}", number=number) as run:
        run.start_from(Updates(storage).of(project))
        while not os.path.exists(os.path.join(os.environ["MODEL_DIR"] + "-ends", str(project))):
            time.sleep(0.02)
        run.end("published", exit_code=0, reason="")
"""


class Machine:
    """A store, and the control loop's launches on it."""

    def __init__(self, folder: Path) -> None:
        self.storage: Storage = open_storage(str(folder))
        self.ends = Path(f"{folder}-ends")
        self.ends.mkdir()
        settings = Settings(model_dir=str(folder), max_concurrent_runs=1)
        self.runs = Runs(self.storage)
        self.launcher = ChildProcessLauncher(
            settings,
            runs=self.runs,
            environment=lambda: {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            command=(sys.executable, "-c", textwrap.dedent(CHILD)),
        )
        claims = LaunchClaims(self.storage, "")
        self.launches = Launches(settings, self.storage, self.launcher, claims, state_of=self.runs.state)

    def took(self, project: int, seconds: float) -> None:
        """Record that the last training of a project took so long."""
        begun = self.storage.now() - seconds
        self.runs.end(RunRecord(project=project, number=1, started_at=begun), "published", exit_code=0, reason="")

    def annotate(self, project: int, ago: float = 0.0) -> None:
        Updates(self.storage).add(project, "ANNOTATION_CREATED", self.storage.now() - ago)

    def look(self) -> set[int]:
        """One pass; the projects that are trained then."""
        self.launches.start_due(Updates(self.storage).waiting())
        return self.launcher.running()

    def finish(self, project: int) -> None:
        (self.ends / str(project)).touch()
        wait_until(lambda: project not in self.launcher.running())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "models")
    for project, seconds in ((LONG, 3000.0), (SHORT, 5.0), (LONG_TOO, 400.0)):
        machine.took(project, seconds)
    yield machine
    machine.launcher.close()


def test_what_is_short_goes_before_what_is_long_and_waits_no_longer(machine: Machine) -> None:
    machine.annotate(LONG, ago=60.0)
    machine.annotate(SHORT, ago=1.0)
    assert machine.look() == {SHORT}
    machine.finish(SHORT)
    assert machine.look() == {LONG}


def test_beside_a_long_training_one_short_one_runs_and_no_other_long_one(machine: Machine) -> None:
    machine.annotate(LONG)
    assert machine.look() == {LONG}
    machine.annotate(LONG_TOO, ago=600.0)
    assert machine.look() == {LONG}
    machine.annotate(SHORT)
    machine.annotate(NEW)
    assert machine.look() == {LONG, SHORT}
    assert machine.look() == {LONG, SHORT}  # two at most
    machine.finish(SHORT)
    assert machine.look() == {LONG, NEW}  # a first training is taken for a short one
    machine.finish(NEW)
    machine.finish(LONG)
    wait_until(lambda: machine.look() == {LONG_TOO})  # it is looked at again after a few seconds


def test_beside_a_short_training_nothing_else_starts(machine: Machine) -> None:
    machine.annotate(SHORT)
    assert machine.look() == {SHORT}
    machine.annotate(NEW)
    assert machine.look() == {SHORT}
