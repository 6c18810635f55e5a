"""Which annotations of a task count."""

from typing import Any

import pytest

from shared.labelling.annotations import Annotation, read_annotation, select_annotations


def test_ground_truth_alone_decides_a_task() -> None:
    one = Annotation(id=1, result=[], ground_truth=True)
    two = Annotation(id=2, result=[], updated_at="2026-02-01")
    assert select_annotations([two, one]) == [one]


def test_skipped_annotations_never_count() -> None:
    skipped = Annotation(id=1, result=[], ground_truth=True, was_cancelled=True)
    two = Annotation(id=2, result=[])
    assert select_annotations([skipped, two]) == [two]


def test_annotations_count_in_the_order_in_which_they_were_written() -> None:
    corrected = Annotation(id=1, result=[], created_at="2026-01-01", updated_at="2026-03-01")
    other = Annotation(id=2, result=[], created_at="2026-02-01", updated_at="2026-02-01")
    assert select_annotations([corrected, other]) == [other, corrected]


def test_an_annotation_is_read_as_label_studio_writes_it() -> None:
    raw = {"id": 7, "result": None, "created_at": "2026-01-01T01:00:00+01:00", "was_cancelled": False}
    assert read_annotation(raw) == Annotation(id=7, result=[], created_at="2026-01-01T00:00:00.000000+00:00")


@pytest.mark.parametrize("raw", [{"result": []}, {"id": "x"}, {"id": 1, "result": {"a": 1}}])
def test_what_is_no_annotation_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        read_annotation(raw)


def written(number: int, day: int, annotator: str = "", **more: Any) -> Annotation:
    return Annotation(id=number, result=[], updated_at=f"2026-01-{day:02}", annotator=annotator, **more)


def test_of_each_annotator_the_latest_counts_and_who_is_unknown_is_somebody_else() -> None:
    found = [written(1, 1, "7"), written(2, 2, "8"), written(3, 3, "7"), written(4, 4), written(5, 5)]
    assert [each.id for each in select_annotations(found)] == [2, 3, 4, 5]


def test_latest_lets_the_last_annotation_decide_alone_but_never_over_a_ground_truth() -> None:
    first, second = written(1, 1, "7"), written(2, 2, "8")
    assert select_annotations([second, first], "latest") == [second]
    assert [each.id for each in select_annotations([second, written(1, 1, "7", ground_truth=True)], "latest")] == [1]


def test_ground_truths_of_one_annotator_are_one_vote() -> None:
    found = [written(1, 1, "7", ground_truth=True), written(2, 2, "7", ground_truth=True), written(3, 3, "8")]
    assert [each.id for each in select_annotations(found)] == [2]


@pytest.mark.parametrize(
    ("completed_by", "annotator"),
    [
        (7, "7"),
        ("a@example.com", "a@example.com"),
        ({"id": 7, "email": "a@example.com"}, "7"),
        ({"email": "a@example.com"}, "a@example.com"),
        (None, ""),
        ({}, ""),
        ([7], ""),
    ],
)
def test_annotators_are_read_as_exports_write_them(completed_by: object, annotator: str) -> None:
    assert read_annotation({"id": 1, "completed_by": completed_by}).annotator == annotator


RESULT = [{"type": "timeserieslabels", "value": {"start": 1, "end": 2, "timeserieslabels": ["Run"]}}]
MADE = {"id": 1, "result": RESULT, "parent_prediction": 9, "lead_time": None}


@pytest.mark.parametrize(
    ("changed", "machine_made"),
    [
        ({}, True),
        ({"parent_prediction": None}, False),
        ({"lead_time": 3.2}, False),
        ({"ground_truth": True}, False),
        ({"result": []}, False),
        ({"last_action": "prediction"}, True),
        ({"last_action": "updated"}, False),
        ({"last_action": "prediction", "lead_time": 1.0}, True),
    ],
)
def test_a_prediction_accepted_by_nobody_is_distinguished_from_what_people_made(
    changed: dict[str, object], machine_made: bool
) -> None:
    assert read_annotation({**MADE, **changed}, {9: RESULT}).machine_made is machine_made


def test_an_accepted_prediction_whose_prediction_is_not_at_hand_is_taken_for_unchanged() -> None:
    assert read_annotation(MADE).machine_made


def test_machine_made_annotations_count_only_where_people_made_none_and_it_was_asked_for() -> None:
    machine, person = written(1, 9, "7", machine_made=True), written(2, 2, "7")
    assert select_annotations([machine]) == []
    assert select_annotations([machine], machine_annotations="learn") == [machine]
    assert select_annotations([machine, person], machine_annotations="learn") == [person]
