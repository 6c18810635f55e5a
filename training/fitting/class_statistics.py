"""Statistics of the rows of each class: what tells of a part of a recording which level its other rows will have."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import ClassStatistics
from shared.segmentation.normalisation import BLOCK_ROWS, FLAT, moments, usual_limits
from training.data.annotations import Recording

LEAST_RECORDINGS = 2  # one does not show which differences are those of classes
PRIOR_VARIANCE = 0.01  # as in part_statistics.py, but of classes, which say more: .001 is level, .1 loses halves .004 …
PRIOR_RECORDINGS = 1.0  # … of `hapt` and .02 of quarters of `watch`

Doubles = NDArray[np.float64]


def learn_class_statistics(
    recordings: Sequence[Recording], mean: Doubles, std: Doubles, whole: int
) -> ClassStatistics | None:
    """Of the classes of the first head of ranges; None without one, and with fewer than two recordings.

    mean, std: of the training rows [channels]. whole: rows from which a recording is no part.
    """
    if not recordings or not recordings[0].kinds.heads or len(recordings) < LEAST_RECORDINGS:
        return None
    classes = 1 + len(recordings[0].kinds.heads[0])
    found = [_moments_of_classes(each, classes) for each in recordings]
    counts, centers, variances = (
        np.array(each) for each in zip(*found, strict=True)
    )  # [recordings, classes, channels]
    seen = counts > 0
    times = seen.sum(axis=0)
    center = np.where(times > 0, (centers * seen).sum(axis=0) / np.maximum(times, 1), mean)
    variance = np.where(times > 0, (variances * seen).sum(axis=0) / np.maximum(times, 1), np.square(std))
    between, within = _variances(centers - center, seen, PRIOR_VARIANCE * np.square(std))
    spreads = np.sqrt(variances)
    moving = seen & (spreads > FLAT * np.maximum(np.abs(centers), std))
    logs = np.log(np.where(moving, spreads, 1.0))
    usual = (logs * moving).sum(axis=0) / np.maximum(moving.sum(axis=0), 1)
    scale_between, scale_within = _variances(logs - usual, moving, np.full(len(std), PRIOR_VARIANCE))
    rows = np.array([_class_rows(each, classes) for each in recordings if each.rows >= whole])
    shares = (rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)).mean(axis=0)
    return ClassStatistics(
        share=tuple(shares.tolist()),
        center=tuple(map(tuple, center.tolist())),
        spread=tuple(map(tuple, np.sqrt(variance).tolist())),
        center_between=tuple(between.tolist()),
        center_within=tuple(within.tolist()),
        scale_between=tuple(scale_between.tolist()),
        scale_within=tuple(scale_within.tolist()),
    )


def _variances(differences: Doubles, seen: NDArray[np.bool_], prior: Doubles) -> tuple[Doubles, Doubles]:
    """Variance of what all classes of a recording differ by, and of what a class differs by beyond that: [channels].

    differences: from the mean of the class [recordings, classes, channels].
    """
    classes = seen.sum(axis=1)
    common = (differences * seen).sum(axis=1) / np.maximum(classes, 1)
    present = classes > 0
    recordings = present.sum(axis=0)
    rest = np.square(differences - common[:, None]) * seen
    free = seen.sum(axis=(0, 1)) - recordings - seen.any(axis=0).sum(axis=0) + 1
    squares = np.square(common * present).sum(axis=0)
    between: Doubles = (squares + PRIOR_RECORDINGS * prior) / (np.maximum(recordings - 1, 0) + PRIOR_RECORDINGS)
    within: Doubles = (rest.sum(axis=(0, 1)) + PRIOR_RECORDINGS * prior) / (np.maximum(free, 0) + PRIOR_RECORDINGS)
    noise = within * (present / np.maximum(classes, 1)).sum(axis=0) / np.maximum(recordings, 1)  # of a mean of classes
    return np.maximum(between - noise, 0.0), within


def _labels(recording: Recording, classes: int) -> NDArray[np.int64]:
    """The class of each row; `classes` where it is unknown."""
    return np.where(recording.known[:, 0], recording.labels[:, 0], classes).astype(np.int64)


def _class_rows(recording: Recording, classes: int) -> NDArray[np.int64]:
    return np.bincount(_labels(recording, classes), minlength=classes + 1)[:classes]


def _moments_of_classes(recording: Recording, classes: int) -> tuple[Doubles, Doubles, Doubles]:
    """Count, mean and variance of the values of each class [classes, channels]; absurd values are left out."""
    values, labels = recording.series.values, _labels(recording, classes)
    limits = usual_limits(values)
    level, _ = moments(values, np.zeros(values.shape[1]), limits)
    sums = np.zeros((3, classes + 1, values.shape[1]))  # count, sum, sum of squares around the recording's level
    for first in range(0, recording.rows, BLOCK_ROWS):
        block, own = values[first : first + BLOCK_ROWS], labels[first : first + BLOCK_ROWS]
        present = (block >= limits.low) & (block <= limits.high)
        around = np.where(present, np.where(present, block, 0.0) - level, 0.0)
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        for index, each in enumerate((present, around, around * around)):
            np.add.at(sums[index], own[starts], np.add.reduceat(each, starts, axis=0, dtype=float))
    count, total, squares = sums[:, :classes]
    mean = total / np.maximum(count, 1)
    return count, level + mean, np.maximum(squares / np.maximum(count, 1) - np.square(mean), 0.0)
