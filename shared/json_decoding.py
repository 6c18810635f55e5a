"""Decoding of JSON into types, safe from several threads.

msgspec 0.22 reads the fields of a Struct when it is first decoded. A second thread that decodes the same Struct
meanwhile finds half of them, and the process ends with a segmentation fault: 11 of 12 processes did, whose first eight
model cards were read by eight threads within 2 ms. So decoders are made one at a time, and every type is decoded by one
made here.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class _Decoders:
    """Decoders by type. All are for types that the program names, so their number is bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[Any, bool], msgspec.json.Decoder[Any]] = {}

    def find(self, kind: Any, strict: bool) -> "msgspec.json.Decoder[Any]":
        found = self._made.get((kind, strict))
        if found is None:
            with self._lock:
                found = self._made[kind, strict] = msgspec.json.Decoder(kind, strict=strict)
        return found


_decoders = _Decoders()


def decode_json(data: bytes | bytearray | memoryview | str, kind: type[T], *, strict: bool = True) -> T:
    """`data` as `kind`. strict: numbers in texts are none.

    Raises msgspec.DecodeError (ValidationError where it is another type), UnicodeDecodeError, RecursionError.
    """
    found: T = _decoders.find(kind, strict).decode(data)
    return found
