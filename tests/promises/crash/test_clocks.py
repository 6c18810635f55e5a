"""Machines whose clocks differ, and one whose clock is set back or forward (promises 1, 3, 5).

A process of its own has a wrong clock; the volume's clock, by which leases and snapshots go, is right.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from shared.errors import LeaseHeldError
from shared.retraining.active_run import begin_run
from shared.retraining.runs import Runs
from shared.retraining.scheduler import decide
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store import keys
from shared.store.folder import FolderStorage
from shared.store.lease import decode_lease, take_lease
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.promises.crash.counting import COUNTS
from tests.promises.crash.live_stack import PROJECT, START_SECONDS, live_stack
from tests.support.models import model_file, snapshot
from tests.support.paths import ROOT

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400
SHIFTS = (-YEAR, -2 * DAY, -HOUR, HOUR, 2 * DAY, YEAR)
TRAINING = ("training.commands.run", "training.data.tasks", "training.data.training_data")
KIND = "clocks that were wrong"


def wrong_clock(seconds: float, modules: Sequence[str] = ()) -> str:
    """Python that sets the clock of a process: what time.time() and time_ns() say, and in `modules` datetime.now()."""
    return f"""
import datetime as _module, importlib, sys, time as _clock
sys.path.insert(0, {str(ROOT)!r})
_time, _time_ns = _clock.time, _clock.time_ns
_clock.time = lambda: _time() + {seconds}
_clock.time_ns = lambda: _time_ns() + int({seconds} * 10**9)
class _Wrong(_module.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_clock.time(), tz)
for name in {modules!r}:
    importlib.import_module(name).datetime = _Wrong
"""


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_machine_with_a_wrong_clock_respects_leases_and_its_own_are_respected(tmp_path: Path, shift: int) -> None:
    storage = open_storage(str(tmp_path))
    script = f"""{wrong_clock(shift)}
from shared.errors import LeaseHeldError
from shared.store.lease import take_lease
from shared.store.opening import open_storage
storage = open_storage({str(tmp_path)!r})
try:
    take_lease(storage, 1, "there")
    raise SystemExit("It took a lease whose holder lives.")
except LeaseHeldError:
    pass
take_lease(storage, 2, "there")
print("taken", flush=True)
sys.stdin.read()
"""
    held = take_lease(storage, 1, "here")
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as there:
        assert there.stdout is not None
        assert there.stdout.readline() == b"taken\n"
        with pytest.raises(LeaseHeldError):
            take_lease(storage, 2, "here")
        held.renew()
    COUNTS[KIND] += 1


@pytest.mark.parametrize("shift", [-2 * DAY, 2 * DAY])
def test_a_machine_with_a_wrong_clock_publishes_and_so_does_the_next(tmp_path: Path, shift: int) -> None:
    """The real trainer, wrong, then right: each one's model serves, and no state is trained on twice."""
    with live_stack(tmp_path) as play:
        storage = open_storage(play.model_dir)
        program, server = play.server("server", TRAIN_LAUNCHER="none")
        with program.start(START_SECONDS):
            for before in (wrong_clock(shift, TRAINING), "", wrong_clock(-shift, TRAINING), ""):
                assert play.annotators.save(server)
                code, said = play.train(before)
                assert code == 0, said
                last = Runs(storage).last_ended(PROJECT)
                model_info = ModelStore(storage).model_info(PROJECT)
                assert last is not None
                assert model_info is not None
                assert (last.outcome, last.version) == ("published", model_info.version), last.reason
                assert Updates(storage).of(PROJECT) == []
                COUNTS[KIND] += bool(before)


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_clock_that_is_set_in_the_middle_loses_and_holds_up_nothing(
    tmp_path: Path, shift: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the volume itself jumps: while a run goes on, after its end, and while a dead one has the lease."""
    real = FolderStorage.now
    off = 0.0
    monkeypatch.setattr(FolderStorage, "now", lambda self: real(self) + off)
    storage = FolderStorage(tmp_path)
    updates, runs, store = Updates(storage), Runs(storage), ModelStore(storage)
    settings = Settings()

    def due() -> list[int]:
        waiting = updates.waiting()
        states = {project: runs.state(project) for project in waiting}
        return [launch.project for launch in decide(waiting, states.__getitem__, storage.now(), settings)]

    for number in (1, 2):
        updates.add(7, "ANNOTATION_CREATED", storage.now())
        assert due() == [7]
        run = begin_run(storage, 7, launcher="test", host="here")
        run.start_from(updates.of(7))
        run.report(snapshot=snapshot(number))
        off += shift
        COUNTS[KIND] += 1
        run.beat()
        assert store.publish(run.lease, model_file(number)).published
        run.end("published", exit_code=0)
        off -= 2 * shift
        assert updates.of(7) == []
    found = storage.get(keys.lease(7))
    assert found is not None
    silent = msgspec.structs.replace(decode_lease(storage, 7, found.data), released=False, process="elsewhere 1 1")
    storage.put(keys.lease(7), msgspec.json.encode(silent), if_match=found.tag)
    off += shift  # its holder was on another machine, and died
    updates.add(7, "ANNOTATION_CREATED", storage.now())
    assert due() == [7]
    assert take_lease(storage, 7, "next").fence == silent.fence + 1


def test_the_wrong_clock_of_these_tests_is_wrong() -> None:
    wrong = wrong_clock(YEAR, TRAINING)
    script = f"{wrong}\nimport training.commands.run as r\nprint(r.datetime.now(r.UTC).timestamp(), _time())"
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert float(said[0]) - float(said[1]) > YEAR - HOUR
