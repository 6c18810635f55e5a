"""Probabilities of instants, block by block ► one segment of one row for each event.

The evidence for "some event" is summed as widely as training widened the events (a matched filter: times come out 4 ms
off at 90 Hz, those of the highest row 15 ms); its peaks, at least a spacing apart, are the events; the label is the one
with the most probability around the peak.
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
        self._ahead = 3 * self._reach + 2  # rows that a row waits for: the filter, and the width of a flat top
        self._rows = _padding(self._behind, 1 + len(head.labels))
        self._next = 0  # first undecided row; the rows kept begin `behind` rows before it
        self._taken = 0
        self._open: list[Peak] = []
        self._segments: list[Segment] = []
        self._sure = 0.0

    def add(self, probabilities: Floats) -> Floats:
        """Take the next rows' uncalibrated probabilities [rows, columns]; returns them calibrated."""
        calibrated = calibrate(log_probabilities(probabilities), self._head.calibration)
        self._sure += float(calibrated.max(axis=1).sum(dtype=np.float64))
        self._taken += len(probabilities)
        self._decide(probabilities)
        return calibrated

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
        reach, behind = self._reach, self._behind
        evidence = 1.0 - self._rows[:, 0].astype(np.float64)
        window = np.full(2 * reach + 1, 1 / (2 * reach + 1))
        smooth = np.convolve(evidence, window, "valid").round(9)  # [0]: row next − 1; rounded: flat tops stay flat
        if self._next == 0:
            smooth[0] = -1.0  # whatever the first row begins with counts as rising
        here, before, after = smooth[1 : ready + 1], smooth[:ready], smooth[2 : ready + 2]
        rising = (here > before) & (here >= after) & (here >= min(self._head.threshold))
        found: list[Peak] = []
        for index in np.flatnonzero(rising).tolist():
            flat = smooth[index + 1 : index + 2 * reach + 4]  # a flat top counts as one peak at its middle
            lower = np.flatnonzero(flat != flat[0])
            if len(lower) and flat[lower[0]] > flat[0]:
                continue
            width = int(lower[0]) if len(lower) else len(flat)
            row = min(self._next + index + (width - 1) // 2, self._taken - 1)
            place = behind + row - self._next
            mass = self._rows[place - reach : place + reach + 1].sum(axis=0, dtype=np.float64)
            column = 1 + int(mass[1:].argmax())
            if flat[0] < self._head.threshold[column - 1]:
                continue
            mass[0] -= max(reach - row, 0) + max(row + reach + 1 - self._taken, 0)  # rows outside the recording
            found.append(Peak(row, float(flat[0]), column, self._score(mass, column)))
        return found

    def _score(self, mass: NDArray[np.float64], column: int) -> float:
        mean = (mass / mass.sum()).astype(np.float32)[None]
        return min(float(calibrate(log_probabilities(mean), self._head.calibration)[0, column]), 1.0)

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


def around_event(probabilities: Floats, row: int, half_width: int) -> Floats:
    """Mean probabilities [columns] of the rows that count as the event at `row`: what its score is calibrated from."""
    mean: Floats = probabilities[max(row - half_width, 0) : row + half_width + 1].mean(axis=0)
    return mean


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
