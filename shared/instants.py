"""Probabilities of instants, block by block ► one segment of one row for each event.

Training makes an event a triangle of 2 half_width + 1 rows. The evidence for "some event" is summed as widely, as a
share of a perfect event's sum (a matched filter: times come out 4 ms off at 90 Hz, those of the highest row 15 ms). Its
peaks, at least a spacing apart, are the events; the label is the one with the most probability in the inner half.
"""

import bisect
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.calibration import calibrate, log_probabilities
from shared.model_card import InstantHead
from shared.segments import Segment

Floats = NDArray[np.float32]
OPEN_PEAKS = 1 << 15  # peaks that may wait for their taller neighbours; beyond that the first half is settled


class Peak(NamedTuple):
    """A local maximum of the smoothed evidence."""

    row: int
    height: float
    column: int
    score: float


class InstantDecoder:
    """Decodes one head of instants. Takes rows in order; keeps a few rows of context and the peaks."""

    def __init__(self, head: InstantHead, open_peaks: int = OPEN_PEAKS) -> None:
        self._head = head
        self._open_peaks = open_peaks
        self._reach = head.half_width
        self._behind = self._reach + 1  # rows that the first undecided row looks back to
        self._ahead = 3 * self._reach + 2  # rows that a row waits for: the filter, and the width of a flat top
        self._rows = _padding(self._behind, 1 + len(head.labels))
        self._next = 0  # first undecided row; the rows kept begin `behind` rows before it
        self._taken = 0
        self._open: list[Peak] = []
        self._segments: list[Segment] = []
        self._sure = 0.0

    def add(self, probabilities: Floats) -> None:
        """Take the next rows' uncalibrated probabilities [rows, columns]."""
        calibrated = calibrate(log_probabilities(probabilities), self._head.calibration)
        self._sure += float(calibrated.max(axis=1).sum(dtype=np.float64))
        self._taken += len(probabilities)
        self._decide(probabilities)

    def finish(self) -> list[Segment]:
        """Events of all rows taken, in order."""
        self._decide(_padding(self._ahead, self._rows.shape[1]))
        self._close(self._open)
        self._open = []
        return self._segments

    @property
    def sure(self) -> float:
        """Sum over the rows taken so far of the largest calibrated probability."""
        return self._sure

    def _decide(self, probabilities: Floats) -> None:
        self._rows = np.concatenate([self._rows, probabilities])
        ready = len(self._rows) - self._behind - self._ahead
        if ready <= 0:
            return
        self._open += self._peaks(ready)
        self._next += ready
        self._rows = self._rows[ready:].copy()
        self._close_separate()

    def _peaks(self, ready: int) -> list[Peak]:
        """Peaks among the next `ready` undecided rows."""
        reach, widest = self._reach, 2 * self._reach + 3
        evidence = 1.0 - self._rows[:, 0].astype(np.float64)
        window = np.full(2 * reach + 1, 1 / (reach + 1))
        smooth = np.convolve(evidence, window, "valid").round(9)  # [0]: row next − 1; rounded: flat tops stay flat
        if self._next == 0:
            smooth[0] = -1.0  # whatever the first row begins with counts as rising
        here, before, after = smooth[1 : ready + 1], smooth[:ready], smooth[2 : ready + 2]
        tops = 1 + np.flatnonzero((here > before) & (here >= after) & (here >= min(self._head.threshold)))
        if not len(tops):
            return []
        changes = np.append(1 + np.flatnonzero(smooth[1:] != smooth[:-1]), len(smooth))
        ends = changes[np.searchsorted(changes, tops, side="right")]  # a flat top counts as one peak at its middle
        rises = (ends - tops < widest) & (smooth[np.minimum(ends, len(smooth) - 1)] > smooth[tops])
        tops, widths = tops[~rises], np.minimum(ends - tops, widest)[~rises]
        rows = np.minimum(self._next + tops - 1 + (widths - 1) // 2, self._taken - 1)
        return self._labelled(rows, smooth[tops])

    def _labelled(self, rows: NDArray[np.int64], heights: NDArray[np.float64]) -> list[Peak]:
        """Peaks at `rows`, high enough for their likeliest label, with its calibrated probability at the row."""
        places, inner = rows - self._next + self._behind, self._reach // 2
        around = self._rows[places[:, None] + np.arange(-inner, inner + 1), 1:]
        columns = 1 + around.sum(axis=1, dtype=np.float64).argmax(axis=1)
        calibrated = calibrate(log_probabilities(self._rows[places]), self._head.calibration)
        scores = np.minimum(calibrated[np.arange(len(rows)), columns], 1.0)
        enough = heights >= np.asarray(self._head.threshold)[columns - 1]
        found = zip(rows.tolist(), heights.tolist(), columns.tolist(), scores.tolist(), enough.tolist(), strict=True)
        return [Peak(row, height, column, score) for row, height, column, score, high in found if high]

    def _close_separate(self) -> None:
        """Close the open peaks that nothing later can reach."""
        apart = max(self._head.spacing)
        last = len(self._open)
        edge = self._next
        while last and edge - self._open[last - 1].row < apart:
            edge = self._open[last - 1].row
            last -= 1
        if len(self._open) - last > self._open_peaks:
            last = len(self._open) - self._open_peaks // 2
        self._close(self._open[:last])
        self._open = self._open[last:]

    def _close(self, peaks: list[Peak]) -> None:
        """Keep the tallest peaks, and of the others those that are far enough from every taller one kept."""
        for peak in _spaced(peaks, self._head.spacing):
            label = self._head.labels[peak.column - 1]
            self._segments.append(Segment(peak.row, peak.row, label, peak.score, instant=True))


def _spaced(peaks: list[Peak], spacing: tuple[int, ...]) -> list[Peak]:
    if all(right.row - left.row >= max(spacing) for left, right in pairwise(peaks)):
        return peaks
    rows: list[int] = []
    kept: list[Peak] = []
    for peak in sorted(peaks, key=lambda each: (-each.height, each.row)):
        place, apart = bisect.bisect(rows, peak.row), spacing[peak.column - 1]
        if not any(abs(row - peak.row) < apart for row in rows[max(place - 1, 0) : place + 1]):
            rows.insert(place, peak.row)
            kept.append(peak)
    return sorted(kept, key=lambda each: each.row)


def _padding(rows: int, columns: int) -> Floats:
    """Rows outside the recording: background for certain."""
    padding = np.zeros((rows, columns), np.float32)
    padding[:, 0] = 1.0
    return padding
