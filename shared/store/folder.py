"""A store in a folder, local or on a network volume, with nothing but what such volumes have.

Used are: exclusive create (O_EXCL), write, fsync, rename within one volume, fsync of the folder. Not used are hard
links (SMB and FUSE volumes lack them), locks (not everywhere, and lost with a server's restart) and RENAME_NOREPLACE
(not on NFS). All is first written under `.staging/` and synced there; its rename is the one step that readers see.

A conditional write needs a comparison and a rename that nobody comes between. All who write a key so do this:

1. write the bytes into `.staging/<key>/` under a name that nobody minds, and sync them;
2. rename them to a name that says "staged"; list the folder; delete what else is staged there;
3. compare the key's tag; rename the staged file onto the key.

Of two writers, one lists later, and by then the other's file was staged. So the later one deletes it before comparing:
either the other's rename came earlier, and the comparison sees its result, or that rename fails, however long its
writer was asleep, and it starts again. No clock, no waiting, nothing to clean up after a crash. Writers who delete each
other's files try again after a random moment. Each lists after a change of its own to the same folder, which also makes
an NFS client drop a cached listing.
"""

import errno
import logging
import os
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from shared.errors import ConflictError, RefusedError, StoreError
from shared.store import posix as files
from shared.store.storage import Blob, Stat, check_key

_logger = logging.getLogger(__name__)
STAGING = ".staging"
HIDDEN, STAGED = "t", "s"  # first letters of what is being written, and of what is ready for its name
LEFT_BEHIND = 86400.0  # seconds after which a file that nobody has finished is somebody's who died
ATTEMPTS = 50  # with pauses up to 0.1 s: seconds of contention, where milliseconds are normal
_REMEDIES = {
    errno.ENOSPC: "the volume is full: free some space or lower KEEP_VERSIONS",
    errno.EDQUOT: "the quota is used up: free some space or lower KEEP_VERSIONS",
    errno.EROFS: "the volume is mounted read-only: mount it writable or choose another MODEL_DIR",
    errno.EACCES: "permission denied: make the folder writable for this user or choose another MODEL_DIR",
    errno.EXDEV: "MODEL_DIR must be one volume: mount nothing inside it",
}


class _OvertakenError(Exception):
    """A later writer took away what this one had staged."""


class FolderStorage:
    """A folder as a store (see shared/store/storage.py). Safe to use from many threads, processes and machines.

    Tags are time of change [ns], size and a digest of the end. Links below the folder are refused, not followed.
    """

    def __init__(self, root: Path) -> None:
        with _explained(root, "opened"):
            root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve(strict=True)
            self._sweep([STAGING])
            for name in self._names([STAGING]):
                if "," in name:
                    self._sweep([STAGING, name])
                    self._tidy([STAGING, name])

    @property
    def address(self) -> str:
        return str(self._root)

    def get(self, key: str) -> Blob | None:
        names = check_key(key)
        with _explained(self._root / key, "read"):
            try:
                with self._folder(names[:-1]) as folder:
                    file = files.open_to_read(folder, names[-1])
            except FileNotFoundError:
                return None
            try:
                status = files.regular(os.fstat(file), key)
                with os.fdopen(file, "rb", buffering=0, closefd=False) as opened:
                    data = opened.readall()
                return Blob(data, files.tag(status, data))
            finally:
                os.close(file)

    def head(self, key: str) -> Stat | None:
        names = check_key(key)
        with _explained(self._root / key, "read"):
            try:
                with self._folder(names[:-1]) as folder:
                    files.regular(os.stat(names[-1], dir_fd=folder, follow_symlinks=False), key)
                    file = files.open_to_read(folder, names[-1])
            except FileNotFoundError:
                return None
            try:
                status = files.regular(os.fstat(file), key)
                tag = files.tag(status, files.read_tail(file, status.st_size))
            finally:
                os.close(file)
        return Stat(tag, status.st_size, status.st_mtime)

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        names = check_key(key)
        with _explained(self._root / key, "written"):
            if create or if_match is not None:
                return self._put_if(names, data, None if create else if_match)
            for _ in range(ATTEMPTS):
                with suppress(_OvertakenError, FileNotFoundError):
                    return self._put_anyway(names, data)
            raise StoreError(f"{self._root / key} could not be written: what is staged for it keeps disappearing.")

    def delete(self, keys: Iterable[str]) -> None:
        folders: dict[tuple[str, ...], list[str]] = {}
        for key in keys:
            names = check_key(key)
            folders.setdefault(tuple(names[:-1]), []).append(names[-1])
        with _explained(self._root, "deleted from"):
            turns = set(self._names([STAGING]))  # of conditional writes, or left by a writer who died
            for folder, doomed in folders.items():
                self._delete_in(folder, doomed)
                for name in doomed:
                    left = [STAGING, _turns((*folder, name))]
                    if left[1] in turns:
                        self._delete_in(left, self._names(left))

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        names = check_key(folder) if folder else []
        found: list[str] = []
        with _explained(self._root / folder, "listed"), suppress(FileNotFoundError), self._folder(names) as opened:
            files.collect(opened, f"{folder}/" if folder else "", found, deep=deep)
        return sorted(found)

    def now(self) -> float:
        """Time that the volume gives a file touched now; on NFS the server's, whatever this machine believes."""
        with _explained(self._root / STAGING / "clock", "written"), self._folder([STAGING], make=True) as staging:
            file = os.open("clock", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=staging)
            try:
                os.utime(file)
                return os.fstat(file).st_mtime
            finally:
                os.close(file)

    @contextmanager
    def _folder(self, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """Descriptor of a folder, walked to without following links; FileNotFoundError if it is not there."""
        try:
            opened = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise StoreError(f"The folder {self._root} is gone; mount it or set MODEL_DIR.") from None
        try:
            for name in names:
                inner = files.enter(opened, name, make=make, durable=names[0] != STAGING)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)

    def _publish(self, staging: int, staged: str, names: Sequence[str]) -> None:
        """Give a staged file its name. Raises _OvertakenError if it is no longer there."""
        for _ in range(ATTEMPTS):
            try:
                with self._folder(names[:-1], make=True) as folder:
                    os.rename(staged, names[-1], src_dir_fd=staging, dst_dir_fd=folder)
                    files.sync_folder(folder)
                    return
            except FileNotFoundError:  # the staged file, or the folder while somebody else tidied it away
                if not files.is_there(staging, staged):
                    raise _OvertakenError from None
        raise StoreError(f"{self._root / '/'.join(names)} could not be written: its folder keeps disappearing.")

    def _put_anyway(self, names: Sequence[str], data: bytes) -> str:
        """Write without a condition.

        Raises _OvertakenError if somebody whose clock is a day off took it for left behind, FileNotFoundError if the
        staging folder itself was tidied away.
        """
        with self._folder([STAGING], make=True) as staging:
            staged = f"{HIDDEN}{uuid4().hex}"
            try:
                tag = files.write_new(staging, staged, data)
                self._publish(staging, staged, names)
            except BaseException:
                files.remove(staging, staged)
                raise
            return tag

    def _put_if(self, names: Sequence[str], data: bytes, expected: str | None) -> str:
        mine: set[str] = set()
        for attempt in range(ATTEMPTS):
            found = self._compare(names, expected, mine)
            if found in mine:  # the rename came through, its answer got lost on the way
                return found
            try:
                with self._folder([STAGING, _turns(names)], make=True) as turns:
                    return self._try_to_put(turns, names, data, expected, mine)
            except (_OvertakenError, FileNotFoundError):
                _logger.debug("Another writer of %s came between, attempt %d.", "/".join(names), attempt + 1)
            finally:
                self._tidy([STAGING, _turns(names)])
            time.sleep(random.uniform(0, min(0.1, 0.001 * 2**attempt)))  # noqa: S311
        raise StoreError(f"{self._root / '/'.join(names)} could not be written: too many others are writing it.")

    def _try_to_put(self, turns: int, names: Sequence[str], data: bytes, expected: str | None, mine: set[str]) -> str:
        """One attempt at a conditional write. Raises what `_put_if` takes for a reason to try again."""
        name = uuid4().hex
        hidden, staged = HIDDEN + name, STAGED + name
        try:
            tag = files.write_new(turns, hidden, data)
            os.rename(hidden, staged, src_dir_fd=turns, dst_dir_fd=turns)
            for other in os.listdir(turns):
                if other.startswith(STAGED) and other != staged:
                    files.remove(turns, other)
            self._compare(names, expected, mine)
            mine.add(tag)
            self._publish(turns, staged, names)
        except BaseException:
            files.remove(turns, hidden)
            files.remove(turns, staged)
            raise
        return tag

    def _compare(self, names: Sequence[str], expected: str | None, mine: set[str]) -> str | None:
        """Tag of the key; ConflictError if it is neither the expected one nor of this writer."""
        found = self.head("/".join(names))
        tag = found.tag if found else None
        if tag != expected and tag not in mine:
            raise ConflictError(
                f"{self._root / '/'.join(names)} has tag {tag or 'none'}, expected was {expected or 'none'}: "
                "somebody else was first."
            )
        return tag

    def _names(self, folder: Sequence[str]) -> list[str]:
        with suppress(FileNotFoundError), self._folder(folder) as opened:
            return os.listdir(opened)  # noqa: PTH208
        return []

    def _sweep(self, folder: Sequence[str]) -> None:
        """Delete what writers who died long ago have left."""
        with suppress(FileNotFoundError), self._folder(folder) as opened:
            for name in os.listdir(opened):  # noqa: PTH208
                if name[0] in (HIDDEN, STAGED) and abs(time.time() - files.modified(opened, name)) > LEFT_BEHIND:
                    files.remove(opened, name)

    def _delete_in(self, folder: Sequence[str], doomed: Iterable[str]) -> None:
        with suppress(FileNotFoundError), self._folder(folder) as opened:
            for name in doomed:
                files.remove(opened, name)
            files.sync_folder(opened)
        for depth in range(len(folder), 0, -1):
            self._tidy(folder[:depth])

    def _tidy(self, folder: Sequence[str]) -> None:
        """Delete a folder if it is empty; whoever is about to write into it makes it again."""
        with suppress(OSError), self._folder(folder[:-1]) as opened:
            os.rmdir(folder[-1], dir_fd=opened)


@contextmanager
def _explained(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise RefusedError(
                f"{path} leads through a symbolic link or a file where a folder was expected: not followed. "
                "Put real folders into MODEL_DIR."
            ) from error
        remedy = _REMEDIES.get(error.errno or 0, "check the volume that MODEL_DIR is on")
        raise StoreError(f"{path} could not be {verb} ({error.strerror or error}); {remedy}.") from error


def _turns(names: Sequence[str]) -> str:
    return ",".join(names)
