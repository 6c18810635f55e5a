"""Which rows a region marks, and which ones it may mark."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.labelling.regions import UnclearRegion
from training.data.painting import UNKNOWN, Painted, paint


def unclear(first: int | None, last: int | None) -> UnclearRegion:
    return UnclearRegion(first, last, None, instant=False)


def runs(regions: list[Painted], *doubtful: UnclearRegion) -> list[tuple[int, int]]:
    """Label and number of rows of each run of 100 rows."""
    labels = paint(regions, doubtful, 100)
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), 100]
    return [(int(labels[a]), b - a) for a, b in pairwise(edges)]


def test_of_overlapping_regions_the_shorter_is_on_top() -> None:
    assert runs([Painted(20, 29, 2), Painted(0, 59, 1)]) == [(1, 20), (2, 10), (1, 30), (0, 40)]


def test_a_region_with_an_unknown_label_makes_its_rows_unknown_and_no_others() -> None:
    assert runs([Painted(0, 9, 1)], unclear(20, 29)) == [(1, 10), (0, 10), (UNKNOWN, 10), (0, 70)]


def test_a_readable_region_inside_one_with_an_unknown_label_is_known() -> None:
    assert runs([Painted(40, 49, 1)], unclear(20, 79)) == [(0, 20), (UNKNOWN, 20), (1, 10), (UNKNOWN, 30), (0, 20)]


def test_from_a_start_without_an_end_rows_are_unknown_up_to_the_next_region_or_the_end() -> None:
    assert runs([Painted(0, 9, 1), Painted(50, 59, 1)], unclear(20, None)) == [
        (1, 10),
        (0, 10),
        (UNKNOWN, 30),
        (1, 10),
        (0, 40),
    ]
    assert runs([Painted(0, 9, 1)], unclear(20, None)) == [(1, 10), (0, 10), (UNKNOWN, 80)]


def test_up_to_an_end_without_a_start_rows_are_unknown_from_the_region_before_or_the_beginning() -> None:
    assert runs([Painted(0, 9, 1)], unclear(None, 29)) == [(1, 10), (UNKNOWN, 20), (0, 70)]
    assert runs([Painted(50, 59, 1)], unclear(None, 29)) == [(UNKNOWN, 30), (0, 20), (1, 10), (0, 40)]


def test_without_any_bound_all_rows_outside_regions_are_unknown() -> None:
    assert runs([Painted(20, 29, 1)], unclear(None, None)) == [(UNKNOWN, 20), (1, 10), (UNKNOWN, 70)]


def test_bounds_the_wrong_way_round_say_only_between_which_regions_it_is() -> None:
    found = runs([Painted(0, 9, 1), Painted(80, 89, 2)], unclear(50, 40))
    assert found == [(1, 10), (UNKNOWN, 70), (2, 10), (0, 10)]


BOUNDS = st.one_of(st.none(), st.integers(0, 99))


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 30), st.integers(1, 3)), max_size=5),
    st.lists(st.tuples(BOUNDS, BOUNDS), min_size=1, max_size=3),
)
def test_what_is_in_doubt_never_turns_a_row_into_background_or_another_label(
    marked: list[tuple[int, int, int]], doubtful: list[tuple[int | None, int | None]]
) -> None:
    regions = [Painted(first, min(first + length, 99), index) for first, length, index in marked]
    without, labels = paint(regions, [], 100), paint(regions, [unclear(*each) for each in doubtful], 100)
    assert ((labels == without) | (labels == UNKNOWN)).all()
    for bound in (row for each in doubtful for row in each if row is not None):
        assert labels[bound] != 0
