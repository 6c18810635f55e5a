"""The lease of a project's run: one record, `runs/{id}/active`, changed by conditional writes only.

Its fencing number grows with every holder. All times are by the store's clock, so that machines with differing clocks
agree on what has expired. A holder that was suspended finds out at its next write.
"""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import uuid4

import msgspec

from shared.errors import ConflictError, LeaseHeldError
from shared.store import keys
from shared.store.processes import is_gone, this_process
from shared.store.publication import Commit, complete
from shared.store.storage import Storage, decode_record, read_record

LEASE_SECONDS = 60.0  # six missed heartbeats: a paused container or a slow volume does not lose it
HEARTBEAT_SECONDS = 10.0
REMEDY = "Delete it while nobody trains this project."


class HeldRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that one process holds, as stored."""

    token: str  # random, distinguishes holders of equal names
    holder: str  # for people
    renewed_at: float  # seconds since the epoch, the store's clock
    released: bool = False
    process: str = ""  # see shared/store/processes.py

    def live(self, now: float) -> bool:
        """Whether the holder counts as alive.

        A time far in the future comes from a clock that was set back since. A process of this machine that is gone is
        not waited for.
        """
        return not self.released and abs(now - self.renewed_at) < LEASE_SECONDS and not is_gone(self.process)


class LeaseRecord(HeldRecord, frozen=True, kw_only=True):
    """The lease as stored."""

    fence: int  # 1 for the first holder
    commit: Commit | None = None  # set while the holder publishes


Record = TypeVar("Record", bound=HeldRecord)


class OwnRecord(Generic[Record]):
    """A record in the store that this process holds. Its methods may be called from any thread."""

    def __init__(
        self,
        storage: Storage,
        key: str,
        record: Record,
        tag: str,
        decode: Callable[[bytes], Record],
        lost: Callable[[Record | None], Exception],
    ) -> None:
        """`lost`: the error where the record of another holder stands there, or none."""
        self.record = record  # as last written
        self._storage = storage
        self._key = key
        self._tag = tag
        self._decode = decode
        self._lost = lost
        self._lock = threading.Lock()

    def change(self, **fields: Any) -> None:
        """Write it with changed fields and the time of now. Raises the error of `lost`, StoreError."""
        with self._lock:
            record = msgspec.structs.replace(self.record, **fields, renewed_at=self._storage.now())
            data = msgspec.json.encode(record)
            try:
                self._tag = self._storage.put(self._key, data, if_match=self._tag)
            except ConflictError:
                found = self._storage.get(self._key)
                other = None if found is None else self._decode(found.data)
                if found is None or other is None or other.token != record.token or other.released > record.released:
                    raise self._lost(other) from None
                # The answer to our last write was lost: the stored record is ours.
                self._tag = self._storage.put(self._key, data, if_match=found.tag)
            self.record = record


class Lease:
    """A lease that this process has taken. Its methods may be called from any thread and raise LeaseHeldError once
    somebody else has taken it over, StoreError while the store cannot be reached.
    """

    def __init__(self, storage: Storage, project: int, record: LeaseRecord, tag: str) -> None:
        self.project = project
        self._own = OwnRecord(
            storage,
            keys.lease(project),
            record,
            tag,
            lambda data: decode_lease(storage, project, data),
            lambda other: LeaseHeldError(_taken_over(project, record.fence, other)),
        )

    @property
    def fence(self) -> int:
        return self._own.record.fence

    def renew(self) -> None:
        """Heartbeat."""
        self._own.change(released=False)

    def commit(self, commit: Commit) -> None:
        """Record an intended publication; from now on each holder of the lease completes it."""
        self._own.change(commit=commit, released=False)

    def settle(self) -> None:
        """Record that the intended publication is done or abandoned."""
        self._own.change(commit=None, released=False)

    def release(self) -> None:
        """Release the lease."""
        self._own.change(released=True)


def read_lease(storage: Storage, project: int) -> LeaseRecord | None:
    """The last lease of a project, live or not."""
    return read_record(storage, keys.lease(project), LeaseRecord, REMEDY)


def take_lease(storage: Storage, project: int, holder: str) -> Lease:
    """Acquire the lease of a project. Raises LeaseHeldError while another run holds it."""
    key = keys.lease(project)
    found = storage.get(key)
    record = LeaseRecord(fence=1, token=uuid4().hex, holder=holder, renewed_at=storage.now(), process=this_process())
    if found is not None:
        before = decode_lease(storage, project, found.data)
        if before.live(record.renewed_at):
            raise LeaseHeldError(f"Project {project} is being trained by {before.holder}; wait, or cancel that run.")
        record = msgspec.structs.replace(record, fence=before.fence + 1, commit=before.commit)
    try:
        data = msgspec.json.encode(record)
        tag = storage.put(key, data, if_match=found.tag) if found else storage.put(key, data, create=True)
    except ConflictError:
        raise LeaseHeldError(f"Another run of project {project} started at the same moment; wait.") from None
    lease = Lease(storage, project, record, tag)
    if record.commit is not None:
        complete(storage, project, record.commit)
        lease.settle()
    return lease


def decode_lease(storage: Storage, project: int, data: bytes) -> LeaseRecord:
    """A lease from its bytes. Raises RecordError on anything else."""
    return decode_record(storage, keys.lease(project), data, LeaseRecord, REMEDY)


def _taken_over(project: int, fence: int, other: LeaseRecord | None) -> str:
    by = f"{other.holder} with number {other.fence}" if other else "nobody: its records were deleted"
    return f"Lease {fence} of project {project} was lost; it is now held by {by}. This run must not publish."
