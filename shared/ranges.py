"""Probabilities of ranges, block by block ► segments: most likely label a row, least durations, borders, scores."""

import numpy as np
from numpy.typing import NDArray

from shared.calibration import calibrate, log_probabilities
from shared.duration_filter import Counts, Runs, filter_runs, joined, snap_borders
from shared.model_card import RangeHead
from shared.segments import Segment

Floats = NDArray[np.float32]
OPEN_RUNS = 1 << 15  # runs kept open, 10 MiB while they are settled; beyond that the first half is settled
MOST_PARTS = 256  # blocks whose runs stand apart: joined now and then, a long recording of few runs stays small


class RangeDecoder:
    """Decodes one head of ranges. Takes rows in order and keeps sums a run, never the rows."""

    def __init__(self, head: RangeHead, open_runs: int = OPEN_RUNS) -> None:
        self._head = head
        self._open_runs = open_runs
        self._parts: list[Runs] = []
        self._count = 0  # runs in the parts
        self._row = 0  # first row of the parts
        self._segments: list[Segment] = []
        self._sure = 0.0

    def add(self, probabilities: Floats) -> Floats:
        """Take the next rows' uncalibrated probabilities [rows, columns]; returns them calibrated."""
        logs = log_probabilities(probabilities)
        calibrated = calibrate(logs, self._head.calibration)
        columns = probabilities.argmax(axis=1)
        bounds = np.concatenate([[0], np.flatnonzero(columns[1:] != columns[:-1]) + 1, [len(columns)]])
        starts, lengths = bounds[:-1], bounds[1:] - bounds[:-1]
        self._parts.append(Runs(columns[starts], lengths, _sums(logs, starts), _sums(calibrated, starts)))
        self._count += len(starts)
        if self._count > self._open_runs or len(self._parts) > MOST_PARTS:
            self._settle()
        return calibrated

    def finish(self) -> list[Segment]:
        """Segments of all rows taken, in order; background is left out."""
        if self._parts:
            runs = joined(self._parts)
            starts, columns = self._groups(runs)
            self._close(runs.grouped(starts, columns))
            self._parts, self._count = [], 0
        return self._segments

    @property
    def sure(self) -> float:
        """Sum over the rows decoded so far of the calibrated probability of their decoded column."""
        return self._sure

    def _settle(self) -> None:
        """Join the parts; of too many open runs close the first half's groups but the last, which becomes one run."""
        runs = joined(self._parts)
        self._parts, self._count = [runs], len(runs)
        if self._count <= self._open_runs:
            return
        half = self._count // 2
        starts, columns = self._groups(runs)
        within = starts < half
        first = _part(runs, 0, half).grouped(starts[within], columns[within])
        self._close(_part(first, 0, len(first) - 1))
        self._parts = [_part(first, len(first) - 1, len(first)), _part(runs, half, len(runs))]
        self._count = 1 + len(self._parts[1])

    def _groups(self, runs: Runs) -> tuple[Counts, Counts]:
        starts, columns = filter_runs(runs, self._head.min_rows)
        return snap_borders(runs, starts, columns, self._head.min_rows), columns

    def _close(self, groups: Runs) -> None:
        expected = groups.expected[np.arange(len(groups)), groups.columns]
        self._sure += float(expected.sum())
        ends = self._row + np.cumsum(groups.lengths)
        for column, length, end, sure in zip(
            groups.columns.tolist(), groups.lengths.tolist(), ends.tolist(), expected.tolist(), strict=True
        ):
            if column:
                score = min(sure / length, 1.0)
                self._keep(Segment(end - length, end - 1, self._head.labels[column - 1], score))
        if len(groups):
            self._row = int(ends[-1])

    def _keep(self, segment: Segment) -> None:
        """Add a segment, or extend the last one where what stood open between them took its label."""
        last = self._segments[-1] if self._segments else segment
        if last.label != segment.label or last.last + 1 != segment.first:
            self._segments.append(segment)
            return
        before, after = last.last + 1 - last.first, segment.last + 1 - segment.first
        score = (last.score * before + segment.score * after) / (before + after)
        self._segments[-1] = Segment(last.first, segment.last, segment.label, score)


def _sums(rows: Floats, starts: Counts) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.add.reduceat(rows, starts, axis=0, dtype=np.float64)
    return sums


def _part(runs: Runs, first: int, end: int) -> Runs:
    some = slice(first, end)
    return Runs(runs.columns[some], runs.lengths[some], runs.evidence[some], runs.expected[some])
