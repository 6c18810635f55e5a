"""The claim on a range of tasks: one record, changed by conditional writes only, renewed by a thread of its own."""

import os
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import msgspec

from inference.preannotation.records import RangeRecord
from shared.errors import ConflictError, StoreError, TemporaryError
from shared.store.lease import HEARTBEAT_SECONDS, OwnRecord
from shared.store.processes import this_process
from shared.store.storage import Storage, decode_record
from shared.supervision import supervised

REMEDY = "Delete it while no preannotation of this project runs."


class ClaimLostError(TemporaryError):
    """Another process has taken the range over: this one was suspended, or could not reach the store."""


class RangeClaim:
    """A range that this process pushes. As a context manager it is renewed, and released at the end."""

    def __init__(self, storage: Storage, key: str, record: RangeRecord, tag: str) -> None:
        self._own = OwnRecord(
            storage,
            key,
            record,
            tag,
            lambda data: _decode(storage, key, data),
            lambda _: ClaimLostError(f"{key} was taken over by another process."),
        )
        self._ended = threading.Event()
        self._heart = supervised("renew-range", self._renew, self._ended)

    @property
    def record(self) -> RangeRecord:
        """As last written."""
        return self._own.record

    def update(self, **fields: Any) -> None:
        """Change fields of the record. Raises ClaimLostError, StoreError."""
        self._own.change(**fields)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._heart.join()
        with suppress(ClaimLostError, StoreError):
            self.update(released=True)

    def _renew(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                self.update()
            except ClaimLostError:
                return  # the next update raises it again
            except StoreError:
                continue


def claim_range(storage: Storage, key: str) -> RangeClaim | None:
    """Claim a range; None while another process pushes it."""
    now = storage.now()
    token, holder = uuid4().hex, f"{socket.gethostname()}:{os.getpid()}"
    record = RangeRecord(token=token, holder=holder, process=this_process(), renewed_at=now)
    found = storage.get(key)
    try:
        if found is None:
            return RangeClaim(storage, key, record, storage.put(key, msgspec.json.encode(record), create=True))
        before = _decode(storage, key, found.data)
        if before.live(now):
            return None
        record = msgspec.structs.replace(
            record, sent=before.sent, pushed=before.pushed, without_segments=before.without_segments
        )
        return RangeClaim(storage, key, record, storage.put(key, msgspec.json.encode(record), if_match=found.tag))
    except ConflictError:
        return None


def is_in_progress(storage: Storage, ranges: str) -> bool:
    """Whether a process holds a range of a plan; `ranges` is the folder of its records."""
    now = storage.now()
    records = (read_range(storage, key) for key in storage.keys(ranges))
    return any(record is not None and record.live(now) for record in records)


def read_range(storage: Storage, key: str) -> RangeRecord | None:
    """The record of a range, None if nobody has claimed it yet."""
    found = storage.get(key)
    return None if found is None else _decode(storage, key, found.data)


def _decode(storage: Storage, key: str, data: bytes) -> RangeRecord:
    return decode_record(storage, key, data, RangeRecord, REMEDY)
