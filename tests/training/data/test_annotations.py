"""What lies on top, and which rows are known."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import UNKNOWN, AnnotatedSeries, Recording, choose_label_kinds, label_rows, label_runs

LABELS = ("Run", "Walk", "Jump")


def layered(*layers: list[Segment], rows: int = 100) -> AnnotatedSeries:
    series = Series(np.zeros((rows, 1)), TimeAxis.of_rows(rows))
    return AnnotatedSeries("1", "task 1", "task 1", series, tuple(tuple(layer) for layer in layers))


def rows_of(*layers: list[Segment], unlabelled: str = "background", margin: int = 0) -> Recording:
    found = layered(*layers)
    return label_rows(found, choose_label_kinds([found], LABELS), unlabelled, margin)


def instant(row: int, label: str) -> Segment:
    return Segment(row, row, label, instant=True)


def test_later_annotations_override_earlier_ones_row_by_row() -> None:
    recording = rows_of([Segment(0, 29, "Run")], [Segment(20, 49, "Walk")])
    assert label_runs(recording.labels[:, 0]) == [(0, 19, 1), (20, 49, 2), (50, 99, 0)]


def test_a_later_long_region_covers_an_earlier_short_one() -> None:
    recording = rows_of([Segment(10, 12, "Run")], [Segment(0, 49, "Walk")])
    assert label_runs(recording.labels[:, 0]) == [(0, 49, 2), (50, 99, 0)]


def test_of_overlapping_regions_of_one_annotation_the_shorter_is_on_top() -> None:
    for segments in (
        [Segment(0, 59, "Run"), Segment(20, 29, "Walk")],
        [Segment(20, 29, "Walk"), Segment(0, 59, "Run")],
    ):
        assert label_runs(rows_of(segments).labels[:, 0]) == [(0, 19, 1), (20, 29, 2), (30, 59, 1), (60, 99, 0)]


def test_an_instant_inside_a_range_splits_nothing() -> None:
    recording = rows_of([Segment(0, 59, "Run"), instant(30, "Jump")])
    assert recording.kinds.ranges == ("Run",)
    assert recording.kinds.instants == ("Jump",)
    assert label_runs(recording.labels[:, 0]) == [(0, 59, 1), (60, 99, 0)]
    assert [(event.row, event.label) for event in recording.events] == [(30, "Jump")]


def test_a_stray_instant_of_a_range_label_is_left_out_and_told() -> None:
    recording = rows_of([Segment(i, i + 5, "Run") for i in range(0, 60, 10)] + [instant(80, "Run")])
    assert recording.kinds.instants == ()
    assert recording.events == ()
    assert "learned as ranges" in recording.kinds.notes[0]


def test_a_stray_range_of_an_instant_label_is_an_instant_at_its_middle() -> None:
    recording = rows_of([instant(i, "Jump") for i in range(0, 60, 10)] + [Segment(70, 74, "Jump")])
    assert recording.kinds.ranges == ()
    assert recording.events[-1].row == 72


def test_a_label_that_people_clearly_use_both_ways_is_learned_both_ways() -> None:
    marks = [Segment(i, i + 4, "Run") for i in range(0, 40, 10)] + [instant(i, "Run") for i in range(50, 90, 10)]
    recording = rows_of(marks)
    assert recording.kinds.ranges == recording.kinds.instants == ("Run",)
    assert "both, side by side" in recording.kinds.notes[0]
    assert len(recording.segments()) == 8


def test_labels_keep_the_order_of_the_configuration_and_unused_ones_have_no_class() -> None:
    kinds = rows_of([Segment(50, 59, "Run"), Segment(0, 9, "Jump")]).kinds
    assert kinds.ranges == ("Run", "Jump")


def test_a_later_annotation_moves_an_instant_instead_of_doubling_it() -> None:
    first = [instant(row, "Jump") for row in (10, 30, 50)]
    second = [instant(row, "Jump") for row in (11, 31)]
    assert [event.row for event in rows_of(first, second).events] == [11, 31, 50]


def test_two_annotators_who_mark_the_same_instant_count_once() -> None:
    assert len(rows_of([instant(10, "Jump")], [instant(10, "Jump")]).events) == 1


def test_a_task_without_regions_is_all_background() -> None:
    marked = layered([Segment(0, 9, "Run")])
    empty = label_rows(layered([]), choose_label_kinds([marked], LABELS), "background", 0)
    assert empty.known.all()
    assert not empty.labels.any()


def test_ignore_knows_the_rows_from_the_first_to_the_last_region_with_a_margin() -> None:
    recording = rows_of([Segment(20, 29, "Run"), Segment(60, 69, "Walk")], unlabelled="ignore", margin=5)
    assert np.flatnonzero(recording.known[:, 0]).tolist() == list(range(15, 75))
    assert not label_rows(layered([]), recording.kinds, "ignore", 5).known.any()


def test_a_part_holds_its_rows_and_knows_where_they_were() -> None:
    recording = rows_of([Segment(20, 39, "Run"), instant(45, "Jump")])
    part = recording.part(30, 50)
    assert (part.rows, part.offset, part.whole, part.key) == (20, 30, 100, "1")
    assert part.segments() == [Segment(0, 9, "Run"), Segment(15, 15, "Jump", instant=True)]
    assert part.group != recording.group


def test_borders_lie_between_segments_and_between_instants(make_recording: Callable[..., Recording]) -> None:
    assert make_recording([Segment(10, 19, "Run")]).borders().tolist() == [10, 20]
    assert make_recording([instant(10, "Run"), instant(20, "Run")]).borders().tolist() == [15]


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=60))
def test_runs_cover_every_row_once(labels: list[int]) -> None:
    runs = label_runs(np.array(labels))
    painted = [label for first, last, label in runs for _ in range(first, last + 1)]
    assert painted == labels
    assert all(one[2] != other[2] for one, other in pairwise(runs))
    assert UNKNOWN == -1
