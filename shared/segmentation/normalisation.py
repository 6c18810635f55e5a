"""A recording's own centre and scale, and its values around that centre: float64 in, float32 out."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LARGEST = 1e38  # values beyond it count as missing, as infinities do: their differences must fit float32
BLOCK_ROWS = 16384  # rows looked at together: 1 MiB at 8 channels, which stays in the cache
LANES = 128
FLAT = 1e-6  # a spread below this share of the level is rounding noise of the file, not a signal


def missing(values: Doubles) -> NDArray[np.bool_]:
    """Where `values` hold nothing that can be used: NaN, infinities, magnitudes that float32 cannot hold."""
    present: NDArray[np.bool_] = np.abs(values) <= LARGEST
    return ~present


def recording_statistics(values: Doubles, mean: Doubles, std: Doubles) -> tuple[Doubles, Floats]:
    """Centre and scale of every channel, from one recording.

    values: [rows, channels], NaN and ±inf missing; read twice, block by block, never copied as a whole.
    mean, std: [channels], of the training rows: `mean` is the centre of a channel without values, `std` tells what a
    small spread is. Returns centre (mean, float64 [channels]) and scale (standard deviation, float32 [channels];
    1 for a channel without values, and where it is at most 1e-6 of the centre or of `std`).
    """
    channels = values.shape[1]
    count, total = np.zeros(channels), np.zeros(channels)
    for block, lanes in _blocks(values):
        gaps = missing(block)
        if gaps.any():
            block = np.where(gaps, 0.0, block)
            count -= gaps.sum(axis=0).reshape(lanes, channels).sum(axis=0)
        count += len(block) * lanes
        total += block.sum(axis=0).reshape(lanes, channels).sum(axis=0)
    center = np.where(count > 0, total / np.maximum(count, 1), mean)

    squares = np.zeros(channels)
    for block, lanes in _blocks(values):
        gaps = missing(block)
        around = block - np.tile(center, lanes)
        if gaps.any():
            around[gaps] = 0.0
        squares += np.einsum("rc,rc->c", around, around).reshape(lanes, channels).sum(axis=0)
    spread = np.sqrt(squares / np.maximum(count, 1))
    flat = (spread <= FLAT * np.maximum(np.abs(center), std)) | (spread < np.finfo(np.float32).tiny)
    return center, np.where(flat, 1.0, spread).astype(np.float32)


def _blocks(values: Doubles) -> Iterator[tuple[Doubles, int]]:
    """Views of `values` with `lanes` rows side by side: [rows / lanes, lanes · channels], at last the odd rows.

    numpy sums over rows of few columns 20 times slower than over rows of many.
    """
    lanes = LANES if values.flags.c_contiguous else 1
    whole = len(values) - len(values) % lanes
    wide = values[:whole].reshape(-1, lanes * values.shape[1])
    for first in range(0, len(wide), BLOCK_ROWS // lanes):
        yield wide[first : first + BLOCK_ROWS // lanes], lanes
    if whole < len(values):
        yield values[whole:], 1


def around_center(values: Doubles, center: Doubles, out: Floats | None = None) -> Floats:
    """`values` − `center`, subtracted in float64, missing cells 0: what a graph takes as `windows`.

    values: [rows, channels]; center: [channels]; out: float32 [rows, channels] to write into.
    """
    out = np.empty(values.shape, np.float32) if out is None else out
    with np.errstate(over="ignore", invalid="ignore"):
        np.subtract(values, center, out=out, casting="same_kind")
    gaps = missing(values)
    if gaps.any():
        out[gaps] = 0.0
    return out
