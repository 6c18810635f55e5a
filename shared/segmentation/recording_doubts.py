"""What a recording's values give reason to doubt, whatever the model: values far beyond all others, empty channels."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.quoting import quoted
from shared.segmentation.normalisation import ABSURD, BLOCK_ROWS, LANES, LARGEST, USUAL, absurd_cells, missing

MAX_NAMED = 10  # channels that are named
FEW_ROWS = 256
NEAR = 0.8 * ABSURD  # ranges, as estimated from few rows
Doubles = NDArray[np.float64]


def outliers(values: Doubles, channels: Sequence[str]) -> Iterator[Doubt]:
    """A doubt for each channel with values that statistics leave out; values: [rows, channels]."""
    if not _may_hold_absurd(values):
        return
    yield from _infinite(values, channels)
    rows, places = absurd_cells(values)
    for place in np.unique(places)[:MAX_NAMED]:
        found = rows[places == place]
        column = values[:, place]
        others = np.delete(column, found)
        others = others[~missing(others)]
        worst = column[found][np.abs(column[found]).argmax()]
        usual = max(float(np.abs(others).max(initial=0.0)), 1e-300)
        times = int(np.floor(np.log10(max(abs(worst) / usual, 1.0))))
        scale = f", 10^{times} times as large," if times else ""
        yield Doubt(
            kind="outliers",
            sentence=f"{_rows(found)} of {quoted(channels[place])}: far beyond all other values, {worst:.6g}{scale} "
            f"where the others lie between {others.min():.6g} and {others.max():.6g}. A sentinel for a missing value, "
            "a broken packet or a line of another kind should be removed.",
            first_row=int(found[0]),
            share=len(found) / len(values),
        )


def _infinite(values: Doubles, channels: Sequence[str]) -> Iterator[Doubt]:
    """A doubt for each channel with values that are infinite or beyond what float32 holds."""
    for place in range(values.shape[1]):
        found = np.flatnonzero(np.abs(values[:, place]) > LARGEST)
        if len(found):
            yield Doubt(
                kind="outliers",
                sentence=f"{_rows(found)} of {quoted(channels[place])}: infinite, or beyond {LARGEST:g}; these cells "
                "count as missing.",
                first_row=int(found[0]),
                share=len(found) / len(values),
            )


def _may_hold_absurd(values: Doubles) -> bool:
    """Whether to look closer: the middle of a few rows and the extremes of all pass most recordings at little cost."""
    few = np.sort(values[:: -(-len(values) // FEW_ROWS)], axis=0)
    low, high = few[round(USUAL * (len(few) - 1))], few[round((1 - USUAL) * (len(few) - 1))]
    lanes = max(1, min(LANES, len(values) // LANES)) if values.flags.c_contiguous else 1  # as in normalisation
    whole = len(values) - len(values) % lanes
    wide = values[:whole].reshape(-1, lanes * values.shape[1])
    least, largest = (
        each.reshape(lanes, -1) for each in (np.minimum.reduce(wide, axis=0), np.maximum.reduce(wide, axis=0))
    )
    ends = np.concatenate([least, largest, values[whole:]])
    if not np.isfinite([low, high]).all():
        return True
    reach = NEAR * (high - low)
    return not bool(((ends >= low - reach) & (ends <= high + reach) & (high > low)).all())


def empty_channels(values: Doubles) -> list[int]:
    """Channels without a single value."""
    left: NDArray[np.int64] = np.arange(values.shape[1])
    for first in range(0, len(values), BLOCK_ROWS):
        block = values[first : first + BLOCK_ROWS, left]
        left = left[~(np.abs(block) <= LARGEST).any(axis=0)]
        if not len(left):
            break
    return [int(channel) for channel in left]


def without_values(values: Doubles, channels: Sequence[str]) -> Iterator[Doubt]:
    """A doubt about channels of a training recording without a single value."""
    empty = empty_channels(values)
    if empty:
        yield Doubt(
            kind="empty-channel",
            sentence=f"{names(channels, empty)} of {len(channels)} channels hold no value in this recording.",
            share=len(empty) / len(channels),
        )


def names(channels: Sequence[str], places: Sequence[int]) -> str:
    """The names of some channels, as a sentence lists them."""
    shown = ", ".join(quoted(channels[place]) for place in places[:MAX_NAMED])
    return shown + (" …" if len(places) > MAX_NAMED else "")


def _rows(rows: NDArray[np.int64]) -> str:
    first, last = int(rows[0]), int(rows[-1])
    if first == last:
        return f"Row {first}"
    if last - first + 1 == len(rows):
        return f"Rows {first} to {last}"
    return f"{len(rows)} rows ({', '.join(str(row) for row in rows[:3])}{' …' if len(rows) > 3 else ''})"
