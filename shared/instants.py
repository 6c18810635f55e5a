"""Probabilities of instants, block by block ► one segment of one row for each event.

The evidence for "some event" is smoothed as widely as training widened the events; its peaks, at least a spacing
apart, are the events; the label is the one with the largest share of the probability around the peak.
"""

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.calibration import calibrate, log_probabilities
from shared.model_card import InstantHead
from shared.segments import Segment

Floats = NDArray[np.float32]
OPEN_PEAKS = 100_000  # peaks that may wait for their taller neighbours; beyond that the first half is settled


@dataclass(frozen=True, slots=True)
class Peak:
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
        self._ahead = 3 * self._reach + 2  # rows that a row waits for: smoothing, and the width of a flat top
        columns = 1 + len(head.labels)
        self._rows, self._calibrated = _padding(self._behind, columns), _padding(self._behind, columns)
        self._next = 0  # first undecided row; the rows kept begin `behind` rows before it
        self._open: list[Peak] = []
        self._segments: list[Segment] = []
        self._sure = 0.0

    def add(self, probabilities: Floats) -> Floats:
        """Take the next rows' uncalibrated probabilities [rows, columns]; returns them calibrated."""
        calibrated = calibrate(log_probabilities(probabilities), self._head.calibration)
        self._sure += float(calibrated.max(axis=1).sum(dtype=np.float64))
        self._decide(probabilities, calibrated)
        return calibrated

    def finish(self) -> list[Segment]:
        """Events of all rows taken, in order."""
        padding = _padding(self._ahead, self._rows.shape[1])
        self._decide(padding, padding)
        self._close(self._open)
        self._open = []
        return self._segments

    @property
    def sure(self) -> float:
        """Sum over the rows taken so far of the largest calibrated probability."""
        return self._sure

    def _decide(self, probabilities: Floats, calibrated: Floats) -> None:
        self._rows = np.concatenate([self._rows, probabilities])
        self._calibrated = np.concatenate([self._calibrated, calibrated])
        ready = len(self._rows) - self._behind - self._ahead
        if ready <= 0:
            return
        self._open += self._peaks(ready)
        self._next += ready
        self._rows, self._calibrated = self._rows[ready:].copy(), self._calibrated[ready:].copy()
        self._close_separate()

    def _peaks(self, ready: int) -> list[Peak]:
        """Peaks among the next `ready` undecided rows."""
        reach, behind = self._reach, self._behind
        evidence = 1.0 - self._rows[:, 0].astype(np.float64)
        window = np.full(2 * reach + 1, 1 / (2 * reach + 1))
        smooth = np.convolve(evidence, window, "valid").round(9)  # [0]: row next − 1; rounded: flat tops stay flat
        here, before, after = smooth[1 : ready + 1], smooth[:ready], smooth[2 : ready + 2]
        rising = (here > before) & (here >= after) & (here >= min(self._head.threshold))
        found: list[Peak] = []
        for index in np.flatnonzero(rising).tolist():
            flat = smooth[index + 1 : index + 2 * reach + 4]  # a flat top counts as one peak at its middle
            lower = np.flatnonzero(flat != flat[0])
            if len(lower) and flat[lower[0]] > flat[0]:
                continue
            width = int(lower[0]) if len(lower) else len(flat)
            center = index + (width - 1) // 2
            around = slice(behind + center - reach, behind + center + reach + 1)
            column = 1 + int(self._rows[around, 1:].sum(axis=0).argmax())
            if flat[0] < self._head.threshold[column - 1]:
                continue
            score = float(self._calibrated[behind + center, column])
            found.append(Peak(self._next + center, float(flat[0]), column, min(score, 1.0)))
        return found

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
