"""Metrics with standard errors, of the graph that would serve."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from shared.labelling.segments import Segment
from shared.model_file.card import Estimate, RangeHead
from training.data.annotations import LabelKinds, Recording, event_tolerance
from training.judging.evaluate import HeldOutPrediction, Scores, decode, range_on_others, score
from training.judging.metrics import Classes, class_scores

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


def test_a_standard_error_of_few_groups_is_unbiased(make_recordings: Callable[..., list[Recording]]) -> None:
    """Of equally long recordings it is the standard deviation of their accuracies over √n, with n − 1 degrees."""
    recordings = make_recordings(4)
    found = predictions(recordings, wrong=[0, 2])
    each = [score([one], recordings[0].kinds, 1.0).metrics()["accuracy"] for one in found]
    error = score(found, recordings[0].kinds, 1.0).estimates()["accuracy"].standard_error
    assert error == pytest.approx(np.std(each, ddof=1) / 2, rel=0.05)


def test_what_other_recordings_show_is_mostly_within_the_range() -> None:
    """Groups and as many others of one normal distribution: 80 %. The interval of the mean alone covers 65 %."""
    random = np.random.default_rng(0)
    covered = []
    for _ in range(2000):
        ours, others = random.normal(0.5, 0.05, (2, 5))
        low, high = range_on_others(Estimate(ours.mean(), ours.std(ddof=1) / np.sqrt(5)), 5) or (0.0, 0.0)
        covered.append(low <= others.mean() <= high)
    assert 0.77 < np.mean(covered) < 0.83
    assert range_on_others(Estimate(0.5), 2) is None
    assert range_on_others(Estimate(0.9, 0.1), 3) == pytest.approx((0.633, 1.0), abs=0.01)


def test_a_standard_error_is_that_of_groups_not_of_recordings(make_recordings: Callable[..., list[Recording]]) -> None:
    alone = make_recordings(8)
    paired = make_recordings(8, groups=["a", "a", "b", "b", "c", "c", "d", "d"])
    one, other = (
        score(predictions(each, wrong=[0, 1]), each[0].kinds, 1.0).estimates()["balanced_accuracy"]
        for each in (alone, paired)
    )
    assert one.value == pytest.approx(other.value)
    assert (other.standard_error or 0) > (one.standard_error or 0)


def test_a_class_in_one_group_only_is_not_evaluated_and_named(make_recording: Callable[..., Recording]) -> None:
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


@given(seed=st.integers(0, 2**32 - 1), density=st.sampled_from([0.0, 0.3, 1.0]))
def test_class_figures_are_those_that_sums_of_counts_give(seed: int, density: float) -> None:
    """Two heads of ranges and instants, classes that never occur or are never predicted among them."""
    random = np.random.default_rng(seed)

    def drawn(*shape: int) -> NDArray[np.float64]:
        return (random.integers(0, 50, shape) * (random.random(shape) < density)).astype(float)

    kinds = LabelKinds((("Run", "Walk"), ("Day",)), ("Step", "Jump", "Fall"), ())
    rows = np.zeros((5, 5))
    rows[:3, :3], rows[3:, 3:] = drawn(3, 3), drawn(2, 2)
    hits = drawn(3)
    events = np.stack([hits, hits + drawn(3), hits + drawn(3)], axis=1)
    counts = {"rows": rows, "segments": drawn(3, 3, 3), "events": events}
    found = Scores(Classes(kinds, np.ones(8, bool)), ("a",), (counts,)).class_metrics()
    expected = [np.nan_to_num(each) for each in class_scores(counts)]
    np.testing.assert_allclose([(each.precision, each.recall, each.f1) for each in found], np.transpose(expected))
    assert [each.support for each in found] == [*rows.sum(axis=1), *events[:, 1]]


def test_balanced_accuracy_is_that_of_scikit_learn(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(4)
    scores = score(predictions(recordings, wrong=[0]), recordings[0].kinds, 1.0)
    confusion = np.array(scores.confusion())
    true, predicted = np.nonzero(confusion)
    weights = confusion[true, predicted]
    expected = balanced_accuracy_score(true, predicted, sample_weight=weights)
    assert scores.metrics()["balanced_accuracy"] == pytest.approx(expected)


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
