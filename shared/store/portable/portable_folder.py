"""A folder as a store, by paths: one machine, any number of processes."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from shared.errors import ConflictError, NoStoreError, RefusedError, StoreError
from shared.settings import NewStore
from shared.store.portable.turns import turn
from shared.store.storage import Blob, Stat, check_key, check_size, is_name

MARKER, TURN, STAGED = ".store", ".turn", ".new"  # no key begins with a dot
REPLACE_ATTEMPTS = 100  # Windows refuses to replace a file while somebody reads it


class PortableFolder:
    """See shared/store/storage.py. Tags are time of change [ns], size and a digest. Links are refused, not followed."""

    def __init__(self, root: Path, *, new: NewStore = "make") -> None:
        self._root = root.absolute()
        self._required = new == "refuse"
        self._marked = False
        if not self._required:
            with self._explained(self._root, "made"):
                self._root.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return str(self._root)

    def check(self) -> None:
        if not self._root.is_dir():
            raise NoStoreError(f"The folder {self._root} is gone; mount it or set MODEL_DIR.")
        if (self._root / MARKER).exists():
            self._marked = True
        elif self._marked:
            raise NoStoreError(f"The folder {self._root} is not the store that it was: its file {MARKER} is gone.")
        elif self._required and not any(is_name(each.name) for each in self._root.iterdir()):
            raise NoStoreError(
                f"The folder {self._root} is empty and has no file {MARKER}; if a new store is meant to be made there, "
                "set NEW_STORE=make for the first start."
            )

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        path = self._path(key)
        with self._explained(path, "read"):
            try:
                with path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    check_size(path, status.st_size, key)
                    data = file.read()
            except FileNotFoundError:
                return None
        return Blob(data if last is None else data[-last:], _tag(status, data))

    def head(self, key: str) -> Stat | None:
        path = self._path(key)
        with self._explained(path, "read"):
            try:
                with path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    return Stat(_tag(status, file.read()), status.st_size, status.st_mtime)
            except FileNotFoundError:
                return None

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        path = self._path(key)
        with self._explained(path, "written"), self._turn():
            found = self.head(key) if create or if_match is not None else None
            tag = found.tag if found else None
            if (create or if_match is not None) and tag != (None if create else if_match):
                raise ConflictError(
                    f"{path} has tag {tag or 'none'}, expected {if_match or 'none'}: another process wrote it first."
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            return self._replace(path, data)

    def delete(self, keys: Iterable[str]) -> None:
        paths = [self._path(key) for key in keys]
        with self._explained(self._root, "deleted from"), self._turn():
            for path in paths:
                path.unlink(missing_ok=True)
                for folder in path.parents:
                    if folder == self._root:
                        break
                    with suppress(OSError):  # not empty
                        folder.rmdir()

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        return sorted(self.marks(folder, deep=deep))

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        start = self._path(folder) if folder else self._root
        self.check()
        found: dict[str, str] = {}
        with self._explained(start, "listed"):
            for parent, folders, names in os.walk(start):
                folders[:] = [name for name in folders if deep and is_name(name)]
                for name in names:
                    path = Path(parent) / name
                    with suppress(FileNotFoundError):
                        if is_name(name) and not path.is_symlink():
                            status = path.stat()
                            mark = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
                            found[path.relative_to(self._root).as_posix()] = mark
        return found

    def now(self) -> float:
        """The clock of the machine, whose own folder it is."""
        return time.time()

    def _path(self, key: str) -> Path:
        path = self._root.joinpath(*check_key(key))
        for each in (path, *path.parents):
            if each == self._root:
                break
            if each.is_symlink() or (each == path and each.exists() and not each.is_file() and not each.is_dir()):
                raise RefusedError(f"{each} is a link or no plain file: it is not read. Put a file in its place.")
        return path

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self.check()
        with turn(self._root / TURN):
            if not self._marked:
                (self._root / MARKER).touch()
                self._marked = True
            yield

    def _replace(self, path: Path, data: bytes) -> str:
        staged = path.parent / f"{STAGED}{uuid4().hex}"
        try:
            with staged.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            now = time.time_ns()
            os.utime(staged, ns=(now, now))
            tag = _tag(staged.stat(), data)
            for attempt in range(REPLACE_ATTEMPTS):
                try:
                    staged.replace(path)
                    return tag
                except PermissionError:
                    if attempt == REPLACE_ATTEMPTS - 1:
                        raise
                    time.sleep(0.01)
        finally:
            staged.unlink(missing_ok=True)
        raise AssertionError  # the last attempt returned or raised

    @contextmanager
    def _explained(self, path: Path, verb: str) -> Iterator[None]:
        try:
            yield
        except IsADirectoryError as error:
            raise RefusedError(f"{path} is a folder: it is not read. Put a file in its place.") from error
        except OSError as error:
            raise StoreError(
                f"{path} could not be {verb} ({error.strerror or error}); check the folder at MODEL_DIR."
            ) from error


def _tag(status: os.stat_result, data: bytes) -> str:
    digest = hashlib.blake2b(data, digest_size=8).hexdigest()
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{digest}"
