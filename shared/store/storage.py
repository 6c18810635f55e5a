"""The store's interface: a few operations over a folder or an object store.

A key is a path of plain names such as `updates/7/….json`. A `put` is atomic and durable: a reader gets a whole object
or none, and once `put` has returned the object survives a crash of the machine. Every object has a tag, which changes
with each write.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from shared.errors import ConflictError, RecordError, RefusedError, StoreError
from shared.json_decoding import decode_json
from shared.store.keys import size_limit

T = TypeVar("T")
ATTEMPTS = 5  # to change a record that others change at the same time
OTHER = "other"  # stands for values of later versions
_NAME = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199}", re.ASCII)


class Blob(NamedTuple):
    """An object's bytes and tag."""

    data: bytes
    tag: str


class Stat(NamedTuple):
    """Properties of an object, known without reading it."""

    tag: str
    size: int  # bytes
    modified: float  # seconds since the epoch


class Storage(Protocol):
    """The operations. All raise StoreError if the store cannot be reached or written, RefusedError on an invalid key.

    `put` raises ConflictError if its condition does not hold. A key that is ever written conditionally must always be
    written conditionally: a plain `put` or `delete` may come between comparison and write.
    """

    @property
    def address(self) -> str:
        """Path or URL of this store, for messages."""
        ...

    def check(self) -> None:
        """Raise NoStoreError where a folder is not a store, or not any more. A bucket is what its address says."""
        ...

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        """All bytes of an object, or only the `last` ones, and its tag; None if there is none."""
        ...

    def head(self, key: str) -> Stat | None:
        """Tag and size of an object, or None if there is none."""
        ...

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        """Write an object and return its tag; only if there is none (`create`), or only over the tag `if_match`."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are no error."""
        ...

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        """Keys below a folder ("" is all), sorted; with `deep=False` only those directly in it."""
        ...

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        """Keys as `keys` gives them, each with a mark that changes with every write; marks are no tags."""
        ...

    def now(self) -> float:
        """The store's clock [seconds since the epoch], common to machines with differing clocks."""
        ...


def check_key(key: str) -> list[str]:
    """The names that make up a key. Raises RefusedError unless each is plain: no `..`, no leading dot, no slash."""
    names = key.split("/")
    if not all(_NAME.fullmatch(name) for name in names) or len(names) > 8:
        raise RefusedError(
            f"The store's key is {key[:200]!r}, expected names of letters, digits, '-', '_', '=' and '.' (not first), "
            "joined by '/'."
        )
    return names


def check_size(place: object, size: int, key: str) -> None:
    """Raise RefusedError if an object is larger than any of its kind; `place` is what people find it by."""
    limit = size_limit(key)
    if limit is not None and size > limit:
        raise RefusedError(f"{place} has {size} bytes, at most {limit} are read: it is no record of this program.")


def is_name(text: str) -> bool:
    """Whether a file of this name can belong to the store; other files in the folder are ignored."""
    return _NAME.fullmatch(text) is not None


def read_record(
    storage: Storage, key: str, kind: type[T], remedy: str, *, words: dict[str, tuple[str, ...]] | None = None
) -> T | None:
    """A record, None if there is none.

    `words` names fields that hold one of a few words; others are read as "other". Raises RecordError, which ends with
    `remedy`, if it cannot be read, and StoreError if the store cannot.
    """
    try:
        found = storage.get(key)
    except RefusedError as error:  # a link, a pipe, or too large
        raise RecordError(f"{error} {remedy}") from error
    return None if found is None else decode_record(storage, key, found.data, kind, remedy, words=words)


def change_record(storage: Storage, key: str, kind: type[T], change: Callable[[T | None], T], remedy: str) -> None:
    """Replace a record by what `change` makes of it (None: there is none yet), again if another process came between.

    Raises what `change` raises, RecordError if the record cannot be read, StoreError if it keeps changing.
    """
    for _ in range(ATTEMPTS):
        found = storage.get(key)
        known = decode_record(storage, key, found.data, kind, remedy) if found else None
        data = msgspec.json.encode(change(known))
        try:
            if found is None:
                storage.put(key, data, create=True)
            else:
                storage.put(key, data, if_match=found.tag)
            return
        except ConflictError:
            continue
    raise StoreError(f"{key} kept changing; try again.")


def decode_record(
    storage: Storage,
    key: str,
    data: bytes,
    kind: type[T],
    remedy: str,
    *,
    words: dict[str, tuple[str, ...]] | None = None,
) -> T:
    """A record from its bytes. Raises RecordError."""
    try:
        if words is None:
            return decode_json(data, kind)
        fields = decode_json(data, dict[str, msgspec.Raw])
        for name, known in words.items():
            if name in fields and _is_another_word(fields[name], known):
                fields[name] = msgspec.Raw(msgspec.json.encode(OTHER))
        return decode_json(msgspec.json.encode(fields), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f"{storage.address}/{key} cannot be read ({error}): damaged, or written by a later version. {remedy}"
        ) from error


def _is_another_word(raw: msgspec.Raw, known: tuple[str, ...]) -> bool:
    value = msgspec.json.decode(raw)
    return isinstance(value, str) and value not in known
