"""Networks of a project's last run, by the digest of everything that decides a fit: `fits/{id}/{digest}.fit`.

The first line of a file is JSON that tells what the network learned from; the rest are the bytes of the network. They
are a cache: a file that is absent, damaged or of another version means a fit from scratch, and a store that cannot be
written to costs no run.
"""

import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from shared.errors import RefusedError, SegmenterError
from shared.json_decoding import decode_json
from shared.store import keys
from shared.store.storage import Storage

MOST = 32  # fits of a project: one run has 4 for each schedule, and is followed by another before they are needed
SUFFIX = ".fit"

log = logging.getLogger(__name__)


class LearnedRecording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording that taught a network."""

    task: str
    group: str  # what it is held out with
    content: str  # digest of its values and labels


class KeptFit(msgspec.Struct, frozen=True, kw_only=True):
    """First line of a file."""

    sha256: str  # of the rest
    learned: tuple[LearnedRecording, ...]


class KeptFits:
    """Networks of one project. A run takes what it needs, keeps what it fitted, and removes the others at its end."""

    def __init__(self, storage: Storage, project: int) -> None:
        self._storage = storage
        self._project = project
        self._used: set[str] = set()

    def take(self, digest: str) -> bytes | None:
        """The network of a fit, None if there is none that can be read."""
        try:
            found = self._storage.get(self._key(digest))
        except SegmenterError as error:
            log.warning("A network of an earlier run cannot be read, and is fitted again: %s", error)
            return None
        if found is None:
            return None
        line, _, network = found.data.partition(b"\n")
        kept = _decode(line)
        if kept is None or hashlib.sha256(network).hexdigest() != kept.sha256:
            log.warning("%s is damaged: the network is fitted again.", self._key(digest))
            return None
        self._used.add(digest)
        return network

    def keep(self, digest: str, network: bytes, learned: Sequence[LearnedRecording]) -> None:
        """Store the network of a fit at once, so that a run that is cut off continues with the next one."""
        kept = KeptFit(sha256=hashlib.sha256(network).hexdigest(), learned=tuple(learned))
        try:
            if len(self._digests()) >= MOST:
                self.remove_unused()
            self._storage.put(self._key(digest), msgspec.json.encode(kept) + b"\n" + network)
        except SegmenterError as error:
            log.warning("A network could not be kept for later runs: %s", error)
        self._used.add(digest)

    def remove_unused(self) -> None:
        """Delete what this run neither took nor kept."""
        try:
            self._storage.delete(self._key(each) for each in self._digests() if each not in self._used)
        except SegmenterError as error:
            log.warning("Networks of earlier runs could not be deleted: %s", error)

    def forget(self, task: str) -> int:
        """Delete networks that learned from a task, and those that do not tell. Returns their number."""
        doomed = []
        for digest in self._digests():
            kept = None
            with suppress(RefusedError):  # a link, or too large
                found = self._storage.get(self._key(digest))
                kept = _decode(found.data.partition(b"\n")[0]) if found else None
            if kept is None or any(each.task == task for each in kept.learned):
                doomed.append(self._key(digest))
        self._storage.delete(doomed)
        return len(doomed)

    def _digests(self) -> list[str]:
        names = (key.rpartition("/")[2] for key in self._storage.keys(keys.fits(self._project), deep=False))
        return [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]

    def _key(self, digest: str) -> str:
        return f"{keys.fits(self._project)}/{digest}{SUFFIX}"


def _decode(line: bytes) -> KeptFit | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return decode_json(line, KeptFit)
    return None
