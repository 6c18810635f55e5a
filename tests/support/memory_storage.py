"""A store in memory with a clock that tests move: fast enough for thousands of steps."""

import threading
from collections.abc import Iterable

from shared.errors import ConflictError
from shared.store.storage import Blob, Stat, check_key


class MemoryStorage:
    address = "memory"

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self._objects: dict[str, Blob] = {}
        self._count = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """It is always there."""

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        check_key(key)
        found = self._objects.get(key)
        return found if found is None or last is None else Blob(found.data[-last:], found.tag)

    def head(self, key: str) -> Stat | None:
        check_key(key)
        found = self._objects.get(key)
        return None if found is None else Stat(found.tag, len(found.data), self.time)

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        check_key(key)
        with self._lock:
            found = self._objects.get(key)
            if (create and found is not None) or (if_match is not None and (found is None or found.tag != if_match)):
                raise ConflictError(key)
            self._count += 1
            self._objects[key] = Blob(bytes(data), str(self._count))
            return str(self._count)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            check_key(key)
            self._objects.pop(key, None)

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        if folder:
            check_key(folder)
        prefix = f"{folder}/" if folder else ""
        return sorted(
            key
            for key in list(self._objects)
            if key.startswith(prefix) and (deep or "/" not in key.removeprefix(prefix))
        )

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        return {key: self._objects[key].tag for key in MemoryStorage.keys(self, folder, deep=deep)}

    def now(self) -> float:
        return self.time
