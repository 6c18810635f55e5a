"""Small records of the store: read within bounds, and an error that concerns their project alone.

A record may be damaged, written by a later version of this program, or be no file at all. Whoever goes through all
projects passes over a RecordError; a StoreError says that the store itself cannot be read.
"""

from typing import TypeVar

import msgspec

from shared.errors import RecordError, RefusedError
from shared.store.storage import Storage

T = TypeVar("T")
OTHER = "other"  # stands for values of later versions


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
            return msgspec.json.decode(data, type=kind)
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        for name, known in words.items():
            if name in fields and _is_another_word(fields[name], known):
                fields[name] = msgspec.Raw(msgspec.json.encode(OTHER))
        return msgspec.json.decode(msgspec.json.encode(fields), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f"{storage.address}/{key} cannot be read ({error}): damaged, or written by a later version. {remedy}"
        ) from error


def _is_another_word(raw: msgspec.Raw, known: tuple[str, ...]) -> bool:
    value = msgspec.json.decode(raw)
    return isinstance(value, str) and value not in known
