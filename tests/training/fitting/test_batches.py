"""Windows never leave a recording, and rare classes are drawn as often as common ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shared.labelling.segments import Segment
from shared.model_file.card import RangeHead
from shared.recordings.series import Series
from training.data.annotations import UNKNOWN, Recording
from training.fitting.batches import TrainingSet
from training.fitting.dataset import normalise, training_statistics
from training.planning.decoding_parameters import Shape
from training.planning.recipe import INSTANTS, RANGES, Recipe

SHAPE = Shape(downsampling=1, window=20, stride=15, fit_window=20)
PLAIN = Recipe()


def ranges(recording: Recording) -> RangeHead:
    return RangeHead(labels=recording.kinds.ranges, min_rows=(1,) * (1 + len(recording.kinds.ranges)))


def with_values(recording: Recording, values: np.ndarray) -> Recording:  # type: ignore[type-arg]
    return replace(recording, series=Series(values, recording.series.axis))


def make_set(recordings: list[Recording], recipe: Recipe = PLAIN, shape: Shape = SHAPE) -> TrainingSet:
    statistics = training_statistics(recordings, 4.0)
    return TrainingSet(recordings, [ranges(recordings[0])], shape, statistics, recipe)


@pytest.mark.parametrize("recipe", [PLAIN, RANGES, INSTANTS])
def test_no_window_straddles_two_recordings(make_recordings: Callable[..., list[Recording]], recipe: Recipe) -> None:
    recordings = [
        with_values(each, np.full((each.rows, 2), float(number)))
        for number, each in enumerate(
            part for each in make_recordings(4, rows=80) for part in (each.part(0, 12), each.part(12, 80))
        )
    ]
    quiet = replace(recipe, noise=0.0, gain=0.0, offset=0.0)
    data, random = make_set(recordings, quiet), np.random.default_rng(0)
    for _ in range(200):
        features, targets, _ = data.draw(random)
        for rows, known in zip(features[..., 0], (targets != UNKNOWN)[..., 0], strict=True):
            inside = rows[known][:-1]  # the last row may be interpolated towards the padding
            assert len(np.unique(inside.round(3))) == 1
            assert known[: known.sum()].all(), "unknown rows only stand at the end"


def test_rows_beyond_a_short_recording_are_unknown(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(2, rows=100)
    short = [each.part(0, 8) for each in recordings]
    data = TrainingSet(short, [ranges(recordings[0])], SHAPE, training_statistics(short, 4.0), PLAIN)
    _, targets, _ = data.draw(np.random.default_rng(0))
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
        features, targets, _ = data.draw(random)
        agree = (features[..., 0] > 0) == (targets[..., 0] == 1)
        assert agree.mean() > 0.98


def test_rows_are_drawn_from_recordings_by_their_weight(make_recordings: Callable[..., list[Recording]]) -> None:
    data = make_set(make_recordings(2, rows=80) + make_recordings(1, rows=8000))
    drawn = data.draw_rows(3000, np.random.default_rng(0))
    shares = np.bincount(drawn[:, 0]) / 3000
    np.testing.assert_allclose(shares, [1 / 6, 1 / 6, 4 / 6], atol=0.05)
    assert drawn[drawn[:, 0] < 2, 1].max() < 80 < drawn[:, 1].max() < 8000


def test_inflation_tells_how_much_oftener_batches_hold_a_class(make_recording: Callable[..., Recording]) -> None:
    rare = make_set([make_recording([Segment(500, 509, "Run")], rows=20_000)])
    inflation = rare.inflation(0)
    drawn = [rare.draw(np.random.default_rng(seed))[1] for seed in range(200)]
    share = np.mean([(each == 1).mean() for each in drawn])
    assert inflation[0] == 1
    np.testing.assert_allclose(inflation[1], share / (1 - share) * 19_990 / 10, rtol=0.2)
    common = make_set([make_recording([Segment(500, 9_999, "Run")], rows=20_000)])
    assert common.inflation(0).tolist() == [1, 1]


@pytest.mark.parametrize("holes", [False, True])
def test_a_recording_shown_as_a_part_is_normalised_as_that_part_would_be_served(
    make_recordings: Callable[..., list[Recording]], holes: bool
) -> None:
    recordings = [
        with_values(each, each.series.values + 3 * np.sin(np.arange(160) / 40)[:, None])
        for each in make_recordings(3, rows=160)
    ]
    if holes:
        recordings[1].series.values[70:75, 0] = np.nan
    statistics = training_statistics(recordings, 4.0)
    data = TrainingSet(recordings, [ranges(recordings[0])], SHAPE, statistics, PLAIN)
    whole = data.recording_features(1)
    features = whole.copy()
    data._renormalise(features, None if data._gaps is None else data._gaps[data._rows_of(1)], 1, 64, 128)
    expected = normalise(recordings[1].series.values[64:128], statistics)
    np.testing.assert_allclose(features[64:128], expected, atol=1e-4)
    assert np.abs(whole[64:128] - expected).max() > 0.1


def test_a_share_of_the_windows_is_shown_as_parts(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(2, rows=160)
    draws = {}
    for parts in (0.0, 0.5):
        recipe = Recipe(parts=parts, warp=0.0)
        data, random = make_set(recordings, recipe), np.random.default_rng(0)
        rows = np.concatenate([data.recording_features(number) for number in range(2)])
        drawn = np.concatenate([data.draw(random)[0] for _ in range(50)])
        own = (np.abs(drawn[:, 0, None] - rows[None]).max(axis=-1) < 1e-6).any(axis=1)
        draws[parts] = own.mean()
    assert draws[0.0] == 1
    assert 0.35 < draws[0.5] < 0.65
