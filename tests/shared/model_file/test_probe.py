import msgspec
import numpy as np
import pytest

from shared.errors import ModelError
from shared.model_file.probe import Probe, decode_probe, encode_probe


def make_probe() -> Probe:
    rng = np.random.default_rng(0)
    return Probe(
        windows=rng.normal(size=(2, 5, 3)).astype(np.float32),
        center=rng.normal(size=(1, 1, 3)) * 1e9,
        scale=rng.normal(size=(1, 1, 3)).astype(np.float32),
        probabilities=rng.random(size=(2, 5, 4)).astype(np.float32),
    )


def test_a_probe_reads_back_bit_by_bit() -> None:
    probe, found = make_probe(), decode_probe(encode_probe(make_probe()))
    for name in ("windows", "center", "scale", "probabilities"):
        expected, array = getattr(probe, name), getattr(found, name)
        assert array.dtype == expected.dtype
        assert array.shape == expected.shape
        assert array.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("shape", "data"), [((2, 2), "AAAA"), ((1 << 40, 1 << 40), "AAAA"), ((-1, 4), "AAAA"), ((), "AAAAAA=="), ((0,), "")]
)
def test_an_array_whose_bytes_do_not_fit_its_shape_is_refused(shape: tuple[int, ...], data: str) -> None:
    message = msgspec.json.decode(encode_probe(make_probe()))
    message["windows"] = {"dtype": "<f4", "shape": shape, "data": data}
    with pytest.raises(ModelError, match="probe has"):
        decode_probe(msgspec.json.encode(message).decode())


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"windows": 3}'])
def test_text_that_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="probe cannot be read"):
        decode_probe(text)
