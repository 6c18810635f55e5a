"""Where models, updates and runs lie: one small set of verbs over a folder or an object store.

A key is a path of plain names such as `updates/7/….json`. A reader gets all of an object or nothing: what a `put`
writes appears at once or, when the writer dies, not at all. `put` has returned only when the object survives a crash
of the machine. Every object has a tag, another one after each change.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from shared.errors import RefusedError

_NAME = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199}", re.ASCII)


class Blob(NamedTuple):
    """An object as it was read."""

    data: bytes
    tag: str


class Stat(NamedTuple):
    """What is known of an object without reading it."""

    tag: str
    size: int  # bytes
    modified: float  # seconds since the epoch


class Storage(Protocol):
    """The verbs. All raise StoreError when the store cannot be reached or written, RefusedError for a key that is none.

    `put` raises ConflictError when its condition does not hold. A key that is ever written under a condition is always
    written under one: a plain `put` or a `delete` may slip in between the comparison and the write.
    """

    @property
    def address(self) -> str:
        """Where this store is, for people."""
        ...

    def get(self, key: str) -> Blob | None:
        """All bytes of an object and their tag, or None if there is none."""
        ...

    def head(self, key: str) -> Stat | None:
        """Tag and size of an object, or None if there is none."""
        ...

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        """Write an object and return its tag; only if there is none (`create`), or only over the tag `if_match`."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        ...

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        """Keys below a folder ("" is all), sorted; with `deep=False` only those that lie directly in it."""
        ...

    def now(self) -> float:
        """The store's own clock [seconds since the epoch]: the one that machines with differing clocks agree on."""
        ...


def check_key(key: str) -> list[str]:
    """Names that a key consists of. Raises RefusedError unless each is plain: no `..`, no leading dot, no slash."""
    names = key.split("/")
    if not all(_NAME.fullmatch(name) for name in names) or len(names) > 8:
        raise RefusedError(
            f"The name {key[:200]!r} is not one of this store's: names are letters, digits, '-', '_', '=' and '.' "
            "(not first), joined by '/'."
        )
    return names


def is_name(text: str) -> bool:
    """Whether a file of this name can be one of the store's; others in its folder are none of its business."""
    return _NAME.fullmatch(text) is not None
