"""Label sets on one series: heads of their own, and rows that are known of each."""

import numpy as np

from shared.labelling.regions import UnclearRegion
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import UNKNOWN, AnnotatedSeries, Recording, choose_label_kinds, label_rows, label_runs
from training.data.label_heads import covered_labels, separate_labels

LABELS = ("Run", "Walk", "Noise", "Gap")
SETS = {"activity": frozenset({"Run", "Walk"}), "state": frozenset({"Noise", "Gap"})}


def annotated(
    *layers: list[Segment], unclear: tuple[tuple[UnclearRegion, ...], ...] = ()
) -> tuple[AnnotatedSeries, ...]:
    series = Series(np.zeros((100, 1)), TimeAxis.of_rows(100))
    return (AnnotatedSeries("1", "task 1", "task 1", series, tuple(map(tuple, layers)), unclear),)


def rows_of(
    *layers: list[Segment], unlabelled: str = "background", unclear: tuple[tuple[UnclearRegion, ...], ...] = ()
) -> Recording:
    found = annotated(*layers, unclear=unclear)
    kinds = separate_labels(choose_label_kinds(found, LABELS), found, sets=SETS)
    return label_rows(found[0], kinds, unlabelled, 5)


def test_labels_of_two_sets_never_share_a_head_whatever_overlaps() -> None:
    apart = annotated([Segment(0, 9, "Run"), Segment(20, 29, "Noise"), Segment(40, 49, "Walk")])
    kinds = separate_labels(choose_label_kinds(apart, LABELS), apart, previous=(("Run", "Walk", "Noise"),), sets=SETS)
    assert kinds.heads == (("Run", "Walk"), ("Noise",))
    assert not kinds.notes, "people who make two sets know that"


def test_labels_within_a_set_go_apart_as_anywhere() -> None:
    found = annotated([Segment(0, 99, "Run"), Segment(20, 29, "Walk"), Segment(40, 49, "Noise")]) * 2
    kinds = separate_labels(choose_label_kinds(found, LABELS), found, sets=SETS)
    assert kinds.heads == (("Run",), ("Walk",), ("Noise",))
    assert kinds.notes


def test_a_region_whose_label_is_unknown_says_nothing_of_the_other_set() -> None:
    lost = UnclearRegion(30, 39, None, False, SETS["state"])
    recording = rows_of([Segment(0, 9, "Run"), Segment(50, 59, "Noise")], unclear=((lost,),))
    assert label_runs(recording.known_labels(0)) == [(0, 9, 1), (10, 99, 0)]
    assert label_runs(recording.known_labels(1)) == [
        (0, 29, 0),
        (30, 39, UNKNOWN),
        (40, 49, 0),
        (50, 59, 1),
        (60, 99, 0),
    ]


def test_under_ignore_each_set_is_known_where_it_was_used() -> None:
    recording = rows_of([Segment(10, 19, "Run"), Segment(40, 49, "Noise")], unlabelled="ignore")
    assert np.flatnonzero(recording.known[:, 0]).tolist() == list(range(5, 25))
    assert np.flatnonzero(recording.known[:, 1]).tolist() == list(range(35, 55))


def test_under_ignore_two_annotators_agree_on_each_set_by_itself() -> None:
    both = [Segment(10, 19, "Run"), Segment(40, 49, "Noise")]
    recording = rows_of(both, [Segment(10, 19, "Run")], unlabelled="ignore")
    assert np.flatnonzero(recording.known[:, 0]).tolist() == list(range(5, 25))
    assert np.flatnonzero(recording.known[:, 1]).tolist() == list(range(40, 50)), "only one of two looked around it"


def test_instants_of_a_set_are_known_where_sets_with_instants_were_used() -> None:
    marks = [Segment(10, 19, "Run"), Segment(60, 60, "Noise", instant=True)]
    recording = rows_of(marks, unlabelled="ignore")
    assert np.flatnonzero(recording.known[:, 1]).tolist() == list(range(55, 66))
    assert np.flatnonzero(recording.known[:, 0]).tolist() == list(range(5, 25))


def test_a_recording_of_one_set_alone_has_its_heads_and_events() -> None:
    recording = rows_of([Segment(0, 9, "Run"), Segment(50, 59, "Noise"), Segment(70, 70, "Gap", instant=True)])
    alone = recording.only(SETS["state"])
    assert alone.kinds.heads == (("Noise",),)
    assert [each.label for each in alone.segments()] == ["Noise", "Gap"]
    assert alone.known.shape == (100, 2)
    assert recording.only(SETS["activity"]).known.shape == (100, 1)


def test_where_overlaps_are_forbidden_each_set_is_one_head_and_the_shorter_region_is_on_top() -> None:
    found = annotated([Segment(0, 99, "Run"), Segment(20, 29, "Walk"), Segment(40, 49, "Noise")]) * 2
    before = (("Run",), ("Walk",), ("Noise",))
    for sets, heads in ((SETS, (("Run", "Walk"), ("Noise",))), ({}, (("Run", "Walk", "Noise"),))):
        kinds = separate_labels(choose_label_kinds(found, LABELS), found, before, sets, "forbid")
        assert kinds.heads == heads
        assert not kinds.notes
        recording = label_rows(found[0], kinds, "background", 0)
        assert label_runs(recording.known_labels(0))[:2] == [(0, 19, 1), (20, 29, 2)]
        assert separate_labels(choose_label_kinds(found, LABELS), found, (), sets).heads != heads


def test_a_label_that_others_cover_everywhere_is_told_what_would_help() -> None:
    found = annotated([Segment(0, 9, "Run"), Segment(0, 8, "Walk"), Segment(9, 9, "Gap")])
    kinds = separate_labels(choose_label_kinds(found, LABELS), found, (), {}, "forbid")
    (doubt,) = covered_labels([label_rows(found[0], kinds, "background", 0)], kinds, "forbid")
    assert "Set OVERLAPS=auto" in doubt.sentence
