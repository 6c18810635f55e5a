"""A recording in numbers: level, spread, tails, roughness, gaps of each channel, extremes over channels, length.

Numbers that are not known are NaN. What each kind is worth: research/choices.py.
"""

import numpy as np
from numpy.typing import NDArray

from shared.segmentation.normalisation import LARGEST

Doubles = NDArray[np.float64]

MOST_ROWS, BLOCK_ROWS = 1 << 16, 1 << 12  # rows that are looked at: all, or evenly spaced blocks of a longer recording
MOST_CHANNELS = 64  # described one by one; of further ones only the extremes over channels
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
SCALES = (1, 4, 16, 64)  # rows whose means are compared with the next ones
PARTS = 16  # of a recording, to see what concerns a part of it
FEWEST = 8  # values, or means of rows, that say something
WIDEST = 10.0  # spreads beyond which a value says no more
TINY = 1e-30

# places in a channel's numbers: missing cells 0, unchanged 7, roughness from 8, spread of parts from 12, gaps 16
OF_CHANNEL = 17
OVER_CHANNELS = (0, 7, 8, 12, 13, 15, 16)


def feature_count(channels: int, classes: int) -> int:
    """How many numbers `describe_recording` gives."""
    return OF_CHANNEL * min(channels, MOST_CHANNELS) + 2 * len(OVER_CHANNELS) + 1 + classes


def describe_recording(values: Doubles, shares: Doubles) -> Doubles:
    """values: [rows, channels], NaN and ±inf missing. shares: mean probability of each class, NaN where not known.

    Memory and time do not grow with rows beyond MOST_ROWS.
    """
    sample = _sample(values)
    channels = np.array([_describe(np.ascontiguousarray(column)) for column in sample.T]).reshape(-1, OF_CHANNEL)
    over = channels[:, OVER_CHANNELS]
    return np.concatenate(
        [
            channels[:MOST_CHANNELS].ravel(),
            np.fmin.reduce(over, axis=0),
            np.fmax.reduce(over, axis=0),
            [np.log(max(len(values), 1))],
            np.log(shares + 1e-3),
        ]
    )


def _sample(values: Doubles) -> Doubles:
    if len(values) <= MOST_ROWS:
        return values
    starts = np.linspace(0, len(values) - BLOCK_ROWS, MOST_ROWS // BLOCK_ROWS).astype(np.int64)
    return np.concatenate([values[start : start + BLOCK_ROWS] for start in starts])


def _describe(column: Doubles) -> Doubles:
    """OF_CHANNEL numbers of one channel; gaps are skipped for all but their shares."""
    found = np.full(OF_CHANNEL, np.nan)
    present = np.abs(column) <= LARGEST
    found[0] = 1 - present.mean() if len(column) else np.nan
    values = column[present]
    if len(values) < FEWEST:
        return found
    lowest, low, first, middle, third, high, highest = np.quantile(values, QUANTILES)
    box, span, whole = third - first, high - low, highest - lowest
    tiny = 1e-9 * abs(middle) + TINY
    spread = max(box, span / 2, whole / 4, tiny)
    unit = np.clip((values - middle) / spread, -WIDEST, WIDEST)
    found[1:8] = (
        middle,
        np.log(spread),
        np.log1p(whole / spread),
        np.log((box + tiny) / (span + tiny) + 1e-3),
        np.tanh((first + third - 2 * middle) / (box + tiny)),
        np.tanh((low + high - 2 * middle) / (span + tiny)),
        (np.abs(np.diff(unit)) <= 1e-6).mean(),
    )
    for place, rows in enumerate(SCALES):
        means = unit[: len(unit) // rows * rows].reshape(-1, rows).mean(axis=1)
        if len(means) >= FEWEST:
            found[8 + place] = np.log(np.abs(np.diff(means)).mean() + 1e-3)
    parts = np.array_split(unit, PARTS if len(unit) >= PARTS * FEWEST else 1)
    spreads = np.log([part.std() + 1e-3 for part in parts])
    found[12:16] = (
        spreads.min(),
        spreads.max(),
        spreads.std(),
        np.log(np.std([part.mean() for part in parts]) + 1e-2),
    )
    gaps = np.array_split(~present, PARTS if len(column) >= PARTS else 1)
    found[16] = max(part.mean() for part in gaps)
    return found
