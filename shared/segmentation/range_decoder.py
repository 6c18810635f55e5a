"""Probabilities of ranges, block by block ► segments: most likely label a row, least durations, borders, what
recordings are made of, scores.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import RangeHead
from shared.segmentation.duration_filter import Counts, Doubles, LabelRuns, filter_runs, joined, snap_borders, sure_from
from shared.segmentation.label_sequence_prior import (
    MOST_GROUPS,
    louder,
    prior_for,
    relabel,
    relabel_joined,
)
from shared.segmentation.scores import calibrate, log_probabilities

Floats = NDArray[np.float32]
OPEN_RUNS = 1 << 15  # runs kept open, 10 MiB while they are settled; beyond that the first half is settled
MOST_PARTS = 256  # blocks whose runs stand apart: joined now and then, a long recording of few runs stays small


class Groups(NamedTuple):
    """Stretches of rows under one class each, in order; neighbours may have the same one.

    logs: what the rows of each, and the rest of the recording, say of each class [groups, classes], in units of a
    row's log probability.
    """

    classes: Counts
    lengths: Counts  # rows
    logs: Doubles


class RangeDecoder:
    """Decodes one head of ranges. Takes rows in order and keeps sums a run, never the rows."""

    def __init__(self, head: RangeHead, open_runs: int = OPEN_RUNS) -> None:
        self._head = head
        self._open_runs = open_runs
        self._parts: list[LabelRuns] = []
        self._count = 0  # runs in the parts
        self._row = 0  # first row of the parts
        self._segments: list[Segment] = []
        self._sure = 0.0
        self._margin = 0.0  # LabelRuns.margin of the runs given out …
        self._mean_margin = 0.0  # … and of all runs so far, by row
        none = np.zeros(0, np.int64)
        self._before = Groups(none, none, np.zeros((0, 1 + len(head.labels))))  # given out, as their rows favour

    def add(self, probabilities: Floats) -> None:
        """Take the next rows' uncalibrated probabilities [rows, classes]."""
        logs = log_probabilities(probabilities)
        classes = probabilities.argmax(axis=1)
        bounds = np.concatenate([[0], np.flatnonzero(classes[1:] != classes[:-1]) + 1, [len(classes)]])
        starts, lengths = bounds[:-1], bounds[1:] - bounds[:-1]
        self._parts.append(LabelRuns(classes[starts], lengths, _sums(logs, starts)))
        self._count += len(starts)
        if self._count > self._open_runs or len(self._parts) > MOST_PARTS:
            self._settle()

    def finish(self) -> list[Segment]:
        """Segments of all rows taken, in order; background is left out."""
        if self._parts:
            given_out = len(self._before.classes) > 0
            self._close(self._relabelled(self._filtered()) if given_out else self.groups())
            self._parts, self._count = [], 0
        return self._segments

    def groups(self) -> Groups:
        """What `finish` makes segments of: all rows taken, unless so many runs stood open that some were settled."""
        found = self._filtered()
        prior = self._head.label_sequence_prior
        if prior is None or self._row:
            return found
        factor = louder(self._mean_margin)
        logs = factor * found.logs
        relabelled = relabel_joined(logs, found.classes, found.lengths, prior)
        if relabelled is None:
            prior = prior_for(prior, int(found.lengths.sum()), len(found.classes))
            if prior is None:
                return found
            relabelled = relabel(logs, found.classes, prior)
        return Groups(relabelled.classes, found.lengths, relabelled.logs / factor)

    def settled(self, wait: int) -> list[Segment]:
        """Segments of groups that ended at least `wait` rows ago, each given once; later rows do not change them.

        The label-sequence prior sees what came before, and nothing of what comes after.
        """
        if not self._parts:
            return []
        runs = joined(self._parts)
        starts, classes = self._starts(runs)
        rows = runs.rows_before
        ended = sum(rows[start] <= rows[-1] - wait for start in starts[1:].tolist())
        if ended:
            groups = _means(runs.grouped(starts, classes))
            self._close(self._relabelled(_some(groups, slice(ended))))
            self._margin += _part(runs, 0, int(starts[ended])).margin
            runs, classes = _part(runs, int(starts[ended]), len(runs)), classes[ended:]
        if len(classes) == 1:
            runs = self._joined_but(runs, int(classes[0]), wait)
        self._parts, self._count = [runs], len(runs)
        found, self._segments = self._segments, []
        return found

    def _joined_but(self, runs: LabelRuns, class_index: int, wait: int) -> LabelRuns:
        """A group that goes on, of which all but its last `wait` rows become one run, so that it does not grow."""
        first = int(np.searchsorted(runs.rows_before, runs.rows_before[-1] - wait, side="right")) - 1
        if first < 2 or runs.rows_before[first] < self._head.min_rows[class_index]:
            return runs
        old = _part(runs, 0, first).grouped(np.zeros(1, np.int64), np.array([class_index]))
        return joined([old, _part(runs, first, len(runs))])

    @property
    def open_row(self) -> int:
        """The first row that a segment not closed yet may begin with."""
        runs = joined(self._parts) if self._parts else None
        if runs is None:
            return self._row
        labelled = np.flatnonzero(runs.classes)
        return self._row + runs.rows_before[int(labelled[0]) if len(labelled) else -1]

    def _relabelled(self, groups: Groups) -> Groups:
        """Groups of a stream under the classes that fit what a recording may be made of, by all groups so far.

        Looked back is as far as the longest known recording is long. A group that still goes on does not help: what
        little is known of it was worse than nothing (research/streaming.py).
        """
        prior = self._head.label_sequence_prior
        if prior is None:
            return groups
        together = _joined(self._before, groups)
        reach = int((np.cumsum(together.lengths[::-1]) <= prior.rows[1]).sum())
        count = max(min(reach, MOST_GROUPS), 1)
        self._before = _some(together, slice(-count, None))
        prior = prior_for(prior, int(self._before.lengths.sum()), count)
        if prior is None or count < len(groups.classes):
            return groups
        factor = louder(self._mean_margin)
        relabelled = relabel(factor * self._before.logs, self._before.classes, prior)
        own = slice(count - len(groups.classes), None)
        return Groups(relabelled.classes[own], groups.lengths, relabelled.logs[own] / factor)

    def _filtered(self) -> Groups:
        """Groups of all rows that stand open, as rows and least durations alone make them."""
        runs = joined(self._parts)
        starts, classes = self._starts(runs)
        return _means(runs.grouped(starts, classes))

    @property
    def found(self) -> int:
        """Segments so far, without those that still stand open."""
        return len(self._segments)

    @property
    def sure(self) -> float:
        """Sum over the segments decoded so far, background too, of score times rows."""
        return self._sure

    @property
    def clearness(self) -> float | None:
        """Mean score of the segments found; None without one."""
        scores = [segment.score for segment in self._segments]
        return sum(scores) / len(scores) if scores else None

    def _settle(self) -> None:
        """Join the parts; of too many open runs close the first half's groups but the last, which becomes one run."""
        runs = joined(self._parts)
        self._parts, self._count = [runs], len(runs)
        if self._count <= self._open_runs:
            return
        half = self._count // 2
        starts, classes = self._starts(runs)
        within = starts < half
        first = _part(runs, 0, half).grouped(starts[within], classes[within])
        self._close(_means(_part(first, 0, len(first) - 1)))
        self._margin += _part(first, 0, len(first) - 1).margin
        self._parts = [_part(first, len(first) - 1, len(first)), _part(runs, half, len(runs))]
        self._count = 1 + len(self._parts[1])

    def _starts(self, runs: LabelRuns) -> tuple[Counts, Counts]:
        self._mean_margin = (self._margin + runs.margin) / (self._row + runs.rows_before[-1])
        sure_by = sure_from(self._mean_margin)
        starts, classes = filter_runs(runs, self._head.min_rows, self._head.sure_rows, sure_by)
        return snap_borders(runs, starts, classes, self._head.min_rows), classes

    def _close(self, groups: Groups) -> None:
        calibrated = calibrate(groups.logs.astype(np.float32), self._head.calibration)
        scores = np.minimum(calibrated[np.arange(len(calibrated)), groups.classes].astype(np.float64), 1.0)
        self._sure += float(scores @ groups.lengths)
        ends = self._row + np.cumsum(groups.lengths)
        for class_index, length, end, score in zip(
            groups.classes.tolist(), groups.lengths.tolist(), ends.tolist(), scores.tolist(), strict=True
        ):
            if class_index:
                self._keep(Segment(end - length, end - 1, self._head.labels[class_index - 1], score))
        if len(ends):
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


def _means(groups: LabelRuns) -> Groups:
    return Groups(groups.classes, groups.lengths, groups.evidence / groups.lengths[:, None])


def _joined(one: Groups, other: Groups) -> Groups:
    return Groups(
        np.concatenate([one.classes, other.classes]),
        np.concatenate([one.lengths, other.lengths]),
        np.concatenate([one.logs, other.logs]),
    )


def _some(groups: Groups, which: slice) -> Groups:
    return Groups(groups.classes[which], groups.lengths[which], groups.logs[which])


def _part(runs: LabelRuns, first: int, end: int) -> LabelRuns:
    some = slice(first, end)
    return LabelRuns(runs.classes[some], runs.lengths[some], runs.evidence[some])
