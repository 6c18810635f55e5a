import numpy as np

from shared.doubts import UNSURE_SCORE, Doubt
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.segmentation.answer import answer_series
from shared.segmentation.segmenter import Segmenter
from tests.support.graphs import make_config, make_model

VALUES = np.zeros((400, 1))
VALUES[100:180], VALUES[250:300] = 5, -5  # Run, Walk


def series(*doubts: Doubt) -> Series:
    return Series(VALUES, TimeAxis.of_rows(len(VALUES)), doubts)


def test_an_answer_without_doubts_is_what_the_model_found() -> None:
    segmenter = Segmenter.load(make_model(kind="threshold"))
    found = answer_series(segmenter, series(), make_config())
    assert [each.label for each in found.segments] == ["Run", "Walk"]
    assert found.score == segmenter.segment(series()).score > 0.9
    assert found.doubts == ()


def test_doubts_of_the_recording_reach_the_answer() -> None:
    note = Doubt(kind="unreadable-cells", sentence="3 cells hold no number.")
    found = answer_series(Segmenter.load(make_model(kind="threshold")), series(note), make_config())
    assert found.doubts == (note,)
    assert found.score > 0.9


def test_segments_whose_label_is_gone_are_told_and_lower_the_score() -> None:
    found = answer_series(Segmenter.load(make_model(kind="threshold")), series(), make_config(("Running", "Walk")))
    assert [each.label for each in found.segments] == ["Walk"]
    (doubt,) = found.doubts
    assert (doubt.kind, doubt.share) == ("missing-label", 0.5)
    assert "1 of 2 segments" in doubt.sentence
    assert "'Run'" in doubt.sentence
    assert found.score == UNSURE_SCORE
