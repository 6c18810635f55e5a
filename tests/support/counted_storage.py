"""A store in memory that counts what it is asked."""

import threading
from collections import Counter
from collections.abc import Iterable

from shared.errors import StoreError
from shared.store.storage import Blob, Stat
from tests.support.memory_storage import MemoryStorage

PAGE = 1000  # keys of a bucket in an answer


class Counted(MemoryStorage):
    """Counts what it is asked, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.requests = 0  # that a bucket would be sent: a listing takes one for each PAGE of keys
        self.away = False
        self._counting = threading.Lock()

    def _ask(self, verb: str, requests: int = 1) -> None:
        if self.away:
            raise StoreError("The store is away.")
        with self._counting:
            self.asked[verb] += 1
            self.requests += requests

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        self._ask("get")
        return super().get(key, last=last)

    def head(self, key: str) -> Stat | None:
        self._ask("head")
        return super().head(key)

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        with self._counting:
            self.requests += 1
        return super().put(key, data, create=create, if_match=if_match)

    def delete(self, keys: Iterable[str]) -> None:
        with self._counting:
            self.requests += 1
        super().delete(keys)

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        found = super().keys(folder, deep=deep)
        self._ask("keys", _pages(len(found)))
        return found

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        found = super().marks(folder, deep=deep)
        self._ask("keys", _pages(len(found)))
        return found


def _pages(keys: int) -> int:
    return max(1, -(-keys // PAGE))
