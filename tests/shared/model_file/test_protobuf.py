import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model_file import protobuf


def read(message: bytes) -> list[tuple[int, int | bytes]]:
    return [(n, v if isinstance(v, int) else bytes(v)) for n, v in protobuf.fields(memoryview(message))]


def test_every_kind_of_field_is_read() -> None:
    message = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\x01\x02\x03\x04" + b"\x21\x01\x02\x03\x04\x05\x06\x07\x08"
    assert read(message) == [(1, 150), (2, b"hi"), (3, b"\1\2\3\4"), (4, b"\1\2\3\4\5\6\7\x08")]


@given(number=st.integers(1, 2**29 - 1), payload=st.binary(max_size=300))
def test_an_entry_reads_back_as_written(number: int, payload: bytes) -> None:
    assert read(protobuf.entry(number, payload)) == [(number, payload)]


@pytest.mark.parametrize(
    "message",
    [
        b"\x08",  # a number that does not come
        b"\x08\xff",  # a number without an end
        b"\x08" + b"\xff" * 11,  # a number of more than 64 bits
        b"\x12\x05hi",  # 5 bytes claimed, 2 there
        b"\x1d\x01",  # 4 bytes claimed, 1 there
        b"\x02\x01a",  # field 0
        b"\x0b",  # a group, which ONNX has none of
        b"\x0e",  # a wire type that does not exist
    ],
)
def test_malformed_bytes_are_a_wire_error(message: bytes) -> None:
    with pytest.raises(protobuf.WireError):
        read(message)


def test_packed_and_single_numbers_are_both_lists() -> None:
    assert protobuf.varints(5) == [5]
    assert protobuf.varints(memoryview(b"\x05\x96\x01")) == [5, 150]


def test_text_is_utf_8_and_nothing_else() -> None:
    assert protobuf.text(memoryview("é".encode())) == "é"
    with pytest.raises(protobuf.WireError):
        protobuf.text(memoryview(b"\xff"))
    with pytest.raises(protobuf.WireError):
        protobuf.text(3)
