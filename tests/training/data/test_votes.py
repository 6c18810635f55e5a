"""What counts where annotators differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.painting import UNKNOWN, Labels
from training.data.votes import NO_VOTE, Instant, disputed_rows, vote_on_events, vote_on_rows


def rows(*labels: int) -> Labels:
    return np.array(labels, np.int16)


def events(label: str, *places: int) -> list[Instant]:
    return [Instant(row, label) for row in places]


@pytest.mark.parametrize(
    ("opinions", "found"),
    [
        ((1,), 1),
        ((1, 1), 1),
        ((1, 0), UNKNOWN),
        ((1, 1, 0), 1),
        ((0, 1, 0), 0),
        ((1, 2, 0), UNKNOWN),
        ((1, 1, 0, 0), UNKNOWN),
        ((1, NO_VOTE), 1),
        ((1, UNKNOWN), UNKNOWN),
        ((1, 1, UNKNOWN), 1),
        ((NO_VOTE, NO_VOTE), UNKNOWN),
        ((UNKNOWN, UNKNOWN), UNKNOWN),
        ((NO_VOTE,), UNKNOWN),
    ],
)
def test_a_row_is_what_more_than_half_of_those_who_vote_say(opinions: tuple[int, ...], found: int) -> None:
    assert vote_on_rows([rows(each) for each in opinions]).tolist() == [found]


def test_heads_are_voted_on_one_by_one() -> None:
    first, second = np.array([[1, 0]], np.int16), np.array([[1, 2]], np.int16)
    assert vote_on_rows([first, second]).tolist() == [[1, UNKNOWN]]


def test_rows_are_disputed_where_two_contradict_each_other() -> None:
    found = disputed_rows([rows(1, 1, 1, 0, UNKNOWN, NO_VOTE), rows(1, 2, UNKNOWN, 1, UNKNOWN, NO_VOTE)])
    assert found.tolist() == [False, True, False, True, False, False]


@given(st.lists(st.lists(st.integers(-2, 3), min_size=20, max_size=20), min_size=1, max_size=5))
def test_a_vote_depends_on_no_order_and_holds_only_given_labels(opinions: list[list[int]]) -> None:
    arrays = [rows(*each) for each in opinions]
    found = vote_on_rows(arrays)
    assert (vote_on_rows(arrays[::-1]) == found).all()
    for row, label in enumerate(found.tolist()):
        said = [each[row] for each in opinions]
        assert label == UNKNOWN or 2 * said.count(label) > len(said) - said.count(NO_VOTE)


def test_an_event_that_more_than_half_have_is_at_their_median_row() -> None:
    found = vote_on_events([events("J", 10), events("J", 12), events("J", 13)], 2.0, unmarked_votes=True)
    assert found == ([Instant(12, "J")], [])


def test_an_event_that_only_half_have_is_disputed() -> None:
    found = vote_on_events([events("J", 10, 50), events("J", 11)], 2.0, unmarked_votes=True)
    assert found == ([Instant(10, "J")], [50])


def test_an_event_of_two_labels_is_disputed_and_a_minority_outvoted() -> None:
    assert vote_on_events([events("N", 10), events("V", 10)], 2.0, unmarked_votes=True) == ([], [10, 10])
    two_of_three = [events("N", 10), events("V", 10), events("N", 11)]
    assert vote_on_events(two_of_three, 2.0, unmarked_votes=True) == ([Instant(10, "N")], [])


def test_who_marked_nothing_at_a_place_may_have_no_vote_there() -> None:
    assert vote_on_events([events("J", 10, 50), events("J", 11)], 2.0, unmarked_votes=False).agreed == [
        Instant(10, "J"),
        Instant(50, "J"),
    ]
    assert vote_on_events([events("N", 10), events("V", 10)], 2.0, unmarked_votes=False).agreed == []


def test_an_event_far_from_the_median_of_the_others_is_not_the_same_one() -> None:
    found = vote_on_events([events("J", 10), events("J", 11), events("J", 13)], 1.0, unmarked_votes=True)
    assert found.agreed == [Instant(10, "J")]


@given(st.lists(st.lists(st.integers(0, 60), max_size=8, unique=True), min_size=1, max_size=4), st.integers(0, 5))
def test_every_event_is_agreed_on_outvoted_or_disputed(places: list[list[int]], tolerance: int) -> None:
    opinions = [events("J", *sorted(each)) for each in places]
    agreed, disputed = vote_on_events(opinions, tolerance, unmarked_votes=True)
    marked = {row for each in places for row in each}
    assert set(disputed) <= marked
    for event in agreed:
        assert 2 * sum(any(abs(row - event.row) <= tolerance + 0.5 for row in each) for each in places) > len(places)
    for row in marked:
        assert row in disputed or any(abs(row - event.row) <= 2 * tolerance + 1 for event in agreed)
