"""Statistics of parts of recordings: what a network gets for a recording of which only a part is there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import RecordingStatistics
from shared.segmentation.normalisation import missing, moments, usual_limits

BLOCK = 16  # rows between two sums: parts begin and end there
SHARES = (0.1, 0.25, 0.5, 0.75)  # of a recording, whose parts show how much statistics of parts vary
POSITIONS = 8  # of a part in its recording, evenly spaced
LEAST_WHOLE = 0.5  # medians of the recordings' rows: a shorter one, cut by mistake, must not pass for a whole one
LARGEST_LOG_ERROR = 2.0  # of a part's scale: one that is flat gives no more
PRIOR_VARIANCE = 0.1  # of centres (in channel variances) and log scales between recordings, that counts as one …
PRIOR_RECORDINGS = 1.0  # … recording: two that agree by chance do not show that all do

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class PartMoments:
    """Mean and standard deviation of any part of a recording, from sums every BLOCK rows; absurd values left out."""

    def __init__(self, values: Doubles) -> None:
        """values: [rows, channels]; a copy of BLOCK rows is held at a time."""
        limits = usual_limits(values)
        self.rows = len(values)
        self.center, self.spread = moments(values, np.zeros(values.shape[1]), limits)
        self.present = (~missing(values)).any(axis=0)
        scale = np.where(self.spread > 0, self.spread, 1.0)
        blocks = -(-self.rows // BLOCK)
        self._sums = np.zeros((1 + blocks, 3, values.shape[1]))  # count, sum, sum of squares; from the recording's own
        for first in range(0, self.rows, 1024 * BLOCK):
            part = values[first : first + 1024 * BLOCK]
            present = (part >= limits.low) & (part <= limits.high)
            around = np.where(present, (np.where(present, part, 0.0) - self.center) / scale, 0.0)
            starts = np.arange(0, len(part), BLOCK)
            at = 1 + first // BLOCK
            for index, each in enumerate((present, around, around * around)):
                self._sums[at : at + len(starts), index] = np.add.reduceat(each, starts, axis=0, dtype=float)
        np.cumsum(self._sums, axis=0, out=self._sums)
        self._scale = scale

    def of(self, first: Integers, end: Integers) -> tuple[Doubles, Doubles]:
        """Centres and spreads [parts, channels] of rows `first` to `end` − 1 each, to the next multiple of BLOCK."""
        sums = self._sums[-(-end // BLOCK)] - self._sums[first // BLOCK]
        count = np.maximum(sums[:, 0], 1)
        mean = sums[:, 1] / count
        spread = np.sqrt(np.maximum(sums[:, 2] / count - mean**2, 0))
        spread[spread < 1e-6] = 0  # rounding
        return self.center + self._scale * mean, self._scale * spread


def learn_recording_statistics(parts: Sequence[PartMoments], std: Doubles) -> RecordingStatistics:
    """How much level and spread differ between recordings, and between a recording and its parts.

    std: of the training rows [channels].
    """
    lengths = np.array([each.rows for each in parts])
    rows = int(lengths[lengths >= LEAST_WHOLE * np.median(lengths)].min())
    centers = np.array([each.center for each in parts])
    spreads = np.array([each.spread for each in parts])
    present = np.array([each.present for each in parts])
    moving = spreads > 1e-6 * np.maximum(np.abs(centers), std)
    logs = np.log(np.where(moving, spreads, 1.0))
    count = np.maximum(moving.sum(axis=0), 1)
    log_scale = (logs * moving).sum(axis=0) / count
    center_within, scale_within = _within(parts)
    return RecordingStatistics(
        rows=max(rows, 1),
        log_scale=_numbers(log_scale),
        center_between=_numbers(_variance(centers, present, PRIOR_VARIANCE * std**2)),
        center_within=_numbers(center_within),
        scale_between=_numbers(_variance(logs, moving, np.full(len(std), PRIOR_VARIANCE))),
        scale_within=_numbers(scale_within),
    )


def _variance(values: Doubles, present: NDArray[np.bool_], prior: Doubles) -> Doubles:
    count = present.sum(axis=0)
    mean = (values * present).sum(axis=0) / np.maximum(count, 1)
    squares = (np.square(values - mean) * present).sum(axis=0)
    variance: Doubles = (squares + PRIOR_RECORDINGS * prior) / (np.maximum(count - 1, 0) + PRIOR_RECORDINGS)
    return variance


def _within(parts: Sequence[PartMoments]) -> tuple[Doubles, Doubles]:
    """Variances of a part's centre and log scale around its recording's, over 1/rows of the part − 1/rows of all."""
    centers, scales = [], []
    for each in parts:
        for share in SHARES:
            length = max(int(share * each.rows), 1)
            first = np.unique(np.linspace(0, each.rows - length, POSITIONS).astype(np.int64))
            center, spread = each.of(first, first + length)
            lacking = 1 / length - 1 / each.rows
            if lacking <= 0:
                continue
            ratio = np.where(each.spread > 0, spread / np.where(each.spread > 0, each.spread, 1), 1.0)
            error = np.clip(np.log(np.maximum(ratio, 1e-9)), -LARGEST_LOG_ERROR, LARGEST_LOG_ERROR)
            centers.append(np.square(center - each.center).mean(axis=0) / lacking)
            scales.append(np.square(error).mean(axis=0) / lacking)
    if not centers:
        nothing = np.zeros(len(parts[0].center))
        return nothing, nothing
    return np.mean(centers, axis=0), np.mean(scales, axis=0)


def _numbers(values: Doubles) -> tuple[float, ...]:
    return tuple(values.tolist())
