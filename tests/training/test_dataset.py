"""Normalisation, targets, and windows that never leave a recording."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shared.model_card import InstantHead, RangeHead
from shared.segments import Segment
from shared.series import Series
from training.annotations import UNKNOWN, Recording
from training.dataset import TrainingSet, normalise, recording_weights, row_targets, training_statistics
from training.heads import Shape
from training.recipe import INSTANTS, RANGES, Recipe

SHAPE = Shape(stem=1, window=20, hop=15, fit_window=20)
PLAIN = Recipe()


def ranges(recording: Recording) -> RangeHead:
    return RangeHead(labels=recording.kinds.ranges, min_rows=(1,) * (1 + len(recording.kinds.ranges)))


def with_values(recording: Recording, values: np.ndarray) -> Recording:  # type: ignore[type-arg]
    return replace(recording, series=Series(values, recording.series.axis))


def make_set(recordings: list[Recording], recipe: Recipe = PLAIN, shape: Shape = SHAPE) -> TrainingSet:
    statistics = training_statistics(recordings, 4.0)
    return TrainingSet(recordings, [ranges(recordings[0])], shape, statistics, recipe)


def test_statistics_are_those_of_all_rows(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(3)
    values = np.concatenate([each.series.values for each in recordings])
    found = training_statistics(recordings, 4.0)
    np.testing.assert_allclose(found.mean, values.mean(axis=0))
    np.testing.assert_allclose(found.std, values.std(axis=0))


def test_statistics_pass_over_missing_values_and_survive_dead_channels(make_recording: Callable[..., Recording]) -> None:
    values = np.array([[1.0, 5.0, np.nan], [np.nan, 5.0, np.inf], [3.0, 5.0, np.nan]] * 10)
    found = training_statistics([make_recording([Segment(0, 9, "Run")], rows=30, values=values)], 4.0)
    np.testing.assert_allclose(found.mean, [2, 5, 0])
    np.testing.assert_allclose(found.std, [1, 1, 1])


def test_a_recording_of_a_million_rows_counts_as_four_medians(make_recordings: Callable[..., list[Recording]]) -> None:
    short, long = make_recordings(3, rows=100), make_recordings(1, rows=5000)
    assert recording_weights(short + long, 4.0).tolist() == [100, 100, 100, 400]


def test_a_channel_of_values_near_a_million_keeps_its_shape(make_recording: Callable[..., Recording]) -> None:
    wave = 3 * np.sin(np.arange(200) / 5)
    recording = make_recording([Segment(0, 9, "Run")], rows=200, values=np.column_stack([1e6 + wave, wave]))
    features = normalise(recording.series.values, training_statistics([recording], 4.0))
    np.testing.assert_allclose(features[:, 0], features[:, 1], atol=1e-4)


def test_spikes_are_clipped_and_missing_cells_are_the_centre(make_recording: Callable[..., Recording]) -> None:
    values = np.random.default_rng(0).normal(size=(1000, 1))
    values[500], values[600] = 1e9, np.nan
    recording = make_recording([Segment(0, 9, "Run")], rows=1000, values=values)
    features = normalise(values, training_statistics([recording], 4.0))
    assert np.abs(features).max() <= 10
    assert features[600, 1] == 0


def test_a_row_between_two_instants_belongs_to_the_nearer(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording([Segment(10, 10, "Run", instant=True), Segment(15, 15, "Walk", instant=True)], rows=30)
    head = InstantHead(labels=("Run", "Walk"), spacing=(3, 3), threshold=(0.4, 0.4), half_width=3)
    assert row_targets(recording, head)[6:20].tolist() == [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0]


def test_an_instant_at_either_end_keeps_what_lies_within(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording([Segment(0, 0, "Run", instant=True), Segment(29, 29, "Run", instant=True)], rows=30)
    head = InstantHead(labels=("Run",), spacing=(3,), threshold=(0.4,), half_width=2)
    assert np.flatnonzero(row_targets(recording, head)).tolist() == [0, 1, 2, 27, 28, 29]


@pytest.mark.parametrize("recipe", [PLAIN, RANGES, INSTANTS])
def test_no_window_straddles_two_recordings(make_recordings: Callable[..., list[Recording]], recipe: Recipe) -> None:
    recordings = [
        with_values(each, np.full((each.rows, 2), float(number)))
        for number, each in enumerate(part for each in make_recordings(4, rows=80) for part in (each.part(0, 12), each.part(12, 80)))
    ]
    quiet = replace(recipe, noise=0.0, gain=0.0, offset=0.0)
    data, random = make_set(recordings, quiet), np.random.default_rng(0)
    for _ in range(200):
        features, targets = data.draw(random)
        for rows, known in zip(features[..., 0], (targets != UNKNOWN)[..., 0], strict=True):
            inside = rows[known][:-1]  # the last row may be interpolated towards the padding
            assert len(np.unique(inside.round(3))) == 1
            assert known[: known.sum()].all(), "unknown rows only stand at the end"


def test_rows_beyond_a_short_recording_are_unknown(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(2, rows=100)
    short = [each.part(0, 8) for each in recordings]
    data = TrainingSet(short, [ranges(recordings[0])], SHAPE, training_statistics(short, 4.0), PLAIN)
    _, targets = data.draw(np.random.default_rng(0))
    assert (targets[:, 8:] == UNKNOWN).all()
    assert (targets[:, :8] != UNKNOWN).all()


def test_ten_rows_among_many_are_in_every_few_batches(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording([Segment(50_000, 50_009, "Run")], rows=100_000)
    data, random = make_set([recording]), np.random.default_rng(0)
    seen = sum((data.draw(random)[1] == 1).any() for _ in range(50))
    assert seen >= 40


def test_the_same_seed_draws_the_same_batches(make_recordings: Callable[..., list[Recording]]) -> None:
    data = make_set(make_recordings(2), RANGES)
    one, other = (data.draw(np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_warped_windows_keep_rows_and_labels_together(make_recording: Callable[..., Recording]) -> None:
    values = np.zeros((400, 2))
    values[100:200] = 5
    recording = make_recording([Segment(100, 199, "Run")], rows=400, values=values)
    data, random = make_set([recording], replace(PLAIN, warp=0.3)), np.random.default_rng(0)
    for _ in range(50):
        features, targets = data.draw(random)
        agree = (features[..., 0] > 0) == (targets[..., 0] == 1)
        assert agree.mean() > 0.98
