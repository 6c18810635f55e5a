"""File operations relative to an open folder: no path is resolved twice, and no symbolic link is followed."""

import errno
import hashlib
import os
import stat
import time
from contextlib import suppress

from shared.errors import RefusedError
from shared.store.storage import is_name

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
TAIL = 4096  # bytes; all of a lease or a record, and of a model the digest of the rest
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def enter(folder: int, name: str, *, make: bool, durable: bool) -> int:
    """Open a folder in a folder; with `make` it is made if missing. Raises FileNotFoundError, OSError for a link."""
    try:
        return os.open(name, FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    if durable:
        sync_folder(folder)
    return os.open(name, FOLDER, dir_fd=folder)


def open_to_read(folder: int, name: str) -> int:
    """Open a file for reading, without waiting for the other end of a pipe."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)


def write_new(folder: int, name: str, data: bytes) -> str:
    """Write and sync a new file and return its tag."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        now = time.time_ns()  # a file's own time moves in steps of 4 ms on many volumes
        os.utime(file, ns=(now, now))
        os.fsync(file)
        return tag(os.fstat(file), data)
    finally:
        os.close(file)


def sync_folder(folder: int) -> None:
    """Make what was renamed and deleted in a folder survive a crash of the machine."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:  # some network volumes have no such thing
            raise


def remove(folder: int, name: str) -> None:
    """Delete a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def is_there(folder: int, name: str) -> bool:
    """Whether a folder holds something of this name."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def collect(folder: int, prefix: str, found: dict[str, str], *, deep: bool, marked: bool = False) -> None:
    """Put the keys of all plain files below a folder into `found`, with their marks if `marked`.

    Names that no key has, and links, are left out.
    """
    with os.scandir(folder) as entries:
        folders: list[str] = []
        for entry in entries:
            if not is_name(entry.name):
                continue
            if entry.is_file(follow_symlinks=False):
                found[prefix + entry.name] = mark(folder, entry.name) if marked else ""
            elif deep and entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
    for name in folders:
        with suppress(FileNotFoundError):
            inner = os.open(name, FOLDER, dir_fd=folder)
            try:
                collect(inner, f"{prefix}{name}/", found, deep=deep, marked=marked)
            finally:
                os.close(inner)


def mark(folder: int, name: str) -> str:
    """A mark of a file that changes with each write, which replaces it; "" if it is gone."""
    with suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
    return ""


def regular(status: os.stat_result, key: str) -> os.stat_result:
    """Pass on the status of a plain file. Raises RefusedError for anything else."""
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError(f"{key} is not a plain file: a link or a folder is not read. Put a file in its place.")
    return status


def tag(status: os.stat_result, data: bytes) -> str:
    """Tag of a file: time of change [ns], size, and a digest of its last TAIL bytes, of which `data` holds the last.

    Times are no more than the clock's: where it moves in steps of 4 ms, two holders took one lease in 5 of 150 attempts
    while tags were time and size alone.
    """
    digest = hashlib.blake2b(memoryview(data)[-TAIL:], digest_size=8).hexdigest()
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{digest}"


def read_tail(file: int, size: int) -> bytes:
    """The last TAIL bytes of an open file of `size` bytes."""
    return os.pread(file, TAIL, max(0, size - TAIL))


def modified(folder: int, name: str) -> float:
    """When a file was changed [seconds since the epoch]; now if it is gone."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return time.time()
