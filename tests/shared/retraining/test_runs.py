import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import LeaseHeldError, RunCancelledError, StoreError
from shared.retraining.active_run import LOG_LINES, RETRY_SECONDS, ActiveRun, begin_run
from shared.retraining.runs import HISTORY, Outcome, Progress, RunRecord, Runs
from shared.retraining.updates import START_TRAINING, Updates
from shared.store import keys
from shared.store import lease as leases
from shared.store.folder import FolderStorage
from shared.store.lease import LEASE_SECONDS, read_lease, take_lease
from shared.store.storage import Storage
from tests.support.memory_storage import MemoryStorage
from tests.support.models import snapshot
from tests.support.paths import ROOT

PROJECT = 7


def begin(storage: Storage, number: int | None = None) -> ActiveRun:
    return begin_run(storage, PROJECT, launcher="test", host="here", number=number)


def test_a_project_has_one_run_at_a_time(storage: Storage) -> None:
    run = begin(storage)
    with pytest.raises(LeaseHeldError, match="here"):
        begin(storage)
    begin_run(storage, 8, launcher="test", host="here")
    run.end("published", exit_code=0)
    assert begin(storage).lease.fence == run.lease.fence + 1


def test_numbers_stay_until_a_run_ends_and_then_move_on(storage: Storage) -> None:
    runs = Runs(storage)
    assert runs.next_number(PROJECT) == 1
    run = begin(storage)
    assert (run.number, runs.next_number(PROJECT)) == (1, 1)
    run.end("failed", exit_code=75, reason="Label Studio is away.")
    assert runs.next_number(PROJECT) == 2
    runs.record_failed(PROJECT, 2, "The image could not be pulled.")
    runs.record_failed(PROJECT, 2, "Again.")
    assert runs.next_number(PROJECT) == 3
    assert begin(storage).number == 3
    assert [record.reason for record in runs.history(PROJECT)] == [
        "",
        "The image could not be pulled.",
        "Label Studio is away.",
    ]


def test_a_finished_run_deletes_the_updates_it_started_from_and_no_others(storage: Storage) -> None:
    updates = Updates(storage)
    for at in (1.0, 2.0):
        updates.add(PROJECT, "ANNOTATION_CREATED", at)
    run = begin(storage)
    run.start_from(updates.of(PROJECT))
    late = updates.add(PROJECT, "ANNOTATION_CREATED", 0.5)
    run.end("published", exit_code=0)
    assert updates.of(PROJECT) == [late]


@pytest.mark.parametrize(
    ("outcome", "exit_code", "read", "kept"),
    [
        ("failed", 75, True, 1),
        ("failed", 1, True, 1),
        ("failed", 2, False, 0),
        ("rejected", 0, True, 0),
        ("cancelled", 0, True, 0),
        ("cancelled", 0, False, 1),
    ],
)
def test_updates_stay_unless_the_run_settled_them(outcome: Outcome, exit_code: int, read: bool, kept: int) -> None:
    storage = MemoryStorage()
    updates = Updates(storage)
    updates.add(PROJECT, "ANNOTATION_CREATED", 1.0)
    run = begin(storage)
    run.start_from(updates.of(PROJECT))
    run.report(snapshot=snapshot(1) if read else None)
    run.end(outcome, exit_code=exit_code)
    assert len(updates.of(PROJECT)) == kept


def test_the_snapshot_of_the_last_finished_run_outlives_failures(storage: Storage) -> None:
    runs = Runs(storage)
    run = begin(storage)
    run.report(snapshot=snapshot(1))
    run.end("rejected", exit_code=0)
    for failures in (1, 2):
        run = begin(storage)
        run.report(snapshot=snapshot(2))
        run.end("failed", exit_code=75)
        last = runs.last_ended(PROJECT)
        assert last is not None
        assert (last.failures, last.trained) == (failures, snapshot(1))
    run = begin(storage)
    run.report(snapshot=snapshot(3))
    run.end("failed", exit_code=2, reason="Every row is of one class.")
    last = runs.last_ended(PROJECT)
    assert last is not None
    assert (last.failures, last.trained) == (0, snapshot(3))


def test_progress_and_lines_are_seen_by_others_at_the_next_heartbeat(storage: Storage) -> None:
    run = begin(storage)
    for line in range(LOG_LINES + 50):
        run.log(f"line {line}")
    run.report(state="fitting", progress=Progress(fraction=0.5, losses=((1, 0.7),)), snapshot=snapshot(1))
    run.beat()
    runs = Runs(storage)
    state = runs.state(PROJECT)
    assert state.active is not None
    assert (state.active.state, state.active.progress.fraction) == ("fitting", 0.5)
    lines = runs.log(PROJECT, 1).splitlines()
    assert (len(lines), lines[-1]) == (LOG_LINES, f"line {LOG_LINES + 49}")
    run.end("published", exit_code=0)
    assert runs.log(PROJECT, 1).splitlines() == lines
    assert runs.state(PROJECT).active is None


def test_a_cancelled_run_hears_of_it_at_its_next_heartbeat(storage: Storage) -> None:
    runs = Runs(storage)
    assert runs.request_cancel(PROJECT) is None
    run = begin(storage)
    run.report(state="fitting")
    assert runs.request_cancel(PROJECT) == 1
    with pytest.raises(RunCancelledError):
        run.beat()
    with pytest.raises(RunCancelledError):
        run.report(state="judging")
    run.end("cancelled", exit_code=0)
    begin(storage).beat()


def test_a_silent_run_loses_its_lease_and_finds_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "this_process", lambda: "")
    storage = MemoryStorage()
    runs = Runs(storage)
    silent = begin(storage)
    storage.time += LEASE_SECONDS - 1
    with pytest.raises(LeaseHeldError):
        begin(storage)
    storage.time += 1
    assert runs.record_abandoned(PROJECT)
    state = runs.state(PROJECT)
    assert state.active is None
    assert state.last is not None
    assert (state.last.outcome, state.last.failures, state.next_number) == ("failed", 1, 2)
    other = begin(storage)
    with pytest.raises(LeaseHeldError, match="was lost"):
        silent.beat()
    with pytest.raises(LeaseHeldError):
        silent.end("published", exit_code=0)
    other.end("published", exit_code=0)
    assert runs.next_number(PROJECT) == 3


def test_a_second_attempt_of_a_job_waits_for_the_lease_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "this_process", lambda: "")
    storage = MemoryStorage()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        storage.time += seconds

    monkeypatch.setattr("shared.retraining.active_run.time.sleep", sleep)
    begin(storage, number=1)  # its pod was killed
    second = begin_run(storage, PROJECT, launcher="kubernetes", host="pod-2", number=1, wait_seconds=120)
    assert (second.number, second.record.attempt) == (1, 2)
    assert LEASE_SECONDS <= sum(waited) <= LEASE_SECONDS + RETRY_SECONDS
    with pytest.raises(LeaseHeldError):  # another run's lease is not waited for
        begin_run(storage, PROJECT, launcher="kubernetes", host="pod-3", number=2, wait_seconds=120)
    with pytest.raises(LeaseHeldError):  # nor is that of a living attempt for ever
        begin_run(storage, PROJECT, launcher="kubernetes", host="pod-4", number=1, wait_seconds=0)


def test_a_clock_that_was_set_back_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "this_process", lambda: "")
    storage = MemoryStorage()
    begin(storage)
    storage.time -= 86_400
    begin(storage)


def test_a_run_that_still_beats_is_not_taken_for_dead_by_a_clock_that_jumps() -> None:
    storage = MemoryStorage()
    run = begin(storage)
    storage.time -= 86_400
    run.beat()
    with pytest.raises(LeaseHeldError):
        begin(storage)


def test_who_died_on_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from shared.retraining.active_run import begin_run; from shared.store.folder import FolderStorage\n"
        "run = begin_run(FolderStorage(Path(sys.argv[1])), 7, launcher='test', host='there')\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, cwd=ROOT)
    storage = FolderStorage(tmp_path)
    lease = read_lease(storage, PROJECT)
    assert lease is not None
    assert "there" in lease.holder
    run = begin(storage)
    assert (run.number, run.lease.fence) == (2, 2)
    last = Runs(storage).last_ended(PROJECT)
    assert last is not None
    assert "without recording its end" in last.reason


def test_a_second_attempt_goes_on_under_the_same_number(storage: Storage) -> None:
    with begin(storage, number=1):
        pass  # its pod was evicted
    run = begin(storage, number=1)
    assert (run.number, run.record.attempt) == (1, 2)
    run.end("published", exit_code=0)
    assert begin(storage, number=1).number == 2


def test_leaving_a_run_without_an_end_gives_the_lease_back(storage: Storage) -> None:
    with pytest.raises(KeyboardInterrupt), begin(storage):
        raise KeyboardInterrupt
    runs = Runs(storage)
    state = runs.state(PROJECT)
    assert state.abandoned is not None
    assert (state.active, state.abandoned.number) == (None, 1)
    assert runs.record_abandoned(PROJECT)
    last = runs.last_ended(PROJECT)
    assert last is not None
    assert last.outcome == "failed"


def test_queries_write_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "this_process", lambda: "")
    storage = MemoryStorage()
    begin(storage)
    storage.time += LEASE_SECONDS
    names = storage.keys()
    before = [storage.get(key) for key in names]
    runs = Runs(storage)
    assert runs.state(PROJECT).abandoned is not None
    assert len(runs.history(PROJECT)) == 1
    assert runs.last_ended(PROJECT) is None
    assert storage.keys() == names
    assert [storage.get(key) for key in names] == before
    assert runs.record_abandoned(PROJECT)
    assert not runs.record_abandoned(PROJECT)
    assert runs.state(PROJECT).next_number == 2


def test_a_dead_run_is_recorded_as_failed_once_its_lease_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "this_process", lambda: "")
    storage = MemoryStorage()
    Updates(storage).add(PROJECT, START_TRAINING, 1.0, job="7-button")
    begin(storage)  # and is killed before it says what it starts from
    runs = Runs(storage)
    assert not runs.record_failed(PROJECT, 1, "Job train-7-1 failed: OOMKilled.", exit_code=137)
    assert runs.next_number(PROJECT) == 1
    storage.time += LEASE_SECONDS
    assert runs.record_failed(PROJECT, 1, "Job train-7-1 failed: OOMKilled.", exit_code=137)
    last = runs.state(PROJECT).last
    assert last is not None
    assert (last.exit_code, last.waiting_updates, last.train_jobs) == (137, 1, ("7-button",))
    assert begin(storage).number == 2


def test_a_launcher_whose_trainer_found_the_lease_held_ends_nobody_elses_run(storage: Storage) -> None:
    run = begin(storage)
    assert not Runs(storage).record_failed(PROJECT, 1, "It ended with exit code 75.")
    assert run.end("published", exit_code=0).outcome == "published"
    assert Runs(storage).record_failed(PROJECT, 1, "It ended with exit code 75.")
    last = Runs(storage).last_ended(PROJECT)
    assert last is not None
    assert last.outcome == "published"


def test_an_end_is_recorded_once(storage: Storage) -> None:
    run = begin(storage)
    run.end("published", exit_code=0)
    Runs(storage).record_failed(PROJECT, 1, "The Job's deadline passed.")
    last = Runs(storage).last_ended(PROJECT)
    assert last is not None
    assert last.outcome == "published"


def test_what_killed_runs_have_left_goes_with_the_end_of_the_next(storage: Storage) -> None:
    runs = Runs(storage)
    for _ in range(2):
        begin(storage).end("published", exit_code=0)
    left = [keys.run(PROJECT, "records", 1, ".json"), keys.run(PROJECT, "cancel", 2, "")]
    for key in left:  # killed after its end was recorded; cancelled at that moment
        storage.put(key, b"{}")
    run = begin(storage)
    run.end("published", exit_code=0)
    assert not set(left) & set(storage.keys())
    assert len(runs.history(PROJECT)) == 3


def test_history_is_bounded(storage: Storage) -> None:
    runs = Runs(storage)
    for number in range(1, HISTORY + 6):
        runs.save_log(RunRecord(project=PROJECT, number=number), ["line"])
        assert runs.record_failed(PROJECT, number, "no")
    history = runs.history(PROJECT)
    assert [record.number for record in history] == list(range(HISTORY + 5, 5, -1))
    assert history[0].failures == HISTORY + 5
    assert len(storage.keys("runs/7/logs")) == HISTORY


def test_a_heart_beats_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    beaten = threading.Event()

    class Observed(MemoryStorage):
        def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
            if if_match is not None and threading.current_thread().name == "heart":
                beaten.set()
            return super().put(key, data, create=create, if_match=if_match)

    monkeypatch.setattr("shared.retraining.active_run.HEARTBEAT_SECONDS", 0.002)
    with begin(Observed()) as run:
        assert beaten.wait(240)
        run.end("published", exit_code=0)


def test_a_lease_that_is_none_is_named(storage: Storage) -> None:
    storage.put("runs/7/active", b"?")
    with pytest.raises(StoreError, match=r"runs/7/active cannot be read .*Delete it while nobody trains"):
        take_lease(storage, PROJECT, "test")
