import numpy as np
import pytest
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import Calibration
from shared.segmentation.task_score import TaskScorer
from shared.settings import TaskScore

SURE = np.array([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01]], np.float32)
UNSURE = np.array([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3]], np.float32)


def score(kind: TaskScore, rows: NDArray[np.float32], segments: tuple[Segment, ...] = ()) -> float:
    scorer = TaskScorer(kind, Calibration())
    for row in rows:
        scorer.add(row[None])
    return scorer.score(segments, float(rows.max(axis=1).sum()))


@pytest.mark.parametrize("kind", ["mean", "min-segment", "margin", "entropy"])
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


@pytest.mark.parametrize("kind", ["mean", "min-segment", "margin", "entropy"])
def test_a_recording_without_rows_scores_zero(kind: TaskScore) -> None:
    assert TaskScorer(kind, Calibration()).score((), 0.0) == 0.0
