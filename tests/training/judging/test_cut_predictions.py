"""Cut and joined recordings keep their rows, labels, events and probabilities together."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from shared.labelling.segments import Segment
from training.data.annotations import LabelKinds, Recording
from training.judging.cut_predictions import halves, join, joined_pairs
from training.judging.evaluate import HeldOutPrediction

KINDS = LabelKinds((("Run",),), ("Walk",), ())
MARKS = [Segment(20, 39, "Run"), Segment(60, 60, "Walk", instant=True)]


def predict(recording: Recording, fold: int) -> HeldOutPrediction:
    probabilities = np.arange(recording.rows, dtype=np.float32)[:, None] + np.zeros((1, 4), np.float32)
    return HeldOutPrediction(recording, fold, (), probabilities, ())


def recordings(make_recording: Callable[..., Recording], count: int) -> list[Recording]:
    return [replace(make_recording(MARKS, kinds=KINDS), key=str(number), group=str(number)) for number in range(count)]


def test_a_half_holds_the_probabilities_of_its_rows(make_recording: Callable[..., Recording]) -> None:
    (whole,) = recordings(make_recording, 1)
    found = halves([predict(whole, 0)])
    assert len(found) == 3
    for each in found:
        first = each.recording.offset
        assert each.recording.rows == len(each.probabilities) == 50
        assert each.probabilities[0, 0] == first
        np.testing.assert_array_equal(each.recording.labels, whole.labels[first : first + 50])
        assert each.recording.group == whole.group


def test_pairs_of_one_fold_are_joined(make_recording: Callable[..., Recording]) -> None:
    said = [predict(each, number % 2) for number, each in enumerate(recordings(make_recording, 5))]
    found = joined_pairs(said)
    assert [each.recording.group for each in found] == ["0", "1"]
    assert all(each.recording.rows == len(each.probabilities) == 200 for each in found)


def test_joined_recordings_follow_each_other(make_recording: Callable[..., Recording]) -> None:
    one, other = recordings(make_recording, 2)
    both = join(one, other)
    assert [event.row for event in both.events] == [60, 160]
    np.testing.assert_array_equal(both.labels, np.concatenate([one.labels, other.labels]))
    assert (np.diff(both.series.axis.times) > 0).all()
    assert both.series.rows == both.whole == 200
