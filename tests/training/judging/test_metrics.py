"""Counts and metrics, against definitions computed naively."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from shared.labelling.segments import Segment
from training.data.annotations import UNKNOWN, Instant, LabelKinds, Recording
from training.judging.metrics import Classes, add, class_scores, compute_metrics, count, match_events

Labels = st.lists(st.integers(0, 2), min_size=1, max_size=40)


def segments_of(labels: list[int], names: tuple[str, ...] = ("Run", "Walk")) -> list[Segment]:
    found, start = [], 0
    for row in range(1, len(labels) + 1):
        if row == len(labels) or labels[row] != labels[start]:
            if labels[start]:
                found.append(Segment(start, row - 1, names[labels[start] - 1]))
            start = row
    return found


KINDS = LabelKinds((("Run", "Walk"),), (), ())
BOTH = Classes(KINDS, np.ones(3, bool))


def score(make: Callable[..., Recording], true: list[int], predicted: list[int]) -> dict[str, float]:
    recording = make(segments_of(true), rows=len(true), kinds=KINDS)
    return {
        name: float(each) for name, each in compute_metrics(count(recording, segments_of(predicted), 1.0), BOTH).items()
    }


def test_a_perfect_prediction_is_perfect(make_recording: Callable[..., Recording]) -> None:
    found = score(make_recording, [0, 1, 1, 0, 2, 2], [0, 1, 1, 0, 2, 2])
    assert found.pop("boundary_error_rows") == 0
    assert set(found.values()) == {1.0}


def test_row_figures_are_those_of_their_definitions(make_recording: Callable[..., Recording]) -> None:
    found = score(make_recording, [0, 0, 1, 1, 1, 1, 2, 2], [0, 1, 1, 1, 0, 0, 2, 1])
    assert found["accuracy"] == pytest.approx(4 / 8)
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 4 + 1 / 2) / 3)
    assert found["macro_f1"] == pytest.approx((2 / 5 + 4 / 8 + 2 / 3) / 3)
    assert found["min_class_f1"] == pytest.approx(2 / 5)


def test_segments_count_by_their_overlap(make_recording: Callable[..., Recording]) -> None:
    true = [0] * 5 + [1] * 10 + [0] * 5
    found = score(make_recording, true, [0] * 9 + [1] * 6 + [0] * 5)  # 6 of 10 rows
    assert (found["segment_f1_25"], found["segment_f1_50"]) == (1, 1)
    assert found["boundary_error_rows"] == 2
    found = score(make_recording, true, [0] * 11 + [1] * 4 + [0] * 5)  # 4 of 10 rows
    assert (found["segment_f1_25"], found["segment_f1_50"]) == (1, 0)


def test_fragments_cost_segment_f1_and_edit(make_recording: Callable[..., Recording]) -> None:
    found = score(make_recording, [1] * 12, [1] * 5 + [0] + [1] * 6)
    assert found["segment_f1_50"] == pytest.approx(2 / 3)
    assert found["edit"] == pytest.approx(1 / 2)


def test_unknown_rows_do_not_count(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording([Segment(0, 4, "Run")], rows=20, kinds=KINDS)
    recording.known[10:] = False
    found = count(recording, [Segment(0, 4, "Run"), Segment(12, 18, "Walk")], 1.0)
    assert found["rows"].sum() == 10
    assert found["segments"][0].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert UNKNOWN < 0


@given(Labels, Labels)
def test_counts_of_rows_agree_with_a_naive_count(true: list[int], predicted: list[int]) -> None:
    from training.judging.metrics import _count_rows

    rows = min(len(true), len(predicted))
    found = _count_rows(np.array(true[:rows]), np.array(predicted[:rows]), 3)["rows"]
    naive = np.zeros((3, 3))
    for one, other in zip(true[:rows], predicted[:rows], strict=True):
        naive[one, other] += 1
    np.testing.assert_array_equal(found, naive)


@given(Labels, Labels)
def test_row_metrics_agree_with_scikit_learn(true: list[int], predicted: list[int]) -> None:
    """Counted here because sums of counts can be resampled."""
    from training.judging.metrics import _count_rows

    rows = min(len(true), len(predicted))
    one, other = np.array(true[:rows]), np.array(predicted[:rows])
    counts = _count_rows(one, other, 3)
    np.testing.assert_array_equal(counts["rows"], confusion_matrix(one, other, labels=range(3)))
    present = np.isin(np.arange(3), one)
    expected = precision_recall_fscore_support(one, other, labels=range(3), zero_division=0)[:3]
    for ours, theirs in zip(class_scores(counts), expected, strict=True):
        np.testing.assert_allclose(ours[present], theirs[present])
    whole = {"segments": np.zeros((3, 2, 3)), "edit": np.zeros(2), "borders": np.zeros(2)}
    found = compute_metrics(counts | whole, Classes(KINDS, present))
    assert float(found["accuracy"]) == pytest.approx(accuracy_score(one, other))
    assert float(found["balanced_accuracy"]) == pytest.approx(expected[1][present].mean())
    assert float(found["macro_f1"]) == pytest.approx(expected[2][present].mean())


@given(
    st.lists(st.integers(0, 60), max_size=12, unique=True),
    st.lists(st.integers(0, 60), max_size=12, unique=True),
    st.integers(0, 6),
)
def test_events_match_one_to_one_closest_first(true: list[int], predicted: list[int], tolerance: int) -> None:
    pairs = match_events(np.array(sorted(true), np.int64), np.array(sorted(predicted), np.int64), tolerance)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    rest_true, rest_predicted = sorted(true), sorted(predicted)
    naive = 0
    while True:
        near = [
            (abs(one - other), i, j)
            for i, one in enumerate(rest_true)
            for j, other in enumerate(rest_predicted)
            if abs(one - other) <= tolerance
        ]
        if not near:
            break
        _, i, j = min(near)
        del rest_true[i], rest_predicted[j]
        naive += 1
    assert len(pairs) == naive


def test_events_of_the_wrong_label_are_confused_not_matched(make_recording: Callable[..., Recording]) -> None:
    marks = [Segment(10, 10, "Run", instant=True), Segment(30, 30, "Walk", instant=True)]
    recording = make_recording(marks, rows=60)
    found = count(recording, [Segment(11, 11, "Walk", instant=True), Segment(50, 50, "Run", instant=True)], 2.0)
    assert found["events"].tolist() == [[0, 1, 1], [0, 1, 1]]
    assert found["crossed"].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_time_errors_are_in_the_units_of_the_axis(make_recording: Callable[..., Recording]) -> None:
    from dataclasses import replace

    from shared.labelling.time_axis import TimeAxis
    from shared.recordings.series import Series

    recording = make_recording([Segment(10, 10, "Run", instant=True)], rows=60)
    series = Series(recording.series.values, TimeAxis(np.arange(60, dtype=np.float64) * 0.5))
    recording = replace(recording, series=series, events=(Instant(10, "Run"),))
    counts = count(recording, [Segment(12, 12, "Run", instant=True)], 3.0)
    found = compute_metrics(counts, Classes(recording.kinds, np.ones(1, bool)))
    assert (float(found["event_time_error"]), float(found["event_time_error_rows"])) == (1.0, 2.0)


def test_a_class_that_is_never_found_counts_as_nothing_and_is_not_dropped(
    make_recording: Callable[..., Recording],
) -> None:
    found = score(make_recording, [0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 0, 0])
    assert found["min_class_f1"] == 0
    assert found["balanced_accuracy"] == pytest.approx(2 / 3)


def test_classes_that_are_not_evaluated_stay_out_of_every_mean(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(segments_of([0, 0, 1, 1, 2, 2]), rows=6, kinds=KINDS)
    counts = count(recording, segments_of([0, 0, 1, 1, 0, 0]), 1.0)
    found = compute_metrics(counts, Classes(KINDS, np.array([True, True, False])))
    assert float(found["balanced_accuracy"]) == 1
    assert float(found["min_class_f1"]) == pytest.approx(2 / 3, abs=0.4)


def test_counts_add_up_over_recordings(make_recording: Callable[..., Recording]) -> None:
    parts = [
        count(make_recording(segments_of(true), rows=4, kinds=KINDS), segments_of(predicted), 1.0)
        for true, predicted in (([0, 1, 1, 0], [0, 1, 1, 0]), ([2, 2, 0, 0], [1, 1, 0, 0]))
    ]
    precision, recall, _ = class_scores(add(parts))
    np.testing.assert_allclose(recall, [1, 1, 0])
    np.testing.assert_allclose(precision, [1, 0.5, 0])


TWO_HEADS = LabelKinds((("Walk", "Run"), ("Indoor",)), (), ())
WALKS_INDOORS = [Segment(0, 9, "Walk"), Segment(0, 19, "Indoor"), Segment(20, 29, "Run")]


def test_the_balanced_accuracy_of_several_heads_is_the_mean_of_theirs(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(WALKS_INDOORS, rows=40, kinds=TWO_HEADS)
    found = count(recording, [Segment(0, 9, "Walk"), Segment(0, 9, "Indoor")], 1.0)
    classes = Classes(TWO_HEADS, np.ones(5, bool))
    assert classes.names == ("background (Walk, Run)", "Walk", "Run", "background (Indoor)", "Indoor")
    metrics = compute_metrics(found, classes)
    assert float(metrics["balanced_accuracy"]) == pytest.approx(((1 + 1 + 0) / 3 + (1 + 1 / 2) / 2) / 2)
    assert float(metrics["accuracy"]) == pytest.approx((30 / 40 + 30 / 40) / 2)
    assert float(metrics["segment_f1_50"]) == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert found["rows"][:3, 3:].sum() == found["rows"][3:, :3].sum() == 0, "nothing is confused across heads"


def test_a_head_that_has_one_class_says_nothing_of_how_good_a_model_is(
    make_recording: Callable[..., Recording],
) -> None:
    recording = make_recording([*WALKS_INDOORS[::2], Segment(0, 39, "Indoor")], rows=40, kinds=TWO_HEADS)
    found = count(recording, [Segment(0, 9, "Walk"), Segment(0, 39, "Indoor")], 1.0)
    metrics = compute_metrics(found, Classes(TWO_HEADS, np.array([True, True, True, False, True])))
    assert float(metrics["balanced_accuracy"]) == pytest.approx(2 / 3)


def test_unknown_rows_of_one_head_count_for_the_other(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(WALKS_INDOORS, rows=40, kinds=TWO_HEADS)
    recording.known[10:, 1] = False
    found = count(recording, [], 1.0)
    assert (found["rows"][:3].sum(), found["rows"][3:].sum()) == (40, 10)
