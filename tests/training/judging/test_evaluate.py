"""Figures with standard errors, of the graph that would serve."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from shared.labelling.segments import Segment
from shared.model_file.card import RangeHead
from training.data.annotations import Recording, event_tolerance
from training.judging.evaluate import HeldOutPrediction, decode, score

EMPTY = np.zeros((0, 3), np.float32)


def predictions(recordings: Sequence[Recording], wrong: Sequence[int] = ()) -> list[HeldOutPrediction]:
    """Perfect predictions, but that Run and Walk are swapped in recordings number `wrong`."""
    swap = {"Run": "Walk", "Walk": "Run"}
    found = []
    for number, recording in enumerate(recordings):
        segments = recording.segments()
        if number in wrong:
            segments = [Segment(each.first, each.last, swap[each.label]) for each in segments]
        found.append(HeldOutPrediction(recording, number % 3, (), EMPTY, tuple(segments)))
    return found


def test_figures_have_standard_errors_from_three_groups_on(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(5)
    kinds = recordings[0].kinds
    estimates = score(predictions(recordings, wrong=[0]), kinds, 1.0).estimates()
    assert 0.05 < (estimates["balanced_accuracy"].standard_error or 0) < 0.4
    few = score(predictions(recordings[:2]), kinds, 1.0).estimates()
    assert few["balanced_accuracy"].standard_error is None


def test_a_standard_error_is_that_of_groups_not_of_recordings(make_recordings: Callable[..., list[Recording]]) -> None:
    alone = make_recordings(8)
    paired = make_recordings(8, groups=["a", "a", "b", "b", "c", "c", "d", "d"])
    one, other = (
        score(predictions(each, wrong=[0, 1]), each[0].kinds, 1.0).estimates()["balanced_accuracy"]
        for each in (alone, paired)
    )
    assert one.value == pytest.approx(other.value)
    assert (other.standard_error or 0) > (one.standard_error or 0)


def test_a_class_in_one_group_only_is_not_judged_and_named(make_recording: Callable[..., Recording]) -> None:
    from dataclasses import replace

    one = make_recording([Segment(10, 19, "Run"), Segment(30, 39, "Walk")])
    other = make_recording([Segment(10, 19, "Run")], kinds=one.kinds)
    found = [HeldOutPrediction(replace(each, group=str(n)), n, (), EMPTY, ()) for n, each in enumerate((one, other))]
    classes = score(found, one.kinds, 1.0).class_metrics()
    assert [(each.label, each.evaluated) for each in classes] == [("background", True), ("Run", True), ("Walk", False)]


def test_class_figures_say_how_many_segments_there_are(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(3)
    scores = score(predictions(recordings), recordings[0].kinds, 1.0)
    true = sum(each.label == "Run" for recording in recordings for each in recording.segments())
    metrics = scores.class_metrics()[1]
    assert (metrics.true_segments, metrics.predicted_segments, metrics.f1) == (true, true, 1.0)
    assert sum(map(sum, scores.confusion())) == sum(recording.rows for recording in recordings)


def test_decoding_is_that_of_serving() -> None:
    probabilities = np.full((30, 2), 0.5, np.float32)
    probabilities[:, 1] = 0.1
    probabilities[10:20] = (0.1, 0.9)
    probabilities[25] = (0.1, 0.9)
    head = RangeHead(labels=("Run",), min_rows=(1, 5))
    assert [(each.first, each.last) for each in decode([head], probabilities)] == [(10, 19)]


def test_events_may_be_off_by_a_fifth_of_their_gap(make_recording: Callable[..., Recording]) -> None:
    marks = [Segment(row, row, "Run", instant=True) for row in (10, 40, 70)]
    assert event_tolerance([make_recording(marks)]) == pytest.approx(6)
    assert event_tolerance([make_recording([Segment(0, 9, "Run")])]) == 1
