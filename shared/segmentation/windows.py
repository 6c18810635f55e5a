"""Sliding windows over a recording and the mean of their overlaps, streamed: the same for training and serving."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shared.segmentation.normalisation import around_center

BLOCK_WINDOWS = 16  # windows a forward pass: all at once cost 1.9x the time and 783 MB on 1e5 rows, fewer cost overhead

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def window_starts(rows: int, length: int, stride: int) -> Rows:
    """First row of every window: 0, stride, 2 stride, …, and at last rows − length, so that all rows are covered.

    A series shorter than a window is one window of its own length; one without rows has none.
    """
    if rows <= 0:
        return np.zeros(0, np.int64)
    last = max(rows - length, 0)
    starts = np.arange(0, last + 1, stride, dtype=np.int64)
    return starts if starts[-1] == last else np.append(starts, last)


def window_blocks(
    values: NDArray[np.float64], center: NDArray[np.float64], length: int, stride: int, block: int = BLOCK_WINDOWS
) -> Iterator[Floats]:
    """Windows of a recording, `block` at a time, in order: float32 [windows, min(length, rows), channels].

    values: float64 [rows, channels]; center: [channels]. Every row is centred once a block, missing cells become 0.
    """
    length = min(length, len(values))
    starts = window_starts(len(values), length, stride)
    for position in range(0, len(starts), block):
        some = starts[position : position + block]
        first = int(some[0])
        rows = around_center(values[first : int(some[-1]) + length], center)
        yield np.stack([rows[start : start + length] for start in (some - first).tolist()])


class OverlapMean:
    """Averages what windows say about the rows that they share; rows leave as soon as no later window covers them."""

    def __init__(self, rows: int, length: int, stride: int) -> None:
        self._length = min(length, rows)
        self._starts = window_starts(rows, self._length, stride)
        self._seen = 0
        self._means = RowMeans()

    def add(self, probabilities: Floats) -> Floats:
        """Take the next windows' probabilities [windows, length, classes]; give the rows now final [k, classes]."""
        starts = self._starts[self._seen : self._seen + len(probabilities)]
        self._seen += len(probabilities)
        more = self._seen < len(self._starts)
        return self._means.add(
            starts, probabilities, int(self._starts[self._seen] if more else starts[-1] + self._length)
        )


class RowMeans:
    """Sums of what windows say about rows that have not left yet."""

    def __init__(self) -> None:
        self._first = 0  # row that the carried sums begin with
        self._sums: Floats | None = None
        self._counts: Floats = np.zeros(0, np.float32)

    def add(self, starts: Rows, probabilities: Floats, final: int) -> Floats:
        """Take probabilities [windows, length, classes] of windows that start at these rows, in order.

        Gives the means of the rows before `final` that have not left yet [k, classes]; what later windows say of those
        is ignored.
        """
        length, classes = probabilities.shape[1:]
        end = max(int(starts[-1]) + length, self._first + len(self._counts))
        sums = np.zeros((end - self._first, classes), np.float32)
        counts = np.zeros(end - self._first, np.float32)
        if self._sums is not None:
            sums[: len(self._sums)] = self._sums
            counts[: len(self._counts)] = self._counts
        places = np.maximum(starts - self._first, 0)
        for place, start, window in zip(places.tolist(), starts.tolist(), probabilities, strict=True):
            sums[place : start + length - self._first] += window[place + self._first - start :]
        change = np.zeros(len(counts) + 1, np.float32)
        np.add.at(change, places, 1)
        np.subtract.at(change, starts - self._first + length, 1)
        counts += np.cumsum(change[:-1])

        ready = final - self._first
        self._sums, self._counts, self._first = sums[ready:].copy(), counts[ready:].copy(), final
        mean: Floats = sums[:ready] / counts[:ready, None]
        return mean
