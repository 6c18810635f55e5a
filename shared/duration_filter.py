"""Runs that are too short to be true join the neighbour that their rows speak for: shortest first.

The measured effect is the largest of all of decoding (segment F1@50 .77 ► .91 on one set, .43 ► .78 on another).
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Runs:
    """Stretches of rows with one most likely column each, in order, without gaps."""

    columns: Counts  # [runs]
    lengths: Counts  # [runs], rows
    evidence: Doubles  # [runs, columns], sums of log probabilities over a run's rows
    expected: Doubles  # [runs, columns], sums of calibrated probabilities over a run's rows

    def __len__(self) -> int:
        return len(self.columns)

    def grouped(self, starts: Counts, columns: Counts) -> "Runs":
        """One run for every group that begins at run `starts[i]`, under column `columns[i]`."""
        return Runs(
            columns,
            np.add.reduceat(self.lengths, starts),
            np.add.reduceat(self.evidence, starts, axis=0),
            np.add.reduceat(self.expected, starts, axis=0),
        )


def joined(parts: Sequence[Runs]) -> Runs:
    """Runs of consecutive stretches of a recording as one; neighbours with the same column become one run."""
    columns = np.concatenate([part.columns for part in parts])
    whole = Runs(
        columns,
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.evidence for part in parts]),
        np.concatenate([part.expected for part in parts]),
    )
    starts = _changes(columns)
    return whole if len(starts) == len(whole) else whole.grouped(starts, columns[starts])


def filter_runs(runs: Runs, least: Sequence[int]) -> tuple[Counts, Counts]:
    """Join runs shorter than `least` [rows, one a column] to a neighbour until none is left, or only one run.

    Shortest first, the leftmost of equals; to the neighbour whose column has the larger sum of log probabilities over
    the run's rows, the left one of equals. Returns the first run of every group and the group's column; neighbouring
    groups differ in column. O(R log R) for R runs.
    """
    short = np.flatnonzero(runs.lengths < np.asarray(least)[runs.columns])
    if not len(short):
        return np.arange(len(runs)), runs.columns
    return _Chain(runs, least).shortened(short.tolist())


class _Chain:
    """Runs as a linked list in which neighbours join."""

    def __init__(self, runs: Runs, least: Sequence[int]) -> None:
        count = len(runs)
        self._least = least
        self._columns: list[int] = runs.columns.tolist()
        self._lengths: list[int] = runs.lengths.tolist()
        self._evidence = runs.evidence.copy()
        self._starts = list(range(count))  # first run of the group that goes by this index
        self._left = list(range(-1, count - 1))
        self._right = [*range(1, count), -1]
        self._alive = [True] * count

    def shortened(self, short: list[int]) -> tuple[Counts, Counts]:
        heap = [(self._lengths[index], index) for index in short]
        heapq.heapify(heap)
        while heap:
            length, index = heapq.heappop(heap)
            if not self._alive[index] or self._lengths[index] != length:
                continue  # joined another since, and stands in the heap with its new length if it is still short
            left, right = self._left[index], self._right[index]
            if left < 0 and right < 0:
                break
            target = self._likelier(index, left, right)
            self._absorb(target, index)
            other = right if target == left else left
            if other >= 0 and self._columns[other] == self._columns[target]:
                self._absorb(target, other)
            if self._lengths[target] < self._least[self._columns[target]]:
                heapq.heappush(heap, (self._lengths[target], target))
        alive = [index for index, lives in enumerate(self._alive) if lives]
        return np.array([self._starts[i] for i in alive]), np.array([self._columns[i] for i in alive])

    def _likelier(self, index: int, left: int, right: int) -> int:
        if left < 0 or right < 0:
            return max(left, right)
        evidence = self._evidence[index]
        return left if evidence[self._columns[left]] >= evidence[self._columns[right]] else right

    def _absorb(self, target: int, index: int) -> None:
        left, right = self._left[index], self._right[index]
        if left >= 0:
            self._right[left] = right
        if right >= 0:
            self._left[right] = left
        self._alive[index] = False
        self._lengths[target] += self._lengths[index]
        self._evidence[target] += self._evidence[index]
        self._starts[target] = min(self._starts[target], self._starts[index])


def snap_borders(runs: Runs, starts: Counts, columns: Counts, least: Sequence[int]) -> Counts:
    """Move every border between two groups to the border of runs at which the evidence changes sides.

    A run that was too short lies wholly on one side of a border that it may belong behind: of all borders of runs
    within the two groups the one with the largest sum of log probabilities is taken, as long as both sides keep their
    least duration (or more than they had). Returns new first runs of the groups. O(R).
    """
    ends = np.cumsum(runs.lengths)
    snapped: list[int] = starts.tolist()
    bounds = [*snapped, len(runs)]
    for group in range(1, len(snapped)):
        before, after = int(columns[group - 1]), int(columns[group])
        first, border, last = snapped[group - 1], bounds[group], bounds[group + 1]
        if last - first == 2:
            continue
        gain = runs.evidence[first : last - 1, before] - runs.evidence[first : last - 1, after]
        row = ends[first : last - 1] - (ends[first - 1] if first else 0)  # rows before each possible border
        total = ends[last - 1] - (ends[first - 1] if first else 0)
        here = border - first - 1
        allowed = (row >= min(least[before], row[here])) & (total - row >= min(least[after], total - row[here]))
        score = np.where(allowed, np.cumsum(gain), -np.inf)
        best = int(score.argmax())
        if score[best] > score[here] + 1e-9:
            snapped[group] = first + best + 1
    return np.array(snapped, np.int64)


def _changes(columns: Counts) -> Counts:
    return np.concatenate([[0], np.flatnonzero(columns[1:] != columns[:-1]) + 1])
