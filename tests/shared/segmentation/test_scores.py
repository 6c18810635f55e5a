"""Scores of segments and of whole tasks."""

from typing import NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import Calibration, Head, RangeHead, UsualCounts
from shared.segmentation.scores import TaskScorer, calibrate, log_probabilities, unusualness
from shared.settings import TaskScore


def test_without_temperature_and_bias_probabilities_stay_as_they_are() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=50).astype(np.float32)
    np.testing.assert_allclose(calibrate(log_probabilities(probabilities), Calibration()), probabilities, atol=1e-6)


def test_calibration_is_the_softmax_of_shifted_and_tempered_logarithms() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(3), size=20).astype(np.float32)
    found = calibrate(log_probabilities(probabilities), Calibration(temperature=2.5, bias=(0.5, -1.0, 0.0)))
    raised = np.exp((np.log(probabilities.astype(np.float64)) + np.array([0.5, -1.0, 0.0])) / 2.5)
    np.testing.assert_allclose(found, raised / raised.sum(axis=1, keepdims=True), rtol=1e-4)


@given(rows=st.integers(1, 5), classes=st.integers(2, 5), temperature=st.floats(0.01, 100))
def test_any_rows_sum_to_one_and_inputs_are_left_alone(rows: int, classes: int, temperature: float) -> None:
    probabilities = np.eye(classes, dtype=np.float32)[np.arange(rows) % classes]
    logs = log_probabilities(probabilities)
    before = logs.copy()
    found = calibrate(logs, Calibration(temperature=temperature, bias=(1.0,) * classes))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (logs == before).all()


SURE = np.array([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01]], np.float32)
UNSURE = np.array([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3]], np.float32)


HEAD = RangeHead(labels=("a", "b"), min_rows=(1, 1, 1))
KINDS = get_args(TaskScore)


class Found(NamedTuple):
    """What a decoder knows of the whole recording."""

    sure: float
    clearness: float | None = None


def score(kind: TaskScore, rows: NDArray[np.float32], segments: tuple[Segment, ...] = (), head: Head = HEAD) -> float:
    scorer = TaskScorer(kind, head)
    for row in rows:
        scorer.add(row[None])
    clearness = float(np.mean([each.score for each in segments])) if segments else None
    return scorer.score(segments, Found(float(rows.max(axis=1).sum()), clearness))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sure_recording_scores_above_an_unsure_one(kind: TaskScore) -> None:
    assert 0 <= score(kind, UNSURE) < score(kind, SURE) <= 1


def test_mean_is_the_mean_winning_probability() -> None:
    assert score("mean", UNSURE) == pytest.approx(0.4)


def test_min_segment_is_the_least_sure_segment() -> None:
    found = (Segment(0, 0, "a", 0.9), Segment(1, 1, "b", 0.3))
    assert score("min-segment", SURE, found) == 0.3


def test_margin_is_the_lead_of_the_likeliest_column() -> None:
    assert score("margin", UNSURE) == pytest.approx(0.1)


def test_entropy_of_even_odds_is_no_scorer_at_all() -> None:
    assert score("entropy", np.full((3, 4), 0.25, np.float32)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_without_rows_scores_zero(kind: TaskScore) -> None:
    assert TaskScorer(kind, HEAD).score((), Found(0.0)) == 0.0


ONCE_EACH = UsualCounts(mean=(1.0, 1.0), deviation=(0.3, 0.3), rows=(90, 110), usual_rows=100)


def test_plausible_is_the_mean_of_the_segments_where_labels_come_as_often_as_usual() -> None:
    rows = np.tile(SURE, (50, 1))
    once = (Segment(0, 9, "a", 0.9), Segment(20, 29, "b", 0.7))
    twice = (Segment(0, 9, "a", 0.9), Segment(20, 29, "a", 0.7))
    known = replace(HEAD, usual_counts=ONCE_EACH)
    assert score("plausible", rows, once, known) == pytest.approx(0.8)
    assert score("plausible", rows, twice, known) == pytest.approx(0.8 * np.exp(-0.5 / 0.3))
    assert score("plausible", rows, twice) == pytest.approx(0.8)
    assert score("plausible", rows, (), known) < 0.2


def test_parts_and_joined_recordings_may_hold_less_and_more() -> None:
    assert unusualness((1, 1), 100, ONCE_EACH) == 0
    assert unusualness((0, 1), 50, ONCE_EACH) < unusualness((0, 1), 100, ONCE_EACH) / 2
    assert unusualness((2, 2), 200, ONCE_EACH) == 0
    assert unusualness((0, 0), 0, ONCE_EACH) == 0
