"""Downloaded recordings on disk: bounded, shared by any number of processes, verified when read."""

import contextlib
import hashlib
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from shared.json_decoding import decode_json

STALE_SECONDS = 3600.0  # age of a half-written file whose writer must have ended
SUFFIX = ".recording"


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Description of a cached body; the first line of its file."""

    url: str
    size: int  # bytes
    crc: int  # CRC-32 of the body
    etag: str = ""
    last_modified: str = ""
    immutable: bool = False  # the content of this URL never changes

    @property
    def conditions(self) -> dict[str, str]:
        """Headers of a conditional request; empty if the server gave no validator."""
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in found.items() if value}


class RecordingCache:
    """Bodies by URL in one folder of at most `most_bytes`. A damaged entry counts as missing."""

    def __init__(self, folder: Path, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._written = max_bytes  # bytes written since the folder was last listed; the first put lists it

    def look_up(self, url: str) -> CacheEntry | None:
        """The entry of `url`, None if there is none; the body is not read."""
        try:
            with self._path(url).open("rb") as file:
                return _read_entry(file, url)
        except OSError:
            return None

    def read(self, url: str) -> bytes | None:
        """The body of `url`, None if it is missing or damaged."""
        path = self._path(url)
        try:
            with path.open("rb") as file:
                entry = _read_entry(file, url)
                body = file.read() if entry else b""
        except OSError:
            return None
        if not entry or len(body) != entry.size or zlib.crc32(body) != entry.crc:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path, (self._clock(), self._clock()))  # recently used entries are deleted last
        return body

    def put(self, url: str, body: bytes, *, etag: str, last_modified: str, immutable: bool) -> None:
        """Store a body. A full disk or a missing folder is no error: the body is not cached."""
        entry = CacheEntry(
            url=url,
            size=len(body),
            crc=zlib.crc32(body),
            etag=etag,
            last_modified=last_modified,
            immutable=immutable,
        )
        if len(body) > self._max_bytes // 2 or not (immutable or entry.conditions):
            return
        path = self._path(url)
        partial = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with partial.open("wb") as file:
                file.write(msgspec.json.encode(entry) + b"\n")
                file.write(body)
            partial.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            return
        self._evict(len(body))

    def clear(self) -> int:
        """Delete all entries and return their number."""
        count = 0
        for _, _, path in self._files():
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                count += 1
        return count

    def _path(self, url: str) -> Path:
        return self._folder / (hashlib.sha256(url.encode()).hexdigest() + SUFFIX)

    def _evict(self, written: int) -> None:
        """Delete the entries unused longest; the folder is listed whenever a tenth of its size has been written."""
        with self._lock:
            self._written += written
            if self._written < self._max_bytes // 10:
                return
            self._written = 0
        files = sorted(self._files(), reverse=True)
        total = 0
        for used_at, size, path in files:
            total += size
            stale = path.suffix == ".partial" and used_at < self._clock() - STALE_SECONDS
            if total > self._max_bytes or stale:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for path in (*self._folder.glob("*" + SUFFIX), *self._folder.glob("*.partial")):
            with contextlib.suppress(OSError):
                found = path.stat()
                yield found.st_mtime, found.st_size, path


def _read_entry(file: BinaryIO, url: str) -> CacheEntry | None:
    try:
        entry = decode_json(file.readline(2**16), CacheEntry)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return entry if entry.url == url else None
