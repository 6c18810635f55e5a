"""AgreementMetrics of held-out predictions with annotators, and of annotators with each other."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as with_fields
from sklearn.metrics import cohen_kappa_score

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.store.report import AgreementMetrics
from training.data.annotations import AnnotatedSeries, Recording, choose_label_kinds, label_rows
from training.data.opinions import Author
from training.judging.evaluate import HeldOutPrediction
from training.people import agreements
from training.people.agreement import NOTHING, PRELABEL, kappa_of_rows

ROWS = 100
RUN, WALK = Segment(10, 39, "Run"), Segment(60, 79, "Walk")
ANNA = Author("anna", "2026-11-05T10:00:00+00:00")
BERT = Author("bert", "2026-12-01T10:00:00+00:00", prelabelled=True)


def recording(*layers: tuple[Segment, ...], key: str = "1", authors: tuple[Author, ...] = (ANNA, BERT)) -> Recording:
    series = Series(np.zeros((ROWS, 1)), TimeAxis.of_rows(ROWS))
    marked = AnnotatedSeries(key, f"task {key}", f"task {key}", series, layers, authors=authors[: len(layers)])
    return label_rows(marked, choose_label_kinds([marked], ("Run", "Walk", "Beat")), "background", 0)


def held_out(found: Recording, *segments: Segment) -> HeldOutPrediction:
    return HeldOutPrediction(found, 0, (), np.zeros((0, 0), np.float32), segments)


def by_group(found: tuple[AgreementMetrics, ...]) -> dict[tuple[str, str, str], AgreementMetrics]:
    return {(each.between, each.by, each.name): each for each in found}


def test_annotators_of_one_recording_are_compared_row_by_row_and_segment_by_segment() -> None:
    both = recording((RUN, WALK), (with_fields(RUN, last=44), with_fields(WALK, label="Run")))
    found = by_group(agreements((), [both], 1.0))
    every = found["annotators", "all", ""]
    assert (every.recordings, every.segments, every.f1) == (1, 2, 0.5)
    first, second = (each.labels[:, 0] for each in both.annotators)
    assert every.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-4)
    assert found["annotators", "pair", "anna and bert"].f1 == found["annotators", "person", "bert"].f1 == 0.5
    assert found["annotators", "label", "Run"].f1 == pytest.approx(2 / 3, abs=1e-4)
    assert found["annotators", "label", "Walk"].f1 == 0.0
    assert found["annotators", "month", "2026-12"].recordings == 1
    assert not any(between == "model" for between, _, _ in found)


def test_what_was_drawn_from_a_prelabel_is_told_apart() -> None:
    alone = recording((RUN, WALK))
    prelabelled = recording((RUN, WALK), key="2", authors=(BERT,))
    predictions = [held_out(alone, RUN), held_out(prelabelled, RUN, WALK)]
    found = by_group(agreements(predictions, [alone, prelabelled], 1.0))
    assert found["model", "origin", NOTHING].f1 == pytest.approx(2 / 3, abs=1e-4)
    assert found["model", "origin", PRELABEL].f1 == 1.0
    assert found["model", "person", "anna"].segments == 2
    assert found["model", "month", "2026-11"].kappa is not None
    assert found["model", "all", ""].recordings == 2
    assert not any(between == "annotators" for between, _, _ in found)


def test_accepted_predictions_are_compared_with_nothing() -> None:
    made = replace(recording((RUN, WALK)), machine_made=True)
    assert agreements([held_out(made, RUN, WALK)], [made], 1.0) == ()


def test_events_count_within_the_tolerance() -> None:
    beats = [Segment(row, row, "Beat", instant=True) for row in (10, 40, 70)]
    moved = [with_fields(each, first=each.first + 2, last=each.last + 2) for each in beats]
    both = recording(tuple(beats), tuple(moved))
    found = by_group(agreements((), [both], 2.0))["annotators", "all", ""]
    assert (found.f1, found.segments, found.kappa) == (1.0, 3, None)
    assert by_group(agreements((), [both], 1.0))["annotators", "all", ""].f1 == 0.0


def test_kappa_of_several_heads_is_the_mean_by_rows() -> None:
    one, other = np.array([[40.0, 10], [5, 45]]), np.array([[30.0, 0], [0, 70]])
    both = np.zeros((4, 4))
    both[:2, :2], both[2:, 2:] = one, other
    single = [kappa_of_rows(each, [2]) for each in (one, other)]
    assert single[1] == 1.0
    assert kappa_of_rows(both, [2, 2]) == pytest.approx(np.mean([each or 0 for each in single]), abs=1e-4)
    assert kappa_of_rows(np.array([[50.0, 0], [0, 0]]), [2]) is None
