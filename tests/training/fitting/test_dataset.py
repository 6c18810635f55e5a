"""Normalisation, targets, and windows that never leave a recording."""

from collections.abc import Callable

import numpy as np

from shared.labelling.segments import Segment
from shared.model_file.card import InstantHead
from training.data.annotations import Recording
from training.fitting.dataset import normalise, recording_weights, row_targets, training_statistics


def test_statistics_are_those_of_all_rows(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(3)
    values = np.concatenate([each.series.values for each in recordings])
    found = training_statistics(recordings, 4.0)
    np.testing.assert_allclose(found.mean, values.mean(axis=0))
    np.testing.assert_allclose(found.std, values.std(axis=0))


def test_statistics_pass_over_missing_values_and_survive_dead_channels(
    make_recording: Callable[..., Recording],
) -> None:
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
    targets, shares = row_targets(recording, 0, head)
    assert targets[6:20].tolist() == [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0]
    np.testing.assert_allclose(shares[6:13], [1, 0.25, 0.5, 0.75, 1, 0.75, 0.5])


def test_an_instant_at_either_end_keeps_what_lies_within(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording([Segment(0, 0, "Run", instant=True), Segment(29, 29, "Run", instant=True)], rows=30)
    head = InstantHead(labels=("Run",), spacing=(3,), threshold=(0.4,), half_width=2)
    assert np.flatnonzero(row_targets(recording, 0, head)[0]).tolist() == [0, 1, 2, 27, 28, 29]
