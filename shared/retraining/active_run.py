"""The training run owned by this process: lease, heartbeat, record, log tail."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from shared.errors import LeaseHeldError, RunCancelledError, SegmenterError, StoreError
from shared.labelling.snapshots import Snapshot
from shared.retraining.runs import Outcome, Progress, RunRecord, Runs, State
from shared.retraining.updates import Update, Updates
from shared.store.lease import HEARTBEAT_SECONDS, Lease, read_lease, take_lease
from shared.store.storage import Storage
from shared.supervision import supervised

LOG_LINES = 200
RETRY_SECONDS = 5.0  # between two tries for the lease of an earlier attempt

log = logging.getLogger(__name__)


class ActiveRun:
    """A run between `begin_run` and `end`.

    As a context manager it sends heartbeats from its own thread, so that a long step of the fit does not cost the
    lease. Leaving it without `end` releases the lease. The run is then abandoned: it is recorded as failed by a
    controller, or continued by a second attempt.
    """

    def __init__(self, storage: Storage, lease: Lease, record: RunRecord) -> None:
        self.lease = lease
        self._runs = Runs(storage)
        self._spool = Updates(storage)
        self._updates: list[Update] = []
        self._saved: list[str] = []
        self._record = record
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._stopped: SegmenterError | None = None
        self._ended = threading.Event()
        self._writing = threading.Lock()
        self._heart = supervised("heart", self._beat_on, self._ended)

    @property
    def number(self) -> int:
        return self._record.number

    @property
    def record(self) -> RunRecord:
        return self._record

    def start_from(self, updates: Iterable[Update]) -> None:
        """Note which updates this run starts from, to be listed before the annotations are read. Raises as `beat`."""
        self._updates = list(updates)
        with self._writing:
            self._record = self._record.starting_from(self._updates)
        self.beat()

    def report(
        self,
        *,
        state: State | None = None,
        progress: Progress | None = None,
        snapshot: Snapshot | None = None,
        read: Snapshot | None = None,
        version: str | None = None,
    ) -> None:
        """Update the record. It is written to the store with the next heartbeat. Raises as `check` does."""
        given = {"state": state, "progress": progress, "snapshot": snapshot, "read": read, "version": version}
        with self._writing:
            self._record = msgspec.structs.replace(
                self._record, **{name: value for name, value in given.items() if value is not None}
            )
        self.check()

    def log(self, line: str) -> None:
        """Append a line to the log tail: the store keeps the last 200 lines of a run."""
        self._log.append(line)

    def check(self) -> None:
        """Raise RunCancelledError if this run was cancelled, LeaseHeldError if another process holds its lease."""
        if self._stopped is not None:
            raise self._stopped

    def beat(self) -> None:
        """Renew the lease, write the record, check for cancellation. Raises as `check` does, and StoreError."""
        try:
            self.lease.renew()
            with self._writing:
                if self._ended.is_set():
                    return
                self._save()
            if self._runs.cancel_requested(self._record.project, self.number):
                raise RunCancelledError(f"Run {self.number} of project {self._record.project} was cancelled.")
        except (LeaseHeldError, RunCancelledError) as error:
            self._stopped = error
            raise

    def end(self, outcome: Outcome, *, exit_code: int, reason: str = "") -> RunRecord:
        """Record the end, delete the updates it started from if it settled them, and release the lease.

        Updates are settled if another run would have the same outcome (exit code 0 or 2), or is not wanted (cancelled
        with a snapshot). Call it after publishing.
        Raises LeaseHeldError if the lease is not this run's any more, StoreError.
        """
        self.lease.renew()
        with self._writing:
            self._ended.set()
            self._save()
            self._record = self._runs.end(self._record, outcome, exit_code=exit_code, reason=reason)
        if self._record.finished:
            self._spool.remove(self._updates)
        self.lease.release()
        return self._record

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended.is_set():
            self._ended.set()
            with suppress(LeaseHeldError, StoreError):
                self.lease.release()
        self._heart.join()

    def _save(self) -> None:
        lines = list(self._log)
        if lines != self._saved:
            self._runs.save_log(self._record, lines)
            self._saved = lines
        self._runs.save(self._record)

    def _beat_on(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS / 2):
            try:
                self.beat()
            except StoreError:
                continue  # a short outage of the store; a longer one expires the lease, and publishing is refused
            except SegmenterError:
                return


def begin_run(
    storage: Storage,
    project: int,
    *,
    launcher: str,
    host: str,
    number: int | None = None,
    wait_seconds: float = 0.0,
) -> ActiveRun:
    """Take the lease of a project and begin a run. Raises LeaseHeldError while another process trains the project.

    `wait_seconds`: how long to wait for the lease of an earlier attempt at the same run, whose process is gone. It
    expires LEASE_SECONDS after its last heartbeat.

    `number` is the launcher's number of the run, if there is one: a second attempt at that run continues under it.
    Otherwise an unfinished run of the project is recorded as failed.
    """
    lease = _take(
        storage, project, f"run {number or ''} on {host} ({launcher})".replace("  ", " "), number, wait_seconds
    )
    runs = Runs(storage)
    expected = runs.next_number(project)
    left = runs.record(project, expected)
    attempt = 1
    if left is not None and number == expected:
        attempt = left.attempt + 1
    elif left is not None:
        runs.end_abandoned(project)
        expected += 1
    now = storage.now()
    record = RunRecord(
        project=project,
        number=expected,
        attempt=attempt,
        fence=lease.fence,
        launcher=launcher,
        host=host,
        started_at=now,
        heartbeat_at=now,
    )
    runs.save(record)
    return ActiveRun(storage, lease, record)


def _take(storage: Storage, project: int, holder: str, number: int | None, wait_seconds: float) -> Lease:
    until = time.monotonic() + wait_seconds
    while True:
        try:
            return take_lease(storage, project, holder)
        except LeaseHeldError:
            held = read_lease(storage, project)
            ours = held is not None and number is not None and held.holder.startswith(f"run {number} on ")
            if not ours or time.monotonic() >= until:
                raise
            log.info("An earlier attempt at run %d holds the lease: waiting until it expires.", number)
            time.sleep(RETRY_SECONDS)
