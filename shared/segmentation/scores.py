"""Scores: probabilities that mean what they say, never used for decoding; how sure a model is of a whole recording, by
which Label Studio orders tasks.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import Calibration, Head, RangeHead, UsualCounts
from shared.settings import TaskScore

BY_ROWS: tuple[TaskScore, ...] = ("margin", "entropy")  # computed from every row, not from segments
UNUSUAL = 0.5  # by how much a logarithm falls for each standard deviation: .3 to 1 are level
LEAST = 1e-7  # least probability whose logarithm is taken: one row can't outweigh a segment

Floats = NDArray[np.float32]


def log_probabilities(probabilities: Floats) -> Floats:
    """Natural logarithm, with probabilities below 1e-7 taken as 1e-7."""
    logs: Floats = np.log(np.maximum(probabilities, np.float32(LEAST)))
    return logs


def calibrate(logs: Floats, calibration: Calibration) -> Floats:
    """softmax((logs + bias) / temperature) over the classes of one head.

    logs: [rows, classes], logarithms of averaged probabilities. Source: Guo et al. 2017, with a bias a class because
    class weights shift the prior.
    """
    scaled = np.array(logs.T, order="C")  # classes are few: sums over them are 20 times faster this way round
    if calibration.bias:
        scaled += np.asarray(calibration.bias, np.float32)[:, None]
    scaled /= np.float32(calibration.temperature)
    scaled -= scaled.max(axis=0)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=0)
    return scaled.T


def unusualness(counts: Sequence[int], rows: int, usual: UsualCounts) -> float:
    """How far the numbers of a recording's segments are from what is usual for its length: standard deviations (RMS).

    counts: of each label. A recording shorter than all known ones is a part: it meets each segment with the probability
    of its share of the rows; a longer one is several.
    """
    shortest, longest = usual.rows
    share = 1.0 if shortest <= rows <= longest else rows / usual.usual_rows
    mean = share * np.asarray(usual.mean)
    variance = min(share, share**2) * np.square(usual.deviation) + max(1 - share, 0) * mean
    return float(np.sqrt(np.mean(np.square(counts - mean) / variance))) if rows else 0.0


class Decoded(Protocol):
    """What a decoder knows of its whole recording.

    sure: sum over rows of how likely the decoded class is right. clearness: mean over its segments or events, 0 to 1;
    None without any.
    """

    @property
    def sure(self) -> float: ...

    @property
    def clearness(self) -> float | None: ...


class TaskScorer:
    """Gathers one head's score, 0 (guessing) to 1 (sure), from blocks of rows."""

    def __init__(self, kind: TaskScore, head: Head) -> None:
        self._kind = kind
        self._head = head
        self._calibration = head.calibration
        self._rows = 0
        self._sum = 0.0

    def add(self, probabilities: Floats) -> None:
        """Take the next rows' uncalibrated probabilities [rows, classes]."""
        self._rows += len(probabilities)
        if self._kind not in BY_ROWS:
            return
        calibrated = calibrate(log_probabilities(probabilities), self._calibration)
        if self._kind == "margin":
            top = np.partition(calibrated, -2, axis=1)
            self._sum += float(top[:, -1].sum(dtype=np.float64) - top[:, -2].sum(dtype=np.float64))
        else:
            entropy = -(calibrated * np.log(np.maximum(calibrated, 1e-12))).sum(dtype=np.float64)
            self._sum += len(calibrated) - float(entropy) / float(np.log(calibrated.shape[1]))

    def score(self, segments: Sequence[Segment], decoded: Decoded) -> float:
        """The head's score, given its segments.

        plausible: mean score of the segments, lowered where a label comes more or less often than is usual; for events
        how much of a perfect event's evidence speaks for one label (docs/quality.md). mean: of rows, how likely the
        decoded class is right. min-segment: score of the least sure segment (without one: as mean).
        margin: mean lead of the likeliest class. entropy: 1 − mean entropy as a share of its largest value.
        """
        if self._kind == "min-segment" and segments:
            return min(segment.score for segment in segments)
        total = self._sum if self._kind in BY_ROWS else decoded.sure
        found = min(max(total / max(self._rows, 1), 0.0), 1.0)
        return self._plausible(segments, decoded.clearness, found) if self._kind == "plausible" else found

    def _plausible(self, segments: Sequence[Segment], clearness: float | None, mean: float) -> float:
        found = mean if clearness is None else clearness
        if not isinstance(self._head, RangeHead) or self._head.usual_counts is None:
            return found
        numbers = Counter(segment.label for segment in segments)
        counts = [numbers[label] for label in self._head.labels]
        return found * float(np.exp(-UNUSUAL * unusualness(counts, self._rows, self._head.usual_counts)))
