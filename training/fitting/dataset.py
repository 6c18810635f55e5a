"""Labelled recordings ► normalised rows and their targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray

from shared.model_file.card import Head, InstantHead, RecordingStatistics
from shared.segmentation.normalisation import around_center, missing, recording_statistics
from training.data.annotations import UNKNOWN, Recording
from training.fitting.class_statistics import learn_class_statistics
from training.fitting.part_statistics import PartMoments, learn_recording_statistics

LIMIT = 10.0  # standard deviations at which rows are clipped: a spike must not decide a window
FLAT = 1e-6  # a spread below this share of the level is rounding noise of the files, not a signal

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Level and spread of every channel over the training rows: float64 [channels].

    recording: how those of a recording are taken.
    """

    mean: Doubles
    std: Doubles
    recording: RecordingStatistics | None = None

    @property
    def channels(self) -> int:
        return len(self.mean)


def recording_weights(recordings: Sequence[Recording], longest: float) -> Doubles:
    """How much each recording counts, in rows: its own, at most `longest` medians."""
    rows = np.array([recording.rows for recording in recordings], float)
    weights: Doubles = np.minimum(rows, longest * np.median(rows))
    return weights


def training_statistics(recordings: Sequence[Recording], longest: float) -> Statistics:
    """Mean and standard deviation of the channels over all recordings, each weighted by `recording_weights`.

    A channel that no recording has values of gets 0 and 1; a constant one gets 1 as its spread.
    """
    weights = recording_weights(recordings, longest)[:, None]
    parts = [PartMoments(recording.series.values) for recording in recordings]
    centers, spreads = np.array([each.center for each in parts]), np.array([each.spread for each in parts])
    present = np.array([(~missing(each.series.values)).any(axis=0) for each in recordings]) * weights
    total = np.maximum(present.sum(axis=0), 1e-300)
    mean = (centers * present).sum(axis=0) / total
    variance = ((np.square(spreads) + np.square(centers - mean)) * present).sum(axis=0) / total
    std = np.sqrt(variance)
    std = np.where((std > FLAT * np.abs(mean)) & (std > np.finfo(np.float32).tiny), std, 1.0)
    how = learn_recording_statistics(parts, std)
    return Statistics(mean, std, with_fields(how, classes=learn_class_statistics(recordings, mean, std, how.rows)))


def normalise(values: Doubles, statistics: Statistics) -> Floats:
    """Rows as the network sees them, as the exported graph computes them: [rows, channels] ► [rows, 2·channels]."""
    center, scale = recording_statistics(values, statistics.mean, statistics.std, statistics.recording)
    return scale_rows(around_center(values, center), center, scale, statistics)


def scale_rows(centred: Floats, center: Doubles, scale: Floats, statistics: Statistics) -> Floats:
    """The two normalisations side by side: by the training set, then by the recording; clipped to ±LIMIT."""
    shift = (center - statistics.mean).astype(np.float32)
    with np.errstate(all="ignore"):
        by_set = (centred + shift) / statistics.std.astype(np.float32)
        by_recording = centred / scale
    both = np.concatenate([by_set, by_recording], axis=1)
    both[np.isnan(both)] = 0
    clipped: Floats = np.clip(both, -LIMIT, LIMIT)
    return clipped


def row_targets(recording: Recording, number: int, head: Head) -> tuple[Integers, Floats]:
    """The true class of head `number` at each row, and the share of the row that it has; the rest is background.

    Classes int64 [rows]: 0 background, UNKNOWN where not annotated. Shares float32 [rows]: 1 for ranges; for instants a
    triangle of 2·half_width + 1 rows around each, so that the row itself counts most.
    """
    if isinstance(head, InstantHead):
        targets, shares = _widened(recording, head)
    else:
        targets, shares = recording.labels[:, number].astype(np.int64), np.full(recording.rows, 1, np.float32)
    return np.where(recording.known[:, number], targets, UNKNOWN), shares


def _widened(recording: Recording, head: InstantHead) -> tuple[Integers, Floats]:
    """A row between two instants belongs to the nearer one."""
    targets = np.zeros(recording.rows, np.int64)
    reach = head.half_width + 1
    distance = np.full(recording.rows, reach)
    for event in recording.events:
        if event.label not in head.labels:
            continue
        first, end = max(event.row - head.half_width, 0), min(event.row + reach, recording.rows)
        offsets = np.abs(np.arange(first, end) - event.row)
        nearer = offsets < distance[first:end]
        distance[first:end][nearer] = offsets[nearer]
        targets[first:end][nearer] = 1 + head.labels.index(event.label)
    return targets, np.where(targets > 0, 1 - distance / reach, 1).astype(np.float32)
