"""Which annotations of a task count."""

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
