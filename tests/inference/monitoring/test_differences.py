from hypothesis import given
from hypothesis import strategies as st

from inference.monitoring.differences import agreement, count_found, differences
from shared.store.report import StoredSegment

RUN = StoredSegment(10, 19, "Run")


def test_equal_segments_do_not_differ() -> None:
    assert differences([RUN], [RUN]) == []
    assert agreement([RUN], [RUN]) == 1.0
    assert agreement([], []) == 1.0


def test_a_border_that_is_off_differs_between_the_two_borders() -> None:
    longer = StoredSegment(10, 24, "Run")
    assert differences([RUN], [longer]) == [(20, 24)]
    assert agreement([RUN], [longer]) == 10 / 15


def test_another_label_a_missing_and_a_superfluous_segment_differ() -> None:
    walk = StoredSegment(10, 19, "Walk")
    assert differences([RUN], [walk]) == [(10, 19)]
    assert differences([RUN], []) == differences([], [RUN]) == [(10, 19)]
    assert agreement([RUN], [walk]) == 0.0


def test_instants_match_within_the_tolerance() -> None:
    beats = [StoredSegment(row, row, "N", instant=True) for row in (10, 50, 90)]
    near = [StoredSegment(row, row, "N", instant=True) for row in (12, 50, 97)]
    assert differences(beats, near, 3) == [(90, 90), (97, 97)]
    assert agreement(beats, near, 3) == 2 / 3
    assert count_found(beats, near, 3) == 2


def test_a_segment_is_found_once_if_half_of_it_is() -> None:
    halves = [StoredSegment(10, 14, "Run"), StoredSegment(15, 19, "Run")]
    assert count_found([RUN], halves) == 1
    assert count_found([RUN], [StoredSegment(16, 25, "Run")]) == 0
    assert count_found([RUN, RUN], [RUN]) == 1


@st.composite
def segments(draw: st.DrawFn) -> list[StoredSegment]:
    bounds = draw(st.lists(st.integers(0, 60), min_size=0, max_size=8, unique=True).map(sorted))
    pairs = zip(bounds[::2], bounds[1::2], strict=False)
    return [StoredSegment(first, last - 1, draw(st.sampled_from("ab"))) for first, last in pairs]


@given(segments(), segments())
def test_stretches_are_those_that_a_comparison_row_by_row_finds(
    ours: list[StoredSegment], theirs: list[StoredSegment]
) -> None:
    rows = [
        [next((each.label for each in side if each.first <= row <= each.last), "") for side in (ours, theirs)]
        for row in range(61)
    ]
    found = {row for first, last in differences(ours, theirs) for row in range(first, last + 1)}
    assert found == {row for row, (one, other) in enumerate(rows) if one != other}
    marked = [one == other for one, other in rows if one or other]
    assert agreement(ours, theirs) == (sum(marked) / len(marked) if marked else 1.0)
