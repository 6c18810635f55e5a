"""Labelled recordings ► what a fit draws from: normalised rows, targets, windows that never leave a recording."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.model_card import Head, InstantHead
from shared.normalisation import around_center, missing, recording_statistics
from training.annotations import UNKNOWN, Recording
from training.heads import Shape
from training.recipe import Recipe

LIMIT = 10.0  # standard deviations at which rows are clipped: a spike must not decide a window
FLAT = 1e-6  # a spread below this share of the level is rounding noise of the files, not a signal

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Level and spread of every channel over the training rows: float64 [channels]."""

    mean: Doubles
    std: Doubles

    @property
    def channels(self) -> int:
        return len(self.mean)


def recording_weights(recordings: Sequence[Recording], longest: float) -> Doubles:
    """How much each recording counts, in rows: its own, at most `longest` medians."""
    rows = np.array([recording.rows for recording in recordings], float)
    weights: Doubles = np.minimum(rows, longest * np.median(rows))
    return weights


def training_statistics(recordings: Sequence[Recording], longest: float) -> Statistics:
    """Mean and standard deviation of the channels over all recordings, each weighing what `recording_weights` says.

    A channel that no recording has values of gets 0 and 1; a constant one gets 1 as its spread.
    """
    weights = recording_weights(recordings, longest)[:, None]
    values = [recording.series.values for recording in recordings]
    nothing = np.zeros(values[0].shape[1])
    moments = [recording_statistics(each, nothing, nothing) for each in values]
    spreads = np.array([_spread(each, center) for each, (center, _) in zip(values, moments, strict=True)])
    centers = np.array([center for center, _ in moments])
    present = np.array([(~missing(each)).any(axis=0) for each in values]) * weights
    total = np.maximum(present.sum(axis=0), 1e-300)
    mean = (centers * present).sum(axis=0) / total
    variance = ((spreads + np.square(centers - mean)) * present).sum(axis=0) / total
    std = np.sqrt(variance)
    return Statistics(mean, np.where((std > FLAT * np.abs(mean)) & (std > np.finfo(np.float32).tiny), std, 1.0))


def _spread(values: Doubles, center: Doubles) -> Doubles:
    """Variance of every channel around its centre, whatever recording_statistics makes of flat channels."""
    around = np.square(np.where(missing(values), np.nan, values) - center)
    counts = np.maximum((~np.isnan(around)).sum(axis=0), 1)
    variance: Doubles = np.nansum(around, axis=0) / counts
    return variance


def normalise(values: Doubles, statistics: Statistics) -> Floats:
    """Rows as the network sees them, as the exported graph computes them: [rows, channels] ► [rows, 2·channels]."""
    center, scale = recording_statistics(values, statistics.mean, statistics.std)
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


def row_targets(recording: Recording, head: Head) -> Integers:
    """Column of `head` that is right at each row, 0 for background, UNKNOWN where nobody said: int64 [rows]."""
    targets = _widened(recording, head) if isinstance(head, InstantHead) else recording.labels.astype(np.int64)
    return np.where(recording.known, targets, UNKNOWN)


def _widened(recording: Recording, head: InstantHead) -> Integers:
    """Instants as runs of 2·half_width + 1 rows; a row between two belongs to the nearer one."""
    targets = np.zeros(recording.rows, np.int64)
    distance = np.full(recording.rows, head.half_width + 1)
    for event in recording.events:
        if event.label not in head.labels:
            continue
        first, last = max(event.row - head.half_width, 0), event.row + head.half_width + 1
        away = np.abs(np.arange(first, min(last, recording.rows)) - event.row)
        nearer = away < distance[first:last]
        distance[first:last][nearer] = away[nearer]
        targets[first:last][nearer] = 1 + head.labels.index(event.label)
    return targets


class TrainingSet:
    """Recordings end to end, each followed by a window of unknown rows, so that any start is a whole window."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        heads: Sequence[Head],
        shape: Shape,
        statistics: Statistics,
        recipe: Recipe,
    ) -> None:
        self.window = window = shape.fit_window
        self._recipe = recipe
        self.rows = sum(recording.rows for recording in recordings)
        self.windows = sum(shape.windows(recording.rows) for recording in recordings)
        self.columns = [1 + len(head.labels) for head in heads]
        self.features = 2 * statistics.channels
        beyond = math.ceil(window * (1 + recipe.warp)) + 1
        self._firsts = np.cumsum([0] + [recording.rows + beyond for recording in recordings])[:-1]
        self._lengths = np.array([recording.rows for recording in recordings])
        weights = recording_weights(recordings, recipe.longest_recording)
        self._shares = np.cumsum(weights / weights.sum())
        self._features = np.zeros((self.rows + beyond * len(recordings), self.features), np.float32)
        self._targets = np.full((len(self._features), len(heads)), UNKNOWN, np.int64)
        for first, recording in zip(self._firsts, recordings, strict=True):
            here = slice(first, first + recording.rows)
            self._features[here] = normalise(recording.series.values, statistics)
            for index, head in enumerate(heads):
                self._targets[here, index] = row_targets(recording, head)
        self._runs = self._class_runs(heads)

    def _class_runs(self, heads: Sequence[Head]) -> list[Integers]:
        """For each class that occurs, where its runs begin and end: int64 [runs, 2], end exclusive.

        The background of instants is everywhere and needs no share of its own.
        """
        found = []
        for index, head in enumerate(heads):
            targets = self._targets[:, index]
            edges = np.flatnonzero(np.diff(targets, prepend=UNKNOWN - 1, append=UNKNOWN - 1))
            runs = np.stack([edges[:-1], edges[1:]], axis=1)
            classes = targets[edges[:-1]]
            for column in range(1 if isinstance(head, InstantHead) else 0, self.columns[index]):
                if (classes == column).any():
                    found.append(runs[classes == column])
        return found

    def class_counts(self, head: int) -> Integers:
        """Rows of each column of a head."""
        targets = self._targets[:, head]
        return np.bincount(targets[targets != UNKNOWN], minlength=self.columns[head]).astype(np.int64)

    def draw(self, random: np.random.Generator) -> tuple[Floats, Integers]:
        """A batch: features [batch, window, 2·channels] and targets [batch, window, heads], UNKNOWN beyond a recording.

        Half of the windows hold a row drawn uniformly over classes, then segments, then rows; the others start anywhere
        in a recording drawn by its weight.
        """
        size = self._recipe.batch
        balanced = round(size * self._recipe.balanced_share) if self._runs else 0
        speeds = np.exp(random.uniform(-1, 1, size) * np.log1p(self._recipe.warp))
        starts = [self._around_a_segment(random, speed) for speed in speeds[:balanced]]
        starts += [self._anywhere(random, speed) for speed in speeds[balanced:]]
        rows = np.array(starts)[:, None] + speeds[:, None] * np.arange(self.window)
        nearest = np.rint(rows).astype(np.int64)
        if not self._recipe.warp:
            return self._vary(self._features[nearest], random), self._targets[nearest]
        before = rows.astype(np.int64)
        share = (rows - before).astype(np.float32)[..., None]
        features = self._features[before] * (1 - share) + self._features[before + 1] * share
        return self._vary(features, random), self._targets[nearest]

    def _vary(self, features: Floats, random: np.random.Generator) -> Floats:
        """Another sensor, another day: gain, level and noise of each channel change, alike in both normalisations."""
        size, window, width = features.shape
        recipe = self._recipe

        def drawn(spread: float, rows: int) -> Floats:
            noise = random.standard_normal((size, rows, width // 2), np.float32)
            return np.tile(noise * np.float32(spread), 2)

        if recipe.gain:
            features = features * np.exp(drawn(recipe.gain, 1))
        if recipe.offset:
            features = features + drawn(recipe.offset, 1)
        if recipe.noise:
            features = features + drawn(recipe.noise, window)
        return features

    def _around_a_segment(self, random: np.random.Generator, speed: float) -> int:
        runs = self._runs[random.integers(len(self._runs))]
        first, end = runs[random.integers(len(runs))]
        row = int(random.integers(first, end))
        recording = int(np.searchsorted(self._firsts, row, side="right")) - 1
        return self._within(recording, row - int(speed * random.integers(self.window)), speed)

    def _anywhere(self, random: np.random.Generator, speed: float) -> int:
        recording = min(int(np.searchsorted(self._shares, random.random(), side="right")), len(self._shares) - 1)
        margin = self.window // 4  # lets the ends of a recording be drawn as often as its middle
        first, length = int(self._firsts[recording]), int(self._lengths[recording])
        start = first + int(random.integers(-margin, max(1, length - self.window + margin)))
        return self._within(recording, start, speed)

    def _within(self, recording: int, start: int, speed: float) -> int:
        """A start near `start` from which a window, played at `speed`, stays within a recording of enough rows."""
        first, length = int(self._firsts[recording]), int(self._lengths[recording])
        return min(max(start, first), first + max(length - math.ceil(speed * self.window), 0))
