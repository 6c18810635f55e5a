"""The wire format of protocol buffers, as far as reading an ONNX file without the onnx package needs it.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = int | memoryview


class WireError(ValueError):
    """Bytes that are not a protocol buffer message."""


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Field number and value of every field of one message, in file order; nested messages stay unread.

    A varint is given as a number, everything else as its bytes. Nothing is copied.
    Raises WireError on cut-off or malformed bytes.
    """
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == BYTES:
            size, position = _varint(message, position)
        elif wire == FIXED64:
            size = 8
        elif wire == FIXED32:
            size = 4
        else:
            raise WireError(f"wire type {wire} at byte {position}")
        if number == 0 or position + size > end:
            raise WireError(f"field {number} of {size} bytes at byte {position} of {end}")
        yield number, message[position : position + size]
        position += size


def text(value: Value) -> str:
    """A field's value as text."""
    if isinstance(value, int):
        raise WireError("a number where text was expected")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise WireError("text that is not UTF-8") from error


def varints(value: Value) -> list[int]:
    """A repeated whole-number field's value: one number, or several packed into bytes."""
    if isinstance(value, int):
        return [value]
    found, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        found.append(number)
    return found


def entry(number: int, payload: bytes) -> bytes:
    """One field of bytes, ready to be appended to a message."""
    return _encode_varint(number << 3 | BYTES) + _encode_varint(len(payload)) + payload


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise WireError(f"a number without an end at byte {position}")


def _encode_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
