"""A storage that counts its failures."""

from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from shared.errors import ConflictError, StoreError
from shared.store.storage import Blob, Stat, Storage

P = ParamSpec("P")
T = TypeVar("T")


class CountingStorage:
    """Delegates to another storage; calls `failed` for each StoreError except conflicts."""

    def __init__(self, storage: Storage, failed: Callable[[], None]) -> None:
        self._storage = storage
        self._failed = failed

    @property
    def address(self) -> str:
        return self._storage.address

    def check(self) -> None:
        return self._storage.check()

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        return self._call(self._storage.get, key, last=last)

    def head(self, key: str) -> Stat | None:
        return self._call(self._storage.head, key)

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        return self._call(self._storage.put, key, data, create=create, if_match=if_match)

    def delete(self, keys: Iterable[str]) -> None:
        return self._call(self._storage.delete, keys)

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        return self._call(self._storage.keys, folder, deep=deep)

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        return self._call(self._storage.marks, folder, deep=deep)

    def now(self) -> float:
        return self._call(self._storage.now)

    def _call(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except ConflictError:
            raise
        except StoreError:
            self._failed()
            raise
