"""A store in a folder, local or on a network volume, with nothing but what such volumes have.

Used are: exclusive create (O_EXCL), write, fsync, rename within one volume, fsync of the folder. Not used are hard
links (SMB and FUSE volumes lack them), locks (not everywhere, and lost with a server's restart) and RENAME_NOREPLACE
(not on NFS). All is first written under `.staging/` and synced there; its rename is the one step that readers see.

A conditional write needs a comparison and a rename that nobody comes between. Writers of one key take numbered turns
in `.staging/<key>/`, and a later turn takes away what earlier ones have staged:

1. write the bytes, sync them, create the marker `n` exclusively, n being one more than the highest marker;
2. name the bytes `n-…`; list the folder; with a marker above n in it, start again;
3. delete everything else that is staged; compare the key's tag; rename the staged file onto the key.

Of two writers m < n: where m has listed before marker n was there, its staged file was there before n listed, so n
deletes it before comparing: m's rename came earlier, and n sees its result, or m's rename fails, and m starts again.
Where m lists later it sees marker n. So no clock, no waiting and no clean-up after a crash is needed, however long m
was asleep; writers who hinder each other try again after a random moment. Each lists after an own change of the same
folder, which also makes NFS clients drop a cached listing.
"""

import errno
import logging
import os
import random
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from shared.errors import ConflictError, RefusedError, StoreError
from shared.storage import Blob, Stat, check_key, is_name

_logger = logging.getLogger(__name__)
STAGING = ".staging"
LEFT_BEHIND = 86400.0  # seconds after which a file that nobody has finished is somebody's who died
ATTEMPTS = 50  # with pauses up to 0.1 s: seconds of contention, where milliseconds are normal
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
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
    """A folder as a store (see shared/storage.py). Safe to use from many threads, processes and machines.

    Tags are time of change [ns] and size. Symbolic links below the folder are refused, not followed.
    """

    def __init__(self, root: Path) -> None:
        with _explained(root, "opened"):
            root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve(strict=True)
            with suppress(FileNotFoundError), self._folder([STAGING]) as staging:
                _sweep(staging)

    @property
    def address(self) -> str:
        return str(self._root)

    def get(self, key: str) -> Blob | None:
        names = check_key(key)
        with _explained(self._root / key, "read"):
            try:
                with self._folder(names[:-1]) as folder:
                    file = _open_to_read(folder, names[-1])
            except FileNotFoundError:
                return None
            with os.fdopen(file, "rb", buffering=0) as opened:
                status = _regular(os.fstat(file), key)
                return Blob(opened.readall(), _tag(status))

    def head(self, key: str) -> Stat | None:
        names = check_key(key)
        with _explained(self._root / key, "read"):
            try:
                with self._folder(names[:-1]) as folder:
                    status = _regular(os.stat(names[-1], dir_fd=folder, follow_symlinks=False), key)
            except FileNotFoundError:
                return None
        return Stat(_tag(status), status.st_size, status.st_mtime)

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        names = check_key(key)
        with _explained(self._root / key, "written"):
            if create or if_match is not None:
                return self._put_if(names, data, None if create else if_match)
            with self._folder([STAGING], make=True) as staging:
                staged = f"t{uuid4().hex}"
                try:
                    tag = _write(staging, staged, data)
                    self._publish(staging, staged, names)
                except OSError:
                    _remove(staging, staged)
                    raise
                return tag

    def delete(self, keys: Iterable[str]) -> None:
        folders: dict[tuple[str, ...], list[str]] = {}
        for key in keys:
            names = check_key(key)
            folders.setdefault(tuple(names[:-1]), []).append(names[-1])
        with _explained(self._root, "deleted from"):
            turns = set(self._names([STAGING]))
            for folder, files in folders.items():
                self._delete_in(folder, files)
                for name in files:
                    if _turns((*folder, name)) in turns:
                        self._delete_turns(_turns((*folder, name)))

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        names = check_key(folder) if folder else []
        found: list[str] = []
        with _explained(self._root / folder, "listed"), suppress(FileNotFoundError), self._folder(names) as opened:
            _list(opened, f"{folder}/" if folder else "", found, deep=deep)
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
                inner = _enter(opened, name, make=make)
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
                    _sync_folder(folder)
                    return
            except FileNotFoundError:  # the staged file, or the folder while somebody else tidied it away
                if not _is_there(staging, staged):
                    raise _OvertakenError from None
        raise StoreError(f"{self._root / '/'.join(names)} could not be written: its folder keeps disappearing.")

    def _put_if(self, names: Sequence[str], data: bytes, expected: str | None) -> str:
        mine: set[str] = set()
        for attempt in range(ATTEMPTS):
            found = self._compare(names, expected, mine)
            if found in mine:  # the rename came through, its answer got lost on the way
                return found
            try:
                with self._folder([STAGING, _turns(names)], make=True) as turns:
                    return self._take_turn(turns, names, data, expected, mine)
            except (_OvertakenError, FileExistsError, FileNotFoundError):
                _logger.debug("Another writer of %s came between, attempt %d.", "/".join(names), attempt + 1)
            time.sleep(random.uniform(0, min(0.1, 0.001 * 2**attempt)))  # noqa: S311
        raise StoreError(f"{self._root / '/'.join(names)} could not be written: too many others are writing it.")

    def _take_turn(self, turns: int, names: Sequence[str], data: bytes, expected: str | None, mine: set[str]) -> str:
        """One attempt at a conditional write. Raises what `_put_if` takes for a reason to try again."""
        staged = f"t{uuid4().hex}"
        try:
            tag = _write(turns, staged, data)
            number = 1 + max((int(name) for name in os.listdir(turns) if name.isdigit()), default=0)
            os.close(os.open(str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=turns))
            os.rename(staged, f"{number}-{staged}", src_dir_fd=turns, dst_dir_fd=turns)
            staged = f"{number}-{staged}"
            _overtake(turns, number, staged)
            self._compare(names, expected, mine)
            mine.add(tag)
            self._publish(turns, staged, names)
        except Exception:
            _remove(turns, staged)
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

    def _delete_in(self, folder: Sequence[str], files: Iterable[str]) -> None:
        with suppress(FileNotFoundError), self._folder(folder) as opened:
            for name in files:
                _remove(opened, name)
            _sync_folder(opened)
        for depth in range(len(folder), 0, -1):
            with suppress(OSError), self._folder(folder[: depth - 1]) as opened:  # others' files in it: it stays
                os.rmdir(folder[depth - 1], dir_fd=opened)

    def _delete_turns(self, turns: str) -> None:
        self._delete_in([STAGING, turns], self._names([STAGING, turns]))


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


def _enter(folder: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
        _sync_folder(folder)
    return os.open(name, _FOLDER, dir_fd=folder)


def _open_to_read(folder: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)


def _write(folder: int, name: str, data: bytes) -> str:
    """Write and sync a new file and return its tag."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        now = time.time_ns()  # a file's own time moves in steps of 4 ms, too coarse to tell two writes apart
        os.utime(file, ns=(now, now))
        os.fsync(file)
        return _tag(os.fstat(file))
    finally:
        os.close(file)


def _overtake(turns: int, number: int, staged: str) -> None:
    names = os.listdir(turns)
    if any(name.isdigit() and int(name) > number for name in names):
        raise _OvertakenError
    for name in names:
        if name == str(number) or name == staged:
            continue
        if name.isdigit() or "-" in name:
            _remove(turns, name)
    _sweep(turns)


def _sweep(folder: int) -> None:
    """Delete what writers who died have left."""
    for name in os.listdir(folder):
        if name.startswith("t"):
            with suppress(FileNotFoundError):
                if abs(time.time() - os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime) > LEFT_BEHIND:
                    os.unlink(name, dir_fd=folder)


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:  # some network volumes have no such thing
            raise


def _remove(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _list(folder: int, prefix: str, found: list[str], *, deep: bool) -> None:
    with os.scandir(folder) as entries:
        folders: list[str] = []
        for entry in entries:
            if not is_name(entry.name):
                continue
            if entry.is_file(follow_symlinks=False):
                found.append(prefix + entry.name)
            elif deep and entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
    for name in folders:
        with suppress(FileNotFoundError):
            inner = os.open(name, _FOLDER, dir_fd=folder)
            try:
                _list(inner, f"{prefix}{name}/", found, deep=deep)
            finally:
                os.close(inner)


def _regular(status: os.stat_result, key: str) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError(f"{key} is not a plain file: a link or a folder is not read. Put a file in its place.")
    return status


def _tag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _turns(names: Sequence[str]) -> str:
    return ",".join(names)
