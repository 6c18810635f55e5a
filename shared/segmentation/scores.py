"""Scores: probabilities that mean what they say, never used for decoding; how sure a model is of a whole recording, by
which Label Studio orders tasks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import Calibration
from shared.settings import TaskScore

BY_ROWS: tuple[TaskScore, ...] = ("margin", "entropy")  # computed from every row, not from segments
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


class TaskScorer:
    """Gathers one head's score, 0 (guessing) to 1 (sure), from blocks of rows."""

    def __init__(self, kind: TaskScore, calibration: Calibration) -> None:
        self._kind = kind
        self._calibration = calibration
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

    def score(self, segments: Sequence[Segment], sure: float) -> float:
        """The head's score, given its segments and the sum over rows of how likely the decoded class is right.

        mean: mean of that. min-segment: score of the least sure segment (without one: as mean).
        margin: mean lead of the likeliest class. entropy: 1 − mean entropy as a share of its largest value.
        """
        if self._kind == "min-segment" and segments:
            return min(segment.score for segment in segments)
        total = self._sum if self._kind in BY_ROWS else sure
        return min(max(total / max(self._rows, 1), 0.0), 1.0)
