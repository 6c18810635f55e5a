"""A recording of another sampling rate at the rate that a model has learned, and segments back at its own rows.

What it is worth: research/resampled_recordings.py.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import KnownRecordings
from shared.recordings.series import Series
from shared.segmentation.known_recordings import MOST_RATIO, other_rate, rate_doubt
from shared.segmentation.normalisation import missing

Doubles = NDArray[np.float64]
BLOCK_ROWS = 1 << 16  # of the recording that are looked at together
MOST_CELLS = 1 << 22  # that resampling may make (32 MiB in each thread), unless the recording itself has more


class AtKnownRate(NamedTuple):
    """A series at the rate of the training recordings. ratio: rows of the recording for each row of it."""

    series: Series
    ratio: float
    doubt: Doubt


def at_known_rate(series: Series, known: KnownRecordings) -> AtKnownRate | None:
    """The series at the rate of the known recordings; None where it has it, has none, or would grow far too long."""
    ratio = other_rate(series, known)
    if ratio is None or known.log_step is None or not can_resample(series.values, ratio):
        return None
    step = float(np.exp(known.log_step))
    doubt = rate_doubt(ratio, step, "it was resampled to theirs, and its segments were put back on its own rows")
    return AtKnownRate(resampled(series, ratio), ratio, doubt)


def resampled(series: Series, ratio: float) -> Series:
    """The series with rows that are `ratio` of its own apart, times in between interpolated."""
    values = resample(series.values, ratio)
    rows = np.arange(series.rows)
    times = np.interp(np.arange(len(values)) * ratio, rows, series.axis.times)
    return Series(values, TimeAxis(times, series.axis.time_format))


def resample(values: Doubles, ratio: float) -> Doubles:
    """Values at another rate by linear interpolation: new row i is at row i · ratio of `values`.

    values: [rows, channels], NaN and ±inf missing. Where ratio is 1.5 or more, the rows around a new one are averaged
    (ratio of them, rounded), so that what is too fast for the new rate does not fold into it. A new row between a
    value and a missing one is missing, unless it lies on the value.
    """
    count, width = _count(len(values), ratio), max(round(ratio), 1)
    found = np.empty((count, values.shape[1]))
    block = max(int(BLOCK_ROWS / ratio), 1)
    for first in range(0, count, block):
        place = np.arange(first, min(first + block, count)) * ratio
        before = np.minimum(place.astype(np.int64), len(values) - 1)
        share = (place - before)[:, None]
        low = max(int(before[0]) - width, 0)
        near = _averaged(values[low : int(before[-1]) + width + 2], width)
        before -= low
        after = near[np.minimum(before + 1, len(near) - 1)]
        found[first : first + block] = near[before] * (1 - share) + np.where(share > 0, after * share, 0.0)
    return found


def can_resample(values: Doubles, ratio: float) -> bool:
    """Whether the rate is likely to be another one, not times in another unit, and the result would not be huge."""
    rows = _count(len(values), ratio)
    return 1 / MOST_RATIO <= ratio <= MOST_RATIO and rows > 1 and rows * values.shape[1] <= max(MOST_CELLS, values.size)


def at_own_rows(segments: Iterable[Segment], ratio: float, rows: int) -> Iterator[Segment]:
    """Segments of resampled values at the rows of the recording; what covers none of its rows is left out."""
    for each in segments:
        if each.instant:
            row = min(round(each.first * ratio), rows - 1)
            yield replace(each, first=row, last=row)
            continue
        first, end = (max(int(np.ceil((bound - 0.5) * ratio)), 0) for bound in (each.first, each.last + 1))
        if first < min(end, rows):
            yield replace(each, first=first, last=min(end, rows) - 1)


def _count(rows: int, ratio: float) -> int:
    return int((rows - 1) / ratio + 1e-9) + 1 if rows else 0


def _averaged(values: Doubles, width: int) -> Doubles:
    """The mean of the values present within `width` rows around each; missing where there are none."""
    present = ~missing(values)
    if width == 1:
        return np.where(present, values, np.nan)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(np.where(present, values, 0.0), axis=0)])
    counts = np.concatenate([np.zeros((1, values.shape[1]), np.int64), np.cumsum(present, axis=0)])
    rows = np.arange(len(values))
    # an even width has no middle row: half of it ends a row earlier, so that nothing is shifted
    bounds = [np.clip(rows + shift, 0, len(values)) for shift in (-(width // 2), width - width // 2)]
    other = [np.clip(rows + shift, 0, len(values)) for shift in (1 - width + width // 2, 1 + width // 2)]
    count = counts[bounds[1]] - counts[bounds[0]] + counts[other[1]] - counts[other[0]]
    total = sums[bounds[1]] - sums[bounds[0]] + sums[other[1]] - sums[other[0]]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
