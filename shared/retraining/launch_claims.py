"""Which of several servers over one store launches a run: `runs/{id}/launched.json`, changed by conditional writes.

A claim saves attempts that the lease would refuse; the lease decides whatever happens to claims.
"""

from contextlib import suppress

import msgspec

from shared.errors import ConflictError, RefusedError
from shared.json_decoding import decode_json
from shared.retraining.runs import LaunchRecord
from shared.store import keys
from shared.store.processes import is_gone
from shared.store.storage import Blob, Storage

CLAIM_SECONDS = 60.0  # from a launch until the run has its lease: importing PyTorch takes a busy machine 20 s


class LaunchClaims:
    """Claims of one process; `process` is its name as in shared/store/processes.py, "" where it has none."""

    def __init__(self, storage: Storage, process: str) -> None:
        self._storage = storage
        self._process = process

    def claim(self, project: int, number: int, launcher: str) -> bool:
        """Note that this process launches a run, before it does. Claimed again, the first time is kept.

        Returns False while another process launches it: one that has not ended, for CLAIM_SECONDS.
        """
        try:
            found = self._storage.get(keys.launched(project))
        except RefusedError:  # a link or a pipe: nobody can claim
            return True
        known = _decoded(found)
        now = self._storage.now()
        if known is not None and known.number == number:
            if known.process == self._process:
                return True
            if _is_live(known, now):
                return False
        record = LaunchRecord(number=number, at=now, launcher=launcher, process=self._process)
        try:
            self._put(project, record, found)
        except ConflictError:
            return False
        return True

    def release(self, project: int, number: int) -> None:
        """Undo the claim of a launch that failed."""
        with suppress(RefusedError, ConflictError):
            found = self._storage.get(keys.launched(project))
            known = _decoded(found)
            if known is not None and (known.number, known.process) == (number, self._process):
                self._put(project, msgspec.structs.replace(known, number=0), found)

    def _put(self, project: int, record: LaunchRecord, found: Blob | None) -> None:
        data = msgspec.json.encode(record)
        if found is None:
            self._storage.put(keys.launched(project), data, create=True)
        else:
            self._storage.put(keys.launched(project), data, if_match=found.tag)


def _decoded(found: Blob | None) -> LaunchRecord | None:
    """A claim; None where it cannot be read: it is replaced."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return None if found is None else decode_json(found.data, LaunchRecord)
    return None


def _is_live(known: LaunchRecord, now: float) -> bool:
    return bool(known.process) and abs(now - known.at) < CLAIM_SECONDS and not is_gone(known.process)
