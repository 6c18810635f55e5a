"""Annotations that a model which has not seen the recording contradicts, by kind and order."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from shared.labelling.segments import Segment
from shared.model_file.card import Head, InstantHead, RangeHead
from shared.store.report import LabelError
from training.data.annotations import Recording
from training.judging.evaluate import HeldOutPrediction, decode
from training.judging.label_errors import find_label_errors

RANGES = RangeHead(labels=("Run", "Walk"), min_rows=(1, 1, 1))
INSTANTS = InstantHead(labels=("Run", "Walk"), half_width=2, spacing=(3, 3), threshold=(0.5, 0.5))
ROWS = 200
TOLERANCE = 2.0

Make = Callable[..., Recording]


def predicted(recording: Recording, found: Sequence[Segment], certainty: float = 0.98) -> HeldOutPrediction:
    """What a model says that finds these segments."""
    instant = bool(recording.kinds.instants)
    head: Head = INSTANTS if instant else RANGES
    probabilities = np.full((recording.rows, 3), (1 - certainty) / 2, np.float32)
    classes = np.zeros(recording.rows, np.int64)
    for each in found:
        rows = slice(max(0, each.first - 1), each.last + 2) if instant else slice(each.first, each.last + 1)
        classes[rows] = 1 + head.labels.index(each.label)
    probabilities[np.arange(recording.rows), classes] = certainty
    return HeldOutPrediction(recording, 0, (head,), probabilities, tuple(decode([head], probabilities)))


def told(errors: Sequence[LabelError]) -> list[tuple[str, int, int, str, str]]:
    return [(each.kind, each.first, each.last, each.annotated, each.decoded) for each in errors]


def ranges(*segments: tuple[int, int, str]) -> list[Segment]:
    return [Segment(first, last, label) for first, last, label in segments]


def events(*instants: tuple[int, str]) -> list[Segment]:
    return [Segment(row, row, label, instant=True) for row, label in instants]


FOUND = ((10, 39, "Run"), (60, 89, "Walk"), (120, 149, "Run"))


@pytest.mark.parametrize(
    ("annotated", "expected"),
    [
        (FOUND, []),
        ((FOUND[0], (60, 89, "Run"), FOUND[2]), [("wrong label", 60, 89, "Run", "Walk")]),
        ((FOUND[0], FOUND[1]), [("missing", 120, 149, "", "Run")]),
        ((*FOUND, (160, 189, "Walk")), [("superfluous", 160, 189, "Walk", "")]),
        (((10, 27, "Run"), FOUND[1], FOUND[2]), [("border off", 28, 39, "", "Run")]),
        (((10, 52, "Run"), FOUND[1], FOUND[2]), [("border off", 40, 52, "Run", "")]),
    ],
)
def test_ranges_that_a_model_contradicts_are_told_by_kind(
    make_recording: Make, annotated: tuple[tuple[int, int, str], ...], expected: list[tuple[str, int, int, str, str]]
) -> None:
    recording = make_recording(ranges(*annotated), rows=ROWS)
    assert told(find_label_errors([predicted(recording, ranges(*FOUND))], TOLERANCE)) == expected


SEEN = ((20, "Run"), (60, "Walk"), (100, "Run"), (140, "Walk"))


@pytest.mark.parametrize(
    ("annotated", "expected"),
    [
        (SEEN, []),
        ((SEEN[0], (61, "Run"), *SEEN[2:]), [("wrong label", 61, 61, "Run", "Walk")]),
        (SEEN[:3], [("missing", 140, 140, "", "Walk")]),
        ((*SEEN, (170, "Run")), [("superfluous", 170, 170, "Run", "")]),
        ((*SEEN[:3], (145, "Walk")), [("border off", 140, 145, "Walk", "Walk")]),
    ],
)
def test_instants_that_a_model_contradicts_are_told_by_kind(
    make_recording: Make, annotated: tuple[tuple[int, str], ...], expected: list[tuple[str, int, int, str, str]]
) -> None:
    recording = make_recording(events(*annotated), rows=ROWS)
    assert told(find_label_errors([predicted(recording, events(*SEEN))], TOLERANCE)) == expected


def test_the_surest_come_first_and_what_nobody_knows_or_a_model_doubts_is_not_told(make_recording: Make) -> None:
    annotated = ranges(FOUND[0], FOUND[1])
    sure, less, doubting = (replace(make_recording(annotated, rows=ROWS), key=key) for key in ("1", "2", "3"))
    found = [
        predicted(less, ranges(*FOUND), 0.9),
        predicted(doubting, ranges(*FOUND), 0.6),
        predicted(sure, ranges(*FOUND)),
    ]
    assert [each.task for each in find_label_errors(found, TOLERANCE)] == ["1", "2"]
    sure.known[115:155] = False
    assert [each.task for each in find_label_errors(found, TOLERANCE)] == ["2"]
