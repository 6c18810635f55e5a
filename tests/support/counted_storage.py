"""A store in memory that counts what it is asked."""

from collections import Counter

from shared.errors import StoreError
from shared.store.storage import Blob, Stat
from tests.support.memory_storage import MemoryStorage


class Counted(MemoryStorage):
    """Counts what it is asked, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.away = False

    def _ask(self, verb: str) -> None:
        if self.away:
            raise StoreError("The store is away.")
        self.asked[verb] += 1

    def get(self, key: str) -> Blob | None:
        self._ask("get")
        return super().get(key)

    def head(self, key: str) -> Stat | None:
        self._ask("head")
        return super().head(key)

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        self._ask("keys")
        return super().keys(folder, deep=deep)
