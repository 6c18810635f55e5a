"""Run records of a project: owner, progress and outcome. `runs/{id}/`.

`active` is the lease; `records/` holds the record of a run in progress, `ended/` the final one, written once, `logs/`
the last lines of its log, `cancel/` a request to stop it. The number of a run is that of the last ended run + 1. It
stays the same while events arrive and changes with every end, whatever the outcome.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Literal, Self, get_args

import msgspec

from shared.digits import read_digits
from shared.errors import ConflictError, ExitCode, RecordError
from shared.labelling.snapshots import Snapshot
from shared.retraining.updates import START_TRAINING, Update, Updates
from shared.store import keys
from shared.store.lease import read_lease
from shared.store.storage import OTHER, Storage, read_record

HISTORY = 50  # ended runs kept for each project
NO_END_RECORDED = "It ended without recording its end: killed, out of memory, or its machine is gone."
State = Literal["starting", "fetching", "fitting", "judging", "exporting", "publishing", "ended", "other"]
Outcome = Literal["published", "rejected", "unchanged", "failed", "cancelled", "other"]
WORDS = {"state": get_args(State), "outcome": get_args(Outcome)}  # "other" stands for those of later versions


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of a run."""

    fraction: float = 0.0  # of the planned work, 0 to 1
    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    losses: tuple[tuple[int, float], ...] = ()  # step, training loss: a curve of at most a few hundred points
    metrics: dict[str, float] = {}  # by standard name, on held-out recordings
    eta_seconds: float | None = None  # None: not known yet


class RunRecord(msgspec.Struct, rename={"waiting_updates": "seen", "train_jobs": "buttons"}, frozen=True, kw_only=True):
    """One training. Times are seconds since the epoch by the store's clock."""

    project: int
    number: int
    attempt: int = 1  # of a Kubernetes Job whose pod was replaced
    fence: int = 0  # fencing number of its lease; 0 if it never had one
    launcher: str = ""  # process, kubernetes, watch, by hand
    host: str = ""
    state: State = "starting"
    started_at: float = 0.0
    heartbeat_at: float = 0.0
    ended_at: float | None = None
    exit_code: int | None = None  # None: in progress, or not observed
    outcome: Outcome | None = None
    reason: str = ""  # sentences for people
    snapshot: Snapshot | None = None  # of the annotations it started from
    read: Snapshot | None = None  # the part of it whose recordings arrived, where some did not
    version: str = ""  # of the model it made
    progress: Progress = Progress()
    waiting_updates: int = 0  # updates that waited when it started
    train_jobs: tuple[str, ...] = ()  # jobs of the START_TRAINING updates among them
    failures: int = 0  # runs in a row that failed and may work later, this one included
    missing_runs: int = 0  # runs in a row whose recordings did not all arrive, this one included
    took: float = 0.0  # seconds of the last run until this one that made a model; 0: there was none
    trained: Snapshot | None = None  # of the last run until this one that was finished: what reconcile compares with

    @property
    def finished(self) -> bool:
        """Whether another run on the same annotations would only do the same again, or is not wanted."""
        cancelled = self.outcome == "cancelled" and self.snapshot is not None
        return (
            cancelled
            or self.outcome in ("published", "rejected", "unchanged")
            or (self.outcome == OTHER and self.exit_code == ExitCode.DONE)
            or self.exit_code == ExitCode.PERMANENT
        )

    def starting_from(self, updates: Iterable[Update]) -> Self:
        """The same record with the updates that waited when it started."""
        updates = list(updates)
        train_jobs = tuple(update.job for update in updates if update.action == START_TRAINING)
        return msgspec.structs.replace(self, waiting_updates=len(updates), train_jobs=train_jobs)


class LaunchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was launched. It reports itself once it has begun; a Job may wait long for a place or an image."""

    number: int  # 0: the launch failed
    at: float  # seconds since the epoch
    launcher: str  # process, kubernetes
    process: str = ""  # that launched it; see shared/store/processes.py


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a project's runs."""

    active: RunRecord | None  # the run in progress: its lease is live
    last: RunRecord | None  # the run that ended last
    next_number: int  # of the run in progress, or of the next one
    abandoned: RunRecord | None = None  # a run that recorded no end and whose lease is over: see `record_abandoned`


class Runs:
    """Run records of a store. A trainer writes through `shared.retraining.active_run.begin_run`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def next_number(self, project: int) -> int:
        """Number of the run in progress, or of the next one."""
        return 1 + max(self._ended(project), default=0)

    def state(self, project: int) -> RunState:
        """The runs of a project as they are recorded. Writes nothing."""
        listed = self._storage.keys(keys.runs(project))  # one listing says which records there are
        number = 1 + max(_numbers(listed, f"{keys.runs(project)}/ended/"), default=0)
        present = keys.run(project, "records", number, ".json") in listed
        record = self.record(project, number) if present else None
        lease = read_lease(self._storage, project)  # after the record: a run takes its lease before it writes one
        last = self._read(project, "ended", number - 1)
        if lease is None or not lease.live(self._storage.now()):
            return RunState(active=None, last=last, next_number=number, abandoned=record)
        active = record or RunRecord(project=project, number=number, fence=lease.fence)
        return RunState(active=active, last=last, next_number=number)

    def launched(self, project: int, number: int) -> LaunchRecord | None:
        """When this run was launched; None if it was not, or that cannot be read."""
        with suppress(RecordError):
            found = read_record(self._storage, keys.launched(project), LaunchRecord, "The next launch replaces it.")
            return found if found is not None and found.number == number else None
        return None

    def last_ended(self, project: int) -> RunRecord | None:
        """The run that ended last; its `trained` is the snapshot to compare Label Studio's annotations with."""
        return self._read(project, "ended", self.next_number(project) - 1)

    def history(self, project: int) -> list[RunRecord]:
        """Stored runs, newest first, including one in progress."""
        numbers = self._ended(project)
        found: list[RunRecord | None] = []
        for kind, number in [("records", 1 + max(numbers, default=0)), *(("ended", each) for each in numbers)]:
            with suppress(RecordError):  # the others are shown
                found.append(self._read(project, kind, number))
        return [record for record in found if record is not None]

    def record(self, project: int, number: int) -> RunRecord | None:
        """The record of a run in progress."""
        return self._read(project, "records", number)

    def ended(self, project: int, number: int) -> RunRecord | None:
        """The final record of a run; None if it has not ended or is no longer stored."""
        return self._read(project, "ended", number)

    def log(self, project: int, number: int) -> str:
        """The log tail of a run."""
        found = self._storage.get(keys.run(project, "logs", number, ".txt"))
        return "" if found is None else found.data.decode(errors="replace")

    def request_cancel(self, project: int) -> int | None:
        """Ask the run in progress to stop and return its number; None if there is none."""
        active = self.state(project).active
        if active is None:
            return None
        self._storage.put(keys.run(project, "cancel", active.number, ""), b"")
        return active.number

    def cancel_requested(self, project: int, number: int) -> bool:
        """Whether a run was asked to stop."""
        return self._storage.head(keys.run(project, "cancel", number, "")) is not None

    def record_failed(self, project: int, number: int, reason: str, *, exit_code: int | None = None) -> bool:
        """Record the end of a run that has not recorded it itself: a failed Job, a child that crashed at once.

        A run that has recorded its end is left as it is, and so is one whose lease is live, even if another process
        holds it: call again until it has expired. Returns whether the run is over.
        """
        record = self.record(project, number) or RunRecord(
            project=project, number=number, started_at=self._storage.now()
        )
        lease = read_lease(self._storage, project)  # after the record: a run that has one has had its lease before
        if lease is not None and lease.live(self._storage.now()):
            return number < self.next_number(project)
        self._end_for_it(record, reason, exit_code=exit_code)
        return True

    def record_abandoned(self, project: int) -> bool:
        """Record a run as failed that recorded no end and whose lease is over. Returns whether there was one."""
        abandoned = self.state(project).abandoned
        return abandoned is not None and self.record_failed(project, abandoned.number, NO_END_RECORDED)

    def end_abandoned(self, project: int) -> None:
        """The same, called by the holder of the project's lease: its predecessor has ended."""
        record = self.record(project, self.next_number(project))
        if record is not None:
            self._end_for_it(record, NO_END_RECORDED)

    def end(self, record: RunRecord, outcome: Outcome, *, exit_code: int | None, reason: str) -> RunRecord:
        """Record the end of a run, unless somebody has, and return what is recorded."""
        project, number = record.project, record.number
        before = self._read(project, "ended", number - 1)
        now = self._storage.now()
        record = msgspec.structs.replace(
            record, state="ended", ended_at=now, heartbeat_at=now, exit_code=exit_code, outcome=outcome, reason=reason
        )
        failed = not record.finished
        known = before.trained if before else None
        made_model = outcome in ("published", "rejected")
        record = msgspec.structs.replace(
            record,
            failures=(1 + (before.failures if before else 0)) if failed else 0,
            missing_runs=(1 + (before.missing_runs if before else 0)) if record.read is not None else 0,
            took=max(0.0, now - record.started_at) if made_model else before.took if before else 0.0,
            trained=known if failed or record.snapshot is None else record.read or record.snapshot,
        )
        try:
            self._storage.put(keys.run(project, "ended", number, ".json"), msgspec.json.encode(record), create=True)
        except ConflictError:
            record = self._read(project, "ended", number) or record
        self._forget(project, number)
        return record

    def save_log(self, record: RunRecord, lines: Iterable[str]) -> None:
        """Write the log tail of a run."""
        text = "".join(f"{line}\n" for line in lines)
        self._storage.put(keys.run(record.project, "logs", record.number, ".txt"), text.encode(errors="replace"))

    def save(self, record: RunRecord) -> None:
        """Write the record of a run in progress."""
        self._storage.put(keys.run(record.project, "records", record.number, ".json"), msgspec.json.encode(record))

    def _end_for_it(self, record: RunRecord, reason: str, *, exit_code: int | None = None) -> None:
        if not record.waiting_updates:  # it did not get as far as recording them
            record = record.starting_from(Updates(self._storage).of(record.project))
        self.end(record, "failed", exit_code=exit_code, reason=reason)

    def _forget(self, project: int, ended: int) -> None:
        """Delete the working files of ended and killed runs, and everything of runs beyond HISTORY."""
        found: dict[str, dict[int, str]] = {"records": {}, "cancel": {}, "ended": {}, "logs": {}}
        for key in self._storage.keys(keys.runs(project)):
            kind, _, name = key.removeprefix(f"{keys.runs(project)}/").partition("/")
            number = read_digits(name[:8])
            if kind in found and number is not None:
                found[kind][number] = key
        old = sorted(found["ended"])[:-HISTORY]
        limits = {"records": ended, "cancel": ended, "ended": max(old, default=0), "logs": max(old, default=0)}
        self._storage.delete(
            key for kind, limit in limits.items() for number, key in found[kind].items() if number <= limit
        )

    def _ended(self, project: int) -> list[int]:
        folder = f"{keys.runs(project)}/ended"
        return sorted(_numbers(self._storage.keys(folder), f"{folder}/"), reverse=True)

    def _read(self, project: int, kind: str, number: int) -> RunRecord | None:
        if number <= 0:
            return None
        key = keys.run(project, kind, number, ".json")
        return read_record(self._storage, key, RunRecord, "Delete it, or restore it.", words=WORDS)


def _numbers(listed: Iterable[str], folder: str) -> list[int]:
    """Numbers of the records among keys that lie in a folder."""
    names = (key.removeprefix(folder) for key in listed if key.startswith(folder) and key.endswith(".json"))
    numbers = (read_digits(name.removesuffix(".json")) for name in names)
    return [number for number in numbers if number is not None]
