"""Sentences about how good a model is."""

import pytest

from shared.model_file.card import Estimate, ModelMetrics
from shared.reporting import evaluation_sentence, work_sentence


@pytest.mark.parametrize(
    ("recordings", "said"),
    [
        (1, "Not known yet how good it is: annotate two more recordings."),
        (2, "Not known yet how good it is: annotate one more recording."),
        (3, "Not evaluated: nothing could be held out."),
    ],
)
def test_too_few_recordings_are_told_how_many_are_missing(recordings: int, said: str) -> None:
    assert evaluation_sentence(ModelMetrics(how="not judged", recordings=recordings)) == said


def test_what_was_evaluated_is_told_how() -> None:
    assert "had not seen it" in evaluation_sentence(ModelMetrics(how="out-of-fold", recordings=2))


@pytest.mark.parametrize(
    ("estimates", "said"),
    [
        ({}, ""),
        ({"work_saved": Estimate(0.624, 0.08)}, "Saves about 62 % (± 8) of the work of labelling by hand."),
        ({"work_saved": Estimate(0.5)}, "Saves about 50 % of the work of labelling by hand."),
        (
            {"work_saved": Estimate(-0.3, 0.1)},
            "Saves no work: to correct its predictions is no less work than to label by hand.",
        ),
    ],
)
def test_work_saved_is_a_share_of_the_work(estimates: dict[str, Estimate], said: str) -> None:
    assert work_sentence(ModelMetrics(how="out-of-fold", recordings=5, estimates=estimates)) == said
