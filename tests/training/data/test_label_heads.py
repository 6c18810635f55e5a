"""Overlapping labels go to different heads; strays change nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import AnnotatedSeries, choose_label_kinds, label_rows
from training.data.label_heads import Heads, _fewest, covered_labels, covered_regions, separate_labels

LABELS = ("Walk", "Run", "Indoor", "Outdoor")
PLACES = [Segment(0, 49, "Indoor"), Segment(50, 99, "Outdoor")]
STEPS = [Segment(0, 19, "Walk"), Segment(20, 59, "Run"), Segment(60, 89, "Walk")]
TWO_HEADS = (("Walk", "Run"), ("Indoor", "Outdoor"))


def annotated(*recordings: list[Segment]) -> list[AnnotatedSeries]:
    series = Series(np.zeros((100, 1)), TimeAxis.of_rows(100))
    return [
        AnnotatedSeries(str(key), f"task {key}", f"task {key}", series, (tuple(marks),))
        for key, marks in enumerate(recordings)
    ]


def heads_of(*recordings: list[Segment], previous: Heads = (), labels: tuple[str, ...] = LABELS) -> Heads:
    found = annotated(*recordings)
    return separate_labels(choose_label_kinds(found, labels), found, previous).heads


def test_walking_inside_of_places_is_learned_beside_them() -> None:
    assert heads_of(STEPS + PLACES, STEPS + PLACES) == TWO_HEADS


def test_where_nothing_overlaps_there_is_one_head_and_nothing_is_reported() -> None:
    found = annotated(STEPS, PLACES, STEPS)
    kinds = choose_label_kinds(found, LABELS)
    assert separate_labels(kinds, found) == kinds
    assert kinds.heads == (LABELS,)


def test_one_recording_of_overlaps_changes_nothing() -> None:
    assert heads_of(STEPS + PLACES, STEPS, PLACES) == (LABELS,)


def test_strays_below_a_tenth_of_the_segments_change_nothing() -> None:
    clean = [Segment(10 * at, 10 * at + 4, label) for at, label in enumerate(["Walk", "Run"] * 5)]
    stray = [*clean, Segment(0, 4, "Run")]
    assert heads_of(stray, stray, clean, clean, clean) == (("Walk", "Run"),), "2 of 25 Walks"
    assert heads_of(stray, stray, clean, clean) == (("Walk",), ("Run",)), "2 of 20"


def test_borders_that_overlap_by_less_than_half_of_a_segment_change_nothing() -> None:
    marks = [Segment(0, 29, "Walk"), Segment(15, 44, "Run")]
    assert heads_of(marks, marks) == (("Walk", "Run"),)
    marks = [Segment(0, 29, "Walk"), Segment(14, 43, "Run")]
    assert heads_of(marks, marks) == (("Walk",), ("Run",))


def test_a_label_around_all_others_has_a_head_of_its_own() -> None:
    marks = [Segment(0, 99, "Session"), *STEPS]
    assert heads_of(marks, marks, labels=("Session", "Walk", "Run")) == (("Session",), ("Walk", "Run"))


def test_two_labels_of_each_region_have_a_head_each() -> None:
    both = [Segment(each.first, each.last, label) for each in STEPS for label in ("Walk", "Run")]
    assert heads_of(both, both) == (("Walk",), ("Run",))


def test_what_two_annotators_draw_over_each_other_is_no_overlap() -> None:
    series = Series(np.zeros((100, 1)), TimeAxis.of_rows(100))
    layers = (tuple(STEPS), tuple(PLACES))
    found = [AnnotatedSeries(key, key, key, series, layers) for key in "ab"]
    kinds = choose_label_kinds(found, LABELS)
    assert separate_labels(kinds, found) == kinds


@pytest.mark.parametrize(("clean", "apart"), [(15, True), (25, False)])
def test_heads_stay_until_less_than_a_twentieth_overlaps(clean: int, apart: bool) -> None:
    over = [Segment(0, 9, "Walk"), Segment(0, 9, "Run")]
    beside = [Segment(20, 29, "Walk"), Segment(40, 49, "Run")]
    recordings = [over, *([beside] * clean)]
    assert heads_of(*recordings) == (("Walk", "Run"),), "too rare to go apart"
    assert (heads_of(*recordings, previous=(("Walk",), ("Run",))) == (("Walk",), ("Run",))) is apart


def test_heads_of_the_model_that_serves_stay_where_others_would_do_as_well() -> None:
    labels = ("A", "B", "C")
    marks = [Segment(0, 9, "A"), Segment(0, 9, "B"), Segment(50, 59, "C")]
    assert heads_of(marks, marks, labels=labels) == (("A", "C"), ("B",))
    assert heads_of(marks, marks, labels=labels, previous=(("A",), ("B", "C"))) == (("A",), ("B", "C"))
    assert heads_of(marks, marks, labels=labels, previous=(("A",), ("B",), ("C",))) == (("A", "C"), ("B",))


def test_first_fit_in_the_order_of_the_configuration_is_not_always_the_fewest() -> None:
    apart = np.zeros((4, 4), bool)
    for one, other in ((0, 2), (2, 3), (3, 1)):
        apart[one, other] = apart[other, one] = True
    assert _fewest(("A", "B", "C", "D"), apart) == (("A", "D"), ("B", "C"))


def test_a_label_under_others_on_all_its_rows_is_named_where_too_few_recordings_show_it() -> None:
    alone = annotated([Segment(0, 49, "Indoor"), Segment(0, 24, "Walk"), Segment(25, 49, "Run")])
    kinds = separate_labels(choose_label_kinds(alone, LABELS), alone)
    recordings = [label_rows(each, kinds, "background", 0) for each in alone]
    (doubt,) = covered_labels(recordings, kinds)
    assert (doubt.kind, doubt.sentence[:24]) == ("covered-label", "Indoor cannot be learned")
    two = annotated(*[[Segment(0, 49, "Indoor"), Segment(0, 24, "Walk"), Segment(25, 49, "Run")]] * 2)
    kinds = separate_labels(choose_label_kinds(two, LABELS), two)
    assert covered_labels([label_rows(each, kinds, "background", 0) for each in two], kinds) == []


def test_regions_under_others_of_their_head_are_counted_by_label() -> None:
    both = [Segment(0, 9, "Walk"), Segment(0, 9, "Run"), Segment(20, 29, "Run"), Segment(22, 24, "Walk")]
    found = annotated(both, [Segment(0, 9, "Walk"), Segment(0, 9, "Walk"), Segment(50, 60, "Indoor")])
    kinds = separate_labels(choose_label_kinds(found, LABELS), found)
    assert kinds.heads == (("Walk", "Run", "Indoor"),)
    (doubt,) = covered_regions(found, [label_rows(each, kinds, "background", 0) for each in found], kinds)
    assert doubt.kind == "covered-label"
    assert "on all of their rows: 1 of Walk. Labels are learned side by side where 10%" in doubt.sentence
    apart = annotated(both, both)
    kinds = separate_labels(choose_label_kinds(apart, LABELS), apart)
    assert covered_regions(apart, [label_rows(each, kinds, "background", 0) for each in apart], kinds) == []


@given(st.lists(st.booleans(), min_size=15, max_size=15))
def test_labels_that_overlap_never_share_a_head(pairs: list[bool]) -> None:
    apart = np.zeros((6, 6), bool)
    apart[np.triu_indices(6, 1)] = pairs
    apart |= apart.T
    labels = tuple("ABCDEF")
    heads = _fewest(labels, apart)
    assert sorted(label for head in heads for label in head) == sorted(labels)
    for head in heads:
        some = [labels.index(label) for label in head]
        assert not apart[np.ix_(some, some)].any()
