"""Scores mean what they say."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import InstantHead, RangeHead
from shared.segmentation.scores import calibrate
from training.data.annotations import LabelKinds, Recording, label_runs
from training.judging.calibration import (
    Evidence,
    ScoredSegments,
    calibration_noise,
    cross_calibrate,
    expected_calibration_error,
    fit_calibration,
    reliability,
)
from training.judging.evaluate import HeldOutPrediction, decode


def overconfident(count: int, factor: float = 3.0, shift: float = 0.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logarithms of probabilities that are `factor` times too certain and favor class 1 by `shift`; and the classes."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(count, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    right = np.array([random.choice(3, p=share) for share in shares])
    claimed = factor * logits + np.array([0, shift, 0])
    logs = claimed - np.log(np.exp(claimed).sum(axis=1, keepdims=True))
    return logs.astype(np.float32), right


def test_overconfident_scores_are_cooled_down() -> None:
    logs, right = overconfident(4000)
    found = fit_calibration(Evidence(logs, right, 4000.0))
    assert found.fitted
    assert found.temperature == pytest.approx(3.0, rel=0.15)
    scores = calibrate(logs, found).max(axis=1).astype(float)
    hits = calibrate(logs, found).argmax(axis=1) == right
    assert expected_calibration_error(scores, hits) < 0.05
    assert expected_calibration_error(np.exp(logs).max(axis=1).astype(float), hits) > 0.15


def test_a_shifted_prior_is_shifted_back() -> None:
    logs, right = overconfident(4000, factor=1.0, shift=1.0)
    bias = fit_calibration(Evidence(logs, right, 4000.0)).bias
    assert bias[1] - (bias[0] + bias[2]) / 2 == pytest.approx(-1.0, abs=0.2)


def test_little_evidence_changes_little() -> None:
    logs, right = overconfident(3)
    found = fit_calibration(Evidence(logs, right, 3.0))
    assert 0.4 < found.temperature < 2.5
    assert max(abs(each) for each in found.bias) < 0.5
    assert not fit_calibration(Evidence(logs[:0], right[:0], 0.0)).fitted


def test_the_error_is_zero_for_perfect_scores_and_large_for_boasts() -> None:
    scores = np.repeat([0.2, 0.6, 1.0], 1000)
    right = np.concatenate([np.arange(1000) < share * 1000 for share in (0.2, 0.6, 1.0)])
    assert expected_calibration_error(scores, right) < 0.01
    assert expected_calibration_error(np.ones(3000), right) == pytest.approx(0.4)
    assert sum(count for _, _, count in reliability(scores, right)) == 3000
    assert expected_calibration_error(scores[:0], right[:0]) == 0


def test_few_segments_show_much_error_even_if_scores_are_perfect() -> None:
    few, many = ScoredSegments(np.full(4, 0.8), np.ones(4)), ScoredSegments(np.full(2000, 0.8), np.ones(2000))
    assert calibration_noise(few) > 0.15 > 0.05 > calibration_noise(many)


def boast(recording: Recording, fold: int, sure: float) -> HeldOutPrediction:
    """Every stretch of rows gets `sure` for one column; every third stretch for a wrong one."""
    said = recording.labels[:, 0].astype(int).copy()
    for number, (first, last, label) in enumerate(label_runs(recording.labels[:, 0])):
        if number % 3 == 1:
            said[first : last + 1] = (label + 1) % 3
    probabilities = np.full((recording.rows, 3), (1 - sure) / 2, np.float32)
    probabilities[np.arange(recording.rows), said] = sure
    heads = (RangeHead(labels=("Run", "Walk"), min_rows=(5, 5, 5)),)
    return HeldOutPrediction(recording, fold, heads, probabilities, tuple(decode(heads, probabilities)))


def test_calibrations_come_from_the_other_folds(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(30)
    scored = cross_calibrate([boast(each, number % 3, 0.999) for number, each in enumerate(recordings)], 1.0)
    assert scored.scores.mean() < 0.9
    assert abs(scored.scores.mean() - scored.right.mean()) < 0.1


def test_scores_of_events_are_compared_with_matches(make_recording: Callable[..., Recording]) -> None:
    kinds = LabelKinds((), ("Run",), ())
    marks = [Segment(row, row, "Run", instant=True) for row in (20, 50, 80)]
    recording = make_recording(marks, kinds=kinds)
    probabilities = np.tile(np.array([0.9, 0.1], np.float32), (100, 1))
    probabilities[[20, 50, 65]] = 0.5
    heads = (InstantHead(labels=("Run",), spacing=(3,), threshold=(0.3,), half_width=1),)
    found = HeldOutPrediction(recording, 0, heads, probabilities, tuple(decode(heads, probabilities)))
    scored = cross_calibrate([found], 2.0)
    assert scored.right.tolist() == [True, True, False]
    np.testing.assert_allclose(scored.scores, 0.5)


def test_a_long_range_counts_as_much_as_an_instant(make_recording: Callable[..., Recording]) -> None:
    """By rows one wrong range of 60 rows outweighed fifty events: gait .097 instead of .027."""
    recording = make_recording([Segment(0, 59, "Walk"), Segment(60, 69, "Run")], rows=80)
    probabilities = np.full((80, 3), 0.05, np.float32)
    probabilities[:70, 1] = probabilities[70:, 0] = 0.9
    probabilities[:20, 1:] = 0.05, 0.9
    heads = (RangeHead(labels=("Run", "Walk"), min_rows=(5, 5, 5)),)
    found = HeldOutPrediction(recording, 0, heads, probabilities, tuple(decode(heads, probabilities)))
    scored = cross_calibrate([found], 1.0)
    assert scored.right.tolist() == pytest.approx([1.0, 0.2])
    assert len(scored.scores) == 2
