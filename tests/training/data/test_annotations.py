"""What lies on top, and which rows are known."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.labelling.regions import UnclearRegion
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import (
    UNKNOWN,
    AnnotatedSeries,
    LabelKinds,
    Recording,
    choose_label_kinds,
    event_gaps,
    label_rows,
    label_runs,
    segment_durations,
)

LABELS = ("Run", "Walk", "Jump")


def layered(*layers: list[Segment], rows: int = 100) -> AnnotatedSeries:
    series = Series(np.zeros((rows, 1)), TimeAxis.of_rows(rows))
    return AnnotatedSeries("1", "task 1", "task 1", series, tuple(tuple(layer) for layer in layers))


def rows_of(*layers: list[Segment], unlabelled: str = "background", margin: int = 0) -> Recording:
    found = layered(*layers)
    return label_rows(found, choose_label_kinds([found], LABELS), unlabelled, margin)


def instant(row: int, label: str) -> Segment:
    return Segment(row, row, label, instant=True)


def states(recording: Recording) -> list[tuple[int, int, int]]:
    """Runs of rows by the first head, UNKNOWN where nobody knows."""
    return label_runs(recording.known_labels(0))


def test_what_two_annotators_differ_on_is_unknown() -> None:
    recording = rows_of([Segment(0, 29, "Run")], [Segment(20, 49, "Walk")])
    assert states(recording) == [(0, 49, UNKNOWN), (50, 99, 0)]
    shorter = rows_of([Segment(0, 29, "Run")], [Segment(0, 19, "Run")])
    assert states(shorter) == [(0, 19, 1), (20, 29, UNKNOWN), (30, 99, 0)]


def test_of_three_annotators_two_decide() -> None:
    recording = rows_of([Segment(0, 29, "Run")], [Segment(0, 19, "Run")], [Segment(0, 29, "Run")])
    assert states(recording) == [(0, 29, 1), (30, 99, 0)]


def test_disagreement_is_reported_with_its_share() -> None:
    disagreement = rows_of([Segment(0, 29, "Run")], [Segment(0, 19, "Run")]).disagreement
    assert disagreement is not None
    assert disagreement.kind == "disagreement"
    assert disagreement.share == 0.1
    assert "2 annotators of task 1 differ on 10.0 % of its rows" in disagreement.sentence
    assert rows_of([Segment(0, 29, "Run")], [Segment(0, 29, "Run")]).disagreement is None


def test_durations_and_gaps_are_those_of_each_annotators_own_regions() -> None:
    recording = rows_of([Segment(10, 39, "Run")], [Segment(20, 49, "Run")])
    assert segment_durations([recording], 0, 2)[1] == [30, 30]
    beats = rows_of([instant(row, "Jump") for row in (10, 30, 50, 70)], [instant(row, "Jump") for row in (10, 30, 70)])
    assert sorted(event_gaps([beats]).tolist()) == [20, 20, 20, 20, 40]


def test_who_leaves_rows_unmarked_under_ignore_has_no_vote_there() -> None:
    first, second = [Segment(10, 19, "Run"), Segment(60, 69, "Run")], [Segment(10, 19, "Run"), Segment(40, 49, "Walk")]
    recording = rows_of(first, second, unlabelled="ignore")
    assert states(recording) == [
        (0, 9, UNKNOWN),
        (10, 19, 1),
        (20, 39, 0),
        (40, 49, 2),
        (50, 59, UNKNOWN),
        (60, 69, 1),
        (70, 99, UNKNOWN),
    ]


def test_rows_of_an_unreadable_region_are_unknown_to_its_own_head() -> None:
    lost = UnclearRegion(40, None, "Walk", instant=False)
    marked = replace(layered([Segment(0, 29, "Run"), Segment(60, 69, "Walk")]), unclear=((lost,),))
    recording = label_rows(marked, LabelKinds((("Run",), ("Walk",)), (), ()), "background", 0)
    assert label_runs(recording.known_labels(0)) == [(0, 29, 1), (30, 99, 0)]
    assert label_runs(recording.known_labels(1)) == [(0, 39, 0), (40, 59, UNKNOWN), (60, 69, 1), (70, 99, 0)]


def test_an_unreadable_instant_leaves_only_the_surroundings_of_others_known_and_no_range_unknown() -> None:
    lost = UnclearRegion(None, None, "Jump", instant=True)
    marked = replace(layered([Segment(0, 29, "Run"), instant(50, "Jump")]), unclear=((lost,),))
    recording = label_rows(marked, choose_label_kinds([marked], LABELS), "background", 0, 2.0)
    assert recording.known[:, 0].all()
    assert np.flatnonzero(recording.known[:, 1]).tolist() == [48, 49, 50, 51, 52]


def test_a_region_with_an_unknown_label_is_unknown_to_all_heads_of_ranges() -> None:
    marked = replace(
        layered([Segment(0, 9, "Run"), instant(50, "Jump")]), unclear=((UnclearRegion(20, 29, None, instant=False),),)
    )
    recording = label_rows(marked, choose_label_kinds([marked], LABELS), "background", 0)
    assert np.flatnonzero(~recording.known[:, 0]).tolist() == list(range(20, 30))
    assert recording.known[:, 1].all()


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


def test_a_stray_instant_of_a_range_label_is_left_out_and_reported() -> None:
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


def test_an_instant_that_one_of_two_annotators_moved_is_between_and_one_left_out_is_disputed() -> None:
    first = [instant(row, "Jump") for row in (10, 30, 50)]
    second = [instant(row, "Jump") for row in (11, 31)]
    both = layered(first, second)
    recording = label_rows(both, choose_label_kinds([both], LABELS), "background", 0, 4.0)
    assert [event.row for event in recording.events] == [10, 30]
    assert np.flatnonzero(~recording.known[:, -1]).tolist() == list(range(46, 55))


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


def test_rows_outside_regions_are_distinguished_from_a_label_called_background() -> None:
    assert LabelKinds((("Run", "background"),), (), ()).range_classes == ("outside regions", "Run", "background")
    assert LabelKinds((("Run",),), (), ()).range_classes == ("background", "Run")
