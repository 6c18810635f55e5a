"""A store in a folder, local or on a network volume, using only operations that such volumes have.

Used: exclusive create (O_EXCL), write, fsync, rename within one volume, fsync of the folder. Not used: hard links (SMB
and FUSE volumes lack them), locks (not available everywhere, and lost when a server restarts) and RENAME_NOREPLACE (not
on NFS). Everything is first written and synced under `.staging/`; its rename is the only step visible to readers.

A conditional write needs a comparison and a rename with no other write in between. Every conditional writer of a key:

1. writes the bytes into `.staging/<key>/` under a hidden name, and syncs them;
2. renames them to a staged name; lists the folder; deletes the other staged files;
3. compares the key's tag; renames the staged file onto the key.

Of two writers, one lists later, when the other's file is already staged. The later one deletes it before comparing:
either the other's rename came earlier, and the comparison sees its result, or that rename fails, however long its
writer was suspended, and it starts again. No clock, no waiting, nothing to clean up after a crash. Writers that delete
each other's files try again after a random delay. Each lists after a change of its own to the same folder, which also
makes an NFS client drop a cached listing.
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

from shared.errors import ConflictError, NoStoreError, RefusedError, StoreError
from shared.settings import NewStore
from shared.store import posix as files
from shared.store.storage import Blob, Stat, check_key, check_size, is_name

_logger = logging.getLogger(__name__)
STAGING = ".staging"
HIDDEN, STAGED = "t", "s"  # first letters of files being written, and of files ready to be renamed
MARKER = ".store"  # tells a store from an empty folder, such as a mount point without its volume
MARKED = b"A store of the time series backend. This file tells it from a folder whose volume is not mounted.\n"
CLOCK_FILE = "clock"  # in the staging folder, written to read the clock of the file system
LEFT_BEHIND = 86400.0  # seconds after which the writer of an unfinished file must have ended
ATTEMPTS = 50  # with pauses up to 0.1 s: seconds of contention, where milliseconds are normal
_REMEDIES = {
    errno.ENOSPC: "the volume is full: free some space or lower KEEP_VERSIONS",
    errno.EDQUOT: "the quota is used up: free some space or lower KEEP_VERSIONS",
    errno.EROFS: "the volume is mounted read-only: mount it writable or choose another MODEL_DIR",
    errno.EACCES: "permission denied: make the folder writable for this user or choose another MODEL_DIR",
    errno.EXDEV: "MODEL_DIR must be one volume: mount nothing inside it",
}


class _OvertakenError(Exception):
    """A later writer deleted the file this one had staged."""


class FolderStorage:
    """A folder as a store (see shared/store/storage.py). Safe to use from many threads, processes and machines.

    The first write leaves a marker file. Where it has been seen, a folder without it is not this store any more, but
    perhaps the mount point of a volume that is not mounted: NoStoreError. With new="refuse" (a setting) an empty folder
    without a marker is refused from the beginning; it is looked at again with each use.

    Tags are time of change [ns], size and a digest of the end. Links below the folder are refused, not followed.
    """

    def __init__(self, root: Path, *, new: NewStore = "make") -> None:
        self._marked = False
        self._required = new == "refuse"
        with _explained(root, "opened"):
            if not self._required:
                root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve(strict=not self._required)
            with suppress(NoStoreError):  # said at each use
                self._sweep([STAGING])
                for name in self._names([STAGING]):
                    if not _is_unfinished(name) and name != CLOCK_FILE:  # the folder of a key's conditional writes
                        self._sweep([STAGING, name])
                        self._tidy([STAGING, name])

    @property
    def address(self) -> str:
        return str(self._root)

    def check(self) -> None:
        with _explained(self._root, "opened"), self._folder([]):
            pass

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        names = check_key(key)
        with _explained(self._root / key, "read"):
            try:
                with self._folder(names[:-1]) as folder:
                    file = files.open_to_read(folder, names[-1])
            except FileNotFoundError:
                return None
            try:
                status = files.regular(os.fstat(file), key)
                check_size(self._root / key, status.st_size, key)
                if last is not None:
                    data = os.pread(file, max(last, files.TAIL), max(0, status.st_size - max(last, files.TAIL)))
                    return Blob(data[-last:], files.tag(status, data))
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
            raise StoreError(f"{self._root / key} could not be written: its staged file keeps disappearing.")

    def delete(self, keys: Iterable[str]) -> None:
        folders: dict[tuple[str, ...], list[str]] = {}
        for key in keys:
            names = check_key(key)
            folders.setdefault(tuple(names[:-1]), []).append(names[-1])
        with _explained(self._root, "deleted from"):
            turns = set(self._names([STAGING]))  # of conditional writes, or left by a writer that has ended
            for folder, doomed in folders.items():
                self._delete_in(folder, doomed)
                for name in doomed:
                    left = [STAGING, _staging_name((*folder, name))]
                    if left[1] in turns:
                        self._delete_in(left, self._names(left))

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        return sorted(self._collected(folder, deep=deep, marked=False))

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        return self._collected(folder, deep=deep, marked=True)

    def now(self) -> float:
        """Time that the volume gives a file touched now; on NFS the server's, whatever this machine believes."""
        with _explained(self._root / STAGING / CLOCK_FILE, "written"), self._folder([STAGING], make=True) as staging:
            file = os.open(CLOCK_FILE, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=staging)
            try:
                os.utime(file)
                return os.fstat(file).st_mtime
            finally:
                os.close(file)

    def _collected(self, folder: str, *, deep: bool, marked: bool) -> dict[str, str]:
        names = check_key(folder) if folder else []
        found: dict[str, str] = {}
        with _explained(self._root / folder, "listed"), suppress(FileNotFoundError), self._folder(names) as opened:
            files.collect(opened, f"{folder}/" if folder else "", found, deep=deep, marked=marked)
        return found

    @contextmanager
    def _folder(self, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """Descriptor of a folder, opened without following links. Raises FileNotFoundError if it is missing."""
        try:
            opened = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoStoreError(f"The folder {self._root} is gone; mount it or set MODEL_DIR.") from None
        try:
            self._check_marker(opened, make=make)
            for name in names:
                inner = files.enter(opened, name, make=make, durable=names[0] != STAGING)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)

    def _check_marker(self, root: int, *, make: bool) -> None:
        """Raise NoStoreError if this is not the store's folder; leave the marker at the first write."""
        if files.is_there(root, MARKER):
            self._marked = True
            return
        if self._marked:
            raise NoStoreError(
                f"The folder {self._root} is not the store that it was: its file {MARKER} is gone. Is its volume "
                "mounted? If the store was deleted on purpose, restart this program."
            )
        if self._required and not any(is_name(name) for name in os.listdir(root)):
            raise NoStoreError(
                f"The folder {self._root} is empty and has no file {MARKER}: is its volume mounted? If a new store is "
                "meant to be made there, set NEW_STORE=make for the first start."
            )
        if make:
            with suppress(FileExistsError):
                files.write_new(root, MARKER, MARKED)
                files.sync_folder(root)
            self._marked = True

    def _publish(self, staging: int, staged: str, names: Sequence[str]) -> None:
        """Rename a staged file to its key. Raises _OvertakenError if it is gone."""
        for _ in range(ATTEMPTS):
            try:
                with self._folder(names[:-1], make=True) as folder:
                    os.rename(staged, names[-1], src_dir_fd=staging, dst_dir_fd=folder)
                    files.sync_folder(folder)
                    return
            except FileNotFoundError:  # the staged file, or the folder, which another writer removed as empty
                if not files.is_there(staging, staged):
                    raise _OvertakenError from None
        raise StoreError(f"{self._root / '/'.join(names)} could not be written: its folder keeps disappearing.")

    def _put_anyway(self, names: Sequence[str], data: bytes) -> str:
        """Write without a condition.

        Raises _OvertakenError if a process whose clock is a day off deleted it as left behind, FileNotFoundError if the
        staging folder was removed.
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
            if found in mine:  # the rename succeeded, but its answer was lost
                return found
            try:
                with self._folder([STAGING, _staging_name(names)], make=True) as turns:
                    return self._try_to_put(turns, names, data, expected, mine)
            except (_OvertakenError, FileNotFoundError):
                _logger.debug("Another writer of %s interfered, attempt %d.", "/".join(names), attempt + 1)
            finally:
                self._tidy([STAGING, _staging_name(names)])
            time.sleep(random.uniform(0, min(0.1, 0.001 * 2**attempt)))  # noqa: S311
        raise StoreError(
            f"{self._root / '/'.join(names)} could not be written: too many other processes are writing it."
        )

    def _try_to_put(self, turns: int, names: Sequence[str], data: bytes, expected: str | None, mine: set[str]) -> str:
        """One attempt at a conditional write. Raises _OvertakenError or FileNotFoundError if it is to be repeated."""
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
        """Tag of the key. Raises ConflictError if it is neither the expected one nor one written by this call."""
        found = self.head("/".join(names))
        tag = found.tag if found else None
        if tag != expected and tag not in mine:
            raise ConflictError(
                f"{self._root / '/'.join(names)} has tag {tag or 'none'}, expected {expected or 'none'}: "
                "another process wrote it first."
            )
        return tag

    def _names(self, folder: Sequence[str]) -> list[str]:
        with suppress(FileNotFoundError), self._folder(folder) as opened:
            return os.listdir(opened)  # noqa: PTH208
        return []

    def _sweep(self, folder: Sequence[str]) -> None:
        """Delete files that ended writers left behind."""
        with suppress(FileNotFoundError), self._folder(folder) as opened:
            for name in os.listdir(opened):  # noqa: PTH208
                if _is_unfinished(name) and abs(time.time() - files.modified(opened, name)) > LEFT_BEHIND:
                    files.remove(opened, name)

    def _delete_in(self, folder: Sequence[str], doomed: Iterable[str]) -> None:
        with suppress(FileNotFoundError), self._folder(folder) as opened:
            for name in doomed:
                files.remove(opened, name)
            files.sync_folder(opened)
        for depth in range(len(folder), 0, -1):
            self._tidy(folder[:depth])

    def _tidy(self, folder: Sequence[str]) -> None:
        """Delete a folder if it is empty; a writer that needs it creates it again."""
        with suppress(OSError), self._folder(folder[:-1]) as opened:
            os.rmdir(folder[-1], dir_fd=opened)


@contextmanager
def _explained(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise RefusedError(
                f"{path} contains a symbolic link, or a file where a folder was expected: links are not followed. "
                "Use real folders in MODEL_DIR."
            ) from error
        remedy = _REMEDIES.get(error.errno or 0, "check the volume that MODEL_DIR is on")
        raise StoreError(f"{path} could not be {verb} ({error.strerror or error}); {remedy}.") from error


def _is_unfinished(name: str) -> bool:
    """Whether a name in the staging folder is that of a file being written, and not of a key."""
    return name[0] in (HIDDEN, STAGED) and "," not in name and "." not in name


def _staging_name(names: Sequence[str]) -> str:
    return ",".join(names)
