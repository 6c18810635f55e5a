"""What a fit draws from: windows that never leave a recording, rare classes as often as common ones."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import Head, InstantHead
from shared.segmentation.normalisation import completed, missing, recording_statistics
from training.data.annotations import UNKNOWN, Recording
from training.fitting.dataset import (
    LIMIT,
    Doubles,
    Floats,
    Integers,
    Statistics,
    normalise,
    recording_weights,
    row_targets,
)
from training.fitting.part_statistics import PartMoments
from training.planning.decoding_parameters import Shape
from training.planning.recipe import Recipe

LEAST_PART = 0.15  # of a recording, whose statistics a window may have
INFLATION_BATCHES = 250  # of which only the targets are looked at
ROWS_OF_A_WINDOW = 16  # that `draw_batch_rows` takes: neighbouring rows say the same


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
        self.head_classes = [1 + len(head.labels) for head in heads]
        self.features = 2 * statistics.channels
        beyond = math.ceil(window * (1 + recipe.warp)) + 1
        self._firsts = np.cumsum([0] + [recording.rows + beyond for recording in recordings])[:-1]
        self._lengths = np.array([recording.rows for recording in recordings])
        weights = recording_weights(recordings, recipe.longest_recording)
        self._shares = np.cumsum(weights / weights.sum())
        self._features = np.zeros((self.rows + beyond * len(recordings), self.features), np.float32)
        self._statistics = statistics
        self._parts = [PartMoments(each.series.values) for each in recordings]
        self._own = [
            recording_statistics(each.series.values, statistics.mean, statistics.std, statistics.recording)
            for each in recordings
        ]
        self._gaps = self._missing_cells(recordings)
        self._targets = np.full((len(self._features), len(heads)), UNKNOWN, np.int64)
        self._target_shares = np.ones(self._targets.shape, np.float32)
        for first, recording in zip(self._firsts, recordings, strict=True):
            here = slice(first, first + recording.rows)
            self._features[here] = normalise(recording.series.values, statistics)
            for index, head in enumerate(heads):
                self._targets[here, index], self._target_shares[here, index] = row_targets(recording, index, head)
        self._runs = self._class_runs(heads)
        self._balanced = round(recipe.batch * recipe.balanced_share) if self._has_rare_class() else 0

    def _missing_cells(self, recordings: Sequence[Recording]) -> NDArray[np.bool_] | None:
        """Where there are cells without a value, in the order of the features; None where there are none."""
        found = [missing(each.series.values) for each in recordings]
        if not any(each.any() for each in found):
            return None
        cells = np.zeros((len(self._features), self._statistics.channels), bool)
        for first, each in zip(self._firsts, found, strict=True):
            cells[first : first + len(each)] = each
        return cells

    def _has_rare_class(self) -> bool:
        """Whether some class would hardly be seen if windows started just anywhere."""
        for head, classes in enumerate(self.head_classes):
            counts = self.class_counts(head)
            if (counts[counts > 0] < self._recipe.rare * counts.sum() / classes).any():
                return True
        return False

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
            for class_index in range(1 if isinstance(head, InstantHead) else 0, self.head_classes[index]):
                if (classes == class_index).any():
                    found.append(runs[classes == class_index])
        return found

    def class_counts(self, head: int) -> Doubles:
        """Rows of each class of a head; a row that is an instant in part counts in part."""
        return self._count(self._targets[:, head], self._target_shares[:, head], self.head_classes[head])

    def draw(self, random: np.random.Generator) -> tuple[Floats, Integers, Floats]:
        """A batch: features [batch, window, 2·channels], targets and their shares [batch, window, heads].

        Targets beyond a recording are UNKNOWN.

        Where a class is rare, half of the windows hold a row drawn uniformly over classes, then segments, then rows;
        the others start anywhere in a recording drawn by its weight.
        """
        rows = self._draw_places(random)
        nearest = np.rint(rows).astype(np.int64)
        if self._recipe.warp:
            before = rows.astype(np.int64)
            share = (rows - before).astype(np.float32)[..., None]
            features = self._features[before] * (1 - share) + self._features[before + 1] * share
        else:
            features = self._features[nearest]
        if self._recipe.parts:
            for window in np.flatnonzero(random.random(len(features)) < self._recipe.parts).tolist():
                self._show_as_part(features[window], nearest[window], random)
        return self._vary(features, random), self._targets[nearest], self._target_shares[nearest]

    def _show_as_part(self, features: Floats, places: Integers, random: np.random.Generator) -> None:
        """Normalise a window by a part of its recording that holds it, as serving would: in place.

        features: [window, 2·channels]; places: where its rows lie among all.
        """
        number = int(np.searchsorted(self._firsts, places[0], side="right")) - 1
        first, rows = int(self._firsts[number]), int(self._lengths[number])
        begin, end = int(places[0]) - first, min(int(places[-1]) - first + 1, rows)
        length = max(round(random.uniform(LEAST_PART, 1) * rows), end - begin)
        start = int(random.integers(max(end - length, 0), min(begin, rows - length) + 1))
        cells = None if self._gaps is None else self._gaps[places]
        self._renormalise(features, cells, number, start, start + length)

    def _renormalise(
        self, features: Floats, cells: NDArray[np.bool_] | None, number: int, first: int, end: int
    ) -> None:
        """Give rows [rows, 2·channels] of a recording the statistics of its rows `first` to `end` − 1, in place."""
        how, mean = self._statistics.recording, self._statistics.mean
        center, spread = self._parts[number].of(np.array([first]), np.array([end]))
        if how is not None:
            center, spread = completed(center, spread, end - first, mean, how)
        scale = np.where(spread > 0, spread, 1.0)[0]
        own_center, own_scale = self._own[number]
        channels = self._statistics.channels
        by_recording = features[:, channels:]
        by_recording *= (own_scale / scale).astype(np.float32)
        by_recording += ((own_center - center[0]) / scale).astype(np.float32)
        np.clip(by_recording, -LIMIT, LIMIT, out=by_recording)
        if cells is not None:
            by_recording[cells] = 0
            level = ((center[0] - mean) / self._statistics.std).astype(np.float32)
            features[:, :channels][cells] = np.broadcast_to(level, cells.shape)[cells]

    def inflation(self, head: int) -> Doubles:
        """How much oftener batches hold each class of a head than recordings do, the commonest class being 1."""
        counts = self.class_counts(head)
        if not self._balanced:
            return np.ones_like(counts)
        random = np.random.Generator(np.random.PCG64(0))
        drawn = np.zeros_like(counts)
        for _ in range(INFLATION_BATCHES):
            rows = np.rint(self._draw_places(random)).astype(np.int64)
            drawn += self._count(self._targets[rows, head], self._target_shares[rows, head], self.head_classes[head])
        rates = drawn / np.where(counts > 0, counts, 1)
        return np.where(counts > 0, rates / max(rates[counts.argmax()], 1e-12), 1.0)

    def draw_rows(self, count: int, random: np.random.Generator) -> Integers:
        """Rows of recordings drawn by their weight: int64 [count, 2], number of the recording and row in it."""
        recordings = np.minimum(
            np.searchsorted(self._shares, random.random(count), side="right"), len(self._shares) - 1
        )
        return np.stack([recordings, (random.random(count) * self._lengths[recordings]).astype(np.int64)], axis=1)

    def recording_features(self, number: int) -> Floats:
        """Features of a whole recording [rows, 2·channels]."""
        return self._features[self._rows_of(number)]

    def _rows_of(self, number: int) -> slice:
        return slice(self._firsts[number], self._firsts[number] + self._lengths[number])

    def draw_batch_rows(self, count: int, random: np.random.Generator) -> Integers:
        """Rows as batches hold them, rare classes as often: int64 [about count, 2] like `draw_rows`."""
        size = min(ROWS_OF_A_WINDOW, self.window)
        batches = -(-count // (size * self._recipe.batch))
        every = [self._draw_places(random)[:, random.integers(self.window, size=size)] for _ in range(batches)]
        places = np.rint(np.concatenate(every)).astype(np.int64).reshape(-1)
        recordings = np.searchsorted(self._firsts, places, side="right") - 1
        rows = places - self._firsts[recordings]
        inside = rows < self._lengths[recordings]
        drawn: Integers = np.stack([recordings, rows], axis=1)[inside].astype(np.int64)
        return drawn

    def targets_at(self, rows: Integers, head: int) -> tuple[Integers, Floats]:
        """Targets of a head and their shares at rows of recordings, [n, 2] as `draw_rows` gives them."""
        places = self._firsts[rows[:, 0]] + rows[:, 1]
        return self._targets[places, head], self._target_shares[places, head]

    def _draw_places(self, random: np.random.Generator) -> Doubles:
        """Where the rows of a batch lie among all rows: [batch, window], between rows where time is warped."""
        speeds = np.exp(random.uniform(-1, 1, self._recipe.batch) * np.log1p(self._recipe.warp))
        starts = [self._around_a_segment(random, speed) for speed in speeds[: self._balanced]]
        starts += [self._anywhere(random, speed) for speed in speeds[self._balanced :]]
        places: Doubles = np.array(starts)[:, None] + speeds[:, None] * np.arange(self.window)
        return places

    @staticmethod
    def _count(targets: Integers, shares: Floats, classes: int) -> Doubles:
        known = targets != UNKNOWN
        counts: Doubles = np.bincount(targets[known], shares[known], minlength=classes).astype(float)
        counts[0] += (1 - shares[known]).sum()
        return counts

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
