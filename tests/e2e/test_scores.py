"""The series and scores of these tests themselves are right."""

import pytest

from tests.e2e.scores import Scores, score
from tests.e2e.series import AXES, LABELS, Axis, Recording, Segment, make_recordings, read_regions, regions

RECORDING = Recording("one.csv", b"", 100, "index", (Segment(10, 29, "Walk"), Segment(50, 69, "Run")))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("labels", [2, 3, 4])
def test_regions_lead_back_to_the_segments_they_were_drawn_from(axis: Axis, labels: int) -> None:
    """On every axis; and each recording holds all labels."""
    for recording in make_recordings(3, 5, LABELS[:labels], axis):
        assert read_regions(recording, regions(recording)) == list(recording.segments)
        assert {segment.label for segment in recording.segments} == set(LABELS[:labels])
        assert recording.csv.count(b"\n") == recording.rows + 1 == 601


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([Segment(10, 29, "Walk"), Segment(50, 69, "Run")], Scores(1.0, 1.0)),
        ([Segment(10, 29, "Walk"), Segment(50, 69, "Walk")], Scores(0.8, 0.5)),
        ([Segment(10, 19, "Walk"), Segment(50, 69, "Run")], Scores(0.9, 1.0)),
        ([Segment(10, 18, "Walk"), Segment(50, 69, "Run")], Scores(0.89, 0.5)),
        ([Segment(10, 19, "Walk"), Segment(20, 29, "Walk"), Segment(50, 69, "Run")], Scores(1.0, 0.8)),
        ([], Scores(0.6, 0.0)),
    ],
)
def test_scores_count_rows_and_segments_that_overlap_by_half(predicted: list[Segment], expected: Scores) -> None:
    """The last column by hand: 2 · right / (true + predicted)."""
    assert score([RECORDING], [predicted]) == expected
