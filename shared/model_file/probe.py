"""The probe: a small fixed input and the probabilities it must give, stored in the graph, run before it serves."""

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.errors import ModelError
from shared.json_decoding import decode_json

TOLERANCE = 1e-3  # absolute: the checksum covers damage; processors and libraries differ by 1e-5
MAX_VALUES = 1 << 20


@dataclass(frozen=True)
class Probe:
    """Inputs of a graph and the `probabilities` that PyTorch gave for them; shapes as in `Segmenter`."""

    windows: NDArray[np.float32]
    center: NDArray[np.float64]
    scale: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class _Array(msgspec.Struct, frozen=True):
    """Little-endian values in row-major order."""

    dtype: Literal["<f4", "<f8"]
    shape: tuple[int, ...]
    data: bytes


class _Message(msgspec.Struct, frozen=True):
    windows: _Array
    center: _Array
    scale: _Array
    probabilities: _Array


def encode_probe(probe: Probe) -> str:
    """JSON of a probe, its arrays as base64."""
    message = _Message(
        windows=_pack(probe.windows, "<f4"),
        center=_pack(probe.center, "<f8"),
        scale=_pack(probe.scale, "<f4"),
        probabilities=_pack(probe.probabilities, "<f4"),
    )
    return msgspec.json.encode(message).decode()


def decode_probe(text: str) -> Probe:
    """Probe from JSON. Raises ModelError if it is not one."""
    try:
        message = decode_json(text, _Message)
    except msgspec.DecodeError as error:
        raise ModelError(f"A model file's probe cannot be read: {error}.") from error
    return Probe(
        windows=_unpack(message.windows).astype(np.float32, copy=False),
        center=_unpack(message.center).astype(np.float64, copy=False),
        scale=_unpack(message.scale).astype(np.float32, copy=False),
        probabilities=_unpack(message.probabilities).astype(np.float32, copy=False),
    )


def _pack(array: NDArray[np.float32] | NDArray[np.float64], dtype: Literal["<f4", "<f8"]) -> _Array:
    return _Array(dtype=dtype, shape=array.shape, data=array.astype(dtype).tobytes())


def _unpack(array: _Array) -> NDArray[np.float32] | NDArray[np.float64]:
    dtype = np.dtype(array.dtype)
    if min(array.shape, default=0) < 1 or math.prod(array.shape) > MAX_VALUES:
        raise ModelError(
            f"A model file's probe has an array of shape {array.shape}, at most {MAX_VALUES} values are allowed."
        )
    if len(array.data) != math.prod(array.shape) * dtype.itemsize:
        raise ModelError(f"A model file's probe has {len(array.data)} bytes for an array of shape {array.shape}.")
    return np.frombuffer(array.data, dtype).reshape(array.shape)
