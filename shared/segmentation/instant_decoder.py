"""Probabilities of instants, block by block ► one segment of one row for each event.

Training makes an event a triangle of 2 half_width + 1 rows. The evidence for "some event" is summed as widely, as a
share of a perfect event's sum (a matched filter: times come out 4 ms off at 90 Hz, those of the highest row 15 ms). Its
peaks, at least a spacing apart, are the events; the label is the one with the most probability in the inner half, or
what fits the recording's other events best.
"""

import bisect
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import InstantHead
from shared.segmentation.event_labelling import LEAST_SHARE, label_events, with_gap_evidence
from shared.segmentation.scores import LEAST, calibrate, log_probabilities

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]
CONTEXT = 120  # events before one in a stream by which it is labelled: all blocks that hold it, and those beside them
OPEN_PEAKS = 1 << 15  # peaks that may wait for their taller neighbours; beyond that the first half is settled


class Peaks(NamedTuple):
    """Local maxima of the smoothed evidence, in order: one value of each array a peak."""

    rows: Rows
    heights: Doubles
    classes: Rows  # of the likeliest label, background being 0
    logs: Doubles  # log probability of each class at the row [peaks, classes]
    shares: Doubles  # log share of each label in the evidence around it [peaks, labels]

    @classmethod
    def none(cls, labels: int) -> Self:
        """No peaks."""
        rows = np.zeros(0, np.int64)
        return cls(rows, np.zeros(0), rows, np.zeros((0, 1 + labels)), np.zeros((0, labels)))

    def chosen(self, which: "slice | Rows | NDArray[np.bool_]") -> "Peaks":
        """Some of them."""
        return Peaks(self.rows[which], self.heights[which], self.classes[which], self.logs[which], self.shares[which])


def joined(parts: Sequence[Peaks]) -> Peaks:
    """Peaks of consecutive stretches of a recording as one."""
    return Peaks(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.heights for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.logs for part in parts]),
        np.concatenate([part.shares for part in parts]),
    )


class InstantDecoder:
    """Decodes one head of instants. Takes rows in order; keeps a few rows of context and the peaks."""

    def __init__(self, head: InstantHead, open_peaks: int = OPEN_PEAKS, given: Mapping[int, int] | None = None) -> None:
        """`given`: rows of events that people fixed ► index of their label."""
        self._given = given or {}
        self._head = head
        self._open_peaks = open_peaks
        self._reach = head.half_width
        self._behind = self._reach + 1  # rows that the first undecided row looks back to
        self._ahead = 3 * self._reach + 2  # rows that a row waits for: the filter, and the width of a flat top
        self._rows = _padding(self._behind, 1 + len(head.labels))
        self._next = 0  # first undecided row; the rows kept begin `behind` rows before it
        self._taken = 0
        self._none = Peaks.none(len(head.labels))
        self._open = self._none
        self._kept: list[Peaks] = []
        self._count = 0  # of peaks closed
        self._given_out = 0  # of these by `settled`
        self._sure = 0.0
        self._clear = 0.0

    def add(self, probabilities: Floats) -> None:
        """Take the next rows' uncalibrated probabilities [rows, classes]."""
        calibrated = calibrate(log_probabilities(probabilities), self._head.calibration)
        self._sure += float(calibrated.max(axis=1).sum(dtype=np.float64))
        self._taken += len(probabilities)
        self._decide(probabilities)

    def finish(self) -> list[Segment]:
        """Events of all rows taken that `settled` has not given, in order."""
        events = self.events()
        return self._segments(events.chosen(self._fresh(events)))

    def settled(self, wait: int) -> list[Segment]:
        """Events at least `wait` rows ago that no taller one can replace any more, each given once.

        Labelled together with those before them, of which CONTEXT are kept.
        """
        self._close_before(self._next - max(wait, *self._head.spacing))
        peaks = joined([self._none, *self._kept])
        fresh = self._fresh(peaks)
        self._given_out = self._count
        self._kept = [peaks.chosen(slice(-CONTEXT, None))]
        return self._segments(self._labelled_together(peaks).chosen(fresh)) if len(peaks.rows[fresh]) else []

    def _fresh(self, peaks: Peaks) -> slice:
        """Those of the peaks kept that were not given out."""
        return slice(len(peaks.rows) - (self._count - self._given_out), None)

    def _segments(self, events: Peaks) -> list[Segment]:
        labels = self._head.labels
        if len(events.rows):
            self._clear += float(np.minimum(events.heights, 1.0) @ np.exp(events.shares.max(axis=1)))
        calibrated = calibrate(events.logs.astype(np.float32), self._head.calibration)
        scores = np.minimum(calibrated[np.arange(len(calibrated)), events.classes].astype(np.float64), 1.0)
        return [
            Segment(row, row, labels[class_index - 1], score, True)
            for row, class_index, score in zip(
                events.rows.tolist(), events.classes.tolist(), scores.tolist(), strict=True
            )
        ]

    def events(self) -> Peaks:
        """What `finish` makes segments of; no rows can be added after it."""
        self._decide(_padding(self._ahead, self._rows.shape[1]))
        self._close(self._open)
        self._open = self._none
        peaks = joined([self._none, *self._kept])
        self._kept = [peaks]
        return self._as_given(self._labelled_together(peaks)) if len(peaks.rows) else peaks

    def _labelled_together(self, peaks: Peaks) -> Peaks:
        """Peaks under the labels that fit together, where the head has learned what fits."""
        if not self._head.event_label_prior or not len(peaks.rows):
            return peaks
        shares = peaks.shares
        if self._head.event_gaps:
            shares = with_gap_evidence(shares, peaks.rows, self._head.event_gaps)
        together = label_events(shares, self._head.event_label_prior, self._head.event_labelling)
        some = np.log(np.maximum(-np.expm1(peaks.logs[:, :1]), LEAST))
        logs = np.concatenate([peaks.logs[:, :1], some + together.logs], axis=1)
        return peaks._replace(classes=1 + together.labels, logs=logs)

    def _as_given(self, peaks: Peaks) -> Peaks:
        """Peaks with those that people fixed at the rows and under the labels that they gave them.

        That changes no other event's label: tried as evidence for the others, it set none right and some wrong
        (research/corrections.py).
        """
        if not self._given:
            return peaks
        rows, classes = peaks.rows.copy(), peaks.classes.copy()
        for row, label in self._given.items():
            nearest = int(np.abs(peaks.rows - row).argmin())
            if abs(int(peaks.rows[nearest]) - row) <= self._reach:
                rows[nearest], classes[nearest] = row, 1 + label
        return peaks._replace(rows=rows, classes=classes)

    @property
    def open_row(self) -> int:
        """The first row that an event not closed yet may be at."""
        return int(self._open.rows[0]) if len(self._open.rows) else self._next

    @property
    def found(self) -> int:
        """Events so far, without those that still wait for their neighbours."""
        return self._count

    @property
    def sure(self) -> float:
        """Sum over the rows taken so far of the largest calibrated probability."""
        return self._sure

    @property
    def clearness(self) -> float | None:
        """Mean share of a perfect event's evidence that speaks for one label, of the events given; None without one."""
        return self._clear / self._count if self._count else None

    def _decide(self, probabilities: Floats) -> None:
        self._rows = np.concatenate([self._rows, probabilities])
        ready = len(self._rows) - self._behind - self._ahead
        if ready <= 0:
            return
        self._open = joined([self._open, self._peaks(ready)])
        self._next += ready
        self._rows = self._rows[ready:].copy()
        self._close_separate()

    def _peaks(self, ready: int) -> Peaks:
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
            return self._none
        changes = np.append(1 + np.flatnonzero(smooth[1:] != smooth[:-1]), len(smooth))
        ends = changes[np.searchsorted(changes, tops, side="right")]  # a flat top counts as one peak at its middle
        rises = (ends - tops < widest) & (smooth[np.minimum(ends, len(smooth) - 1)] > smooth[tops])
        tops, widths = tops[~rises], np.minimum(ends - tops, widest)[~rises]
        rows = np.minimum(self._next + tops - 1 + (widths - 1) // 2, self._taken - 1)
        return self._labelled(rows, smooth[tops])

    def _labelled(self, rows: Rows, heights: Doubles) -> Peaks:
        """Peaks at `rows`, high enough for their likeliest label."""
        places, inner = rows - self._next + self._behind, self._reach // 2
        around = self._rows[places[:, None] + np.arange(-inner, inner + 1), 1:]
        evidence = around.sum(axis=1, dtype=np.float64)
        classes = 1 + evidence.argmax(axis=1)
        shares = np.log(np.maximum(evidence / np.maximum(evidence.sum(axis=1, keepdims=True), LEAST), LEAST_SHARE))
        logs = log_probabilities(self._rows[places]).astype(np.float64)
        enough = heights >= np.asarray(self._head.threshold)[classes - 1]
        return Peaks(rows, heights, classes, logs, shares).chosen(enough)

    def _close_separate(self) -> None:
        """Close the open peaks that nothing later can reach."""
        count = len(self._open.rows)
        apart = np.flatnonzero(np.diff(self._open.rows, append=self._next) >= max(self._head.spacing))
        last = int(apart[-1]) + 1 if len(apart) else 0
        if count - last > self._open_peaks:
            last = count - self._open_peaks // 2
        self._close_first(last)

    def _close_before(self, row: int) -> None:
        """Close the open peaks before a row, even where later ones are near."""
        self._close_first(int(np.searchsorted(self._open.rows, row)))

    def _close_first(self, last: int) -> None:
        self._close(self._open.chosen(slice(last)))
        self._open = self._open.chosen(slice(last, None))

    def _close(self, peaks: Peaks) -> None:
        """Keep the tallest peaks, and of the others those that are far enough from every taller one kept."""
        if len(peaks.rows):
            self._kept.append(peaks.chosen(_spaced(peaks, self._head.spacing)))
            self._count += len(self._kept[-1].rows)


def _spaced(peaks: Peaks, spacing: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which peaks stay. Only those with a neighbour nearer than the largest spacing have to be looked at one by one."""
    near = np.diff(peaks.rows) < max(spacing)
    keep = np.ones(len(peaks.rows), bool)
    keep[1:] &= ~near
    keep[:-1] &= ~near
    crowded = np.flatnonzero(~keep)
    crowded = crowded[np.lexsort((peaks.rows[crowded], -peaks.heights[crowded]))]
    rows: list[int] = []
    stay = []
    classes = peaks.classes[crowded].tolist()
    for peak, row, class_index in zip(crowded.tolist(), peaks.rows[crowded].tolist(), classes, strict=True):
        place, apart = bisect.bisect(rows, row), spacing[class_index - 1]
        if (place and row - rows[place - 1] < apart) or (place < len(rows) and rows[place] - row < apart):
            continue
        rows.insert(place, row)
        stay.append(peak)
    keep[stay] = True
    return keep


def _padding(rows: int, classes: int) -> Floats:
    """Rows outside the recording: background for certain."""
    padding = np.zeros((rows, classes), np.float32)
    padding[:, 0] = 1.0
    return padding
