"""Work that predictions save: what is kept, corrected, deleted and drawn."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from shared.labelling.segments import Segment
from training.data.annotations import Recording
from training.judging.metrics import Classes, compute_metrics, count
from training.judging.work_saved import kappa, place_evenly, work_on_events, work_on_ranges, work_saved

TRUE = [(0, 9, 1), (20, 29, 2), (40, 49, 1)]


@pytest.mark.parametrize(
    ("predicted", "work", "saved"),
    [
        ([], [3, 0, 0, 3], 0.0),
        (TRUE, [0, 0, 0, 3], 1.0),
        ([(0, 4, 1), (20, 29, 2), (40, 49, 1)], [0, 0, 0, 3], 1.0),  # half of it: left as it is
        ([(0, 3, 1), (20, 29, 2), (40, 49, 1)], [0, 1, 0, 3], 8 / 9),  # a border moved
        ([(0, 9, 2), (20, 29, 2), (40, 49, 1)], [0, 1, 0, 3], 8 / 9),  # relabelled
        ([(9, 18, 1), (20, 29, 2), (40, 49, 1)], [1, 0, 1, 3], 1 - 4 / 9),  # one row in common
        ([(0, 4, 1), (5, 9, 1), (20, 29, 2), (40, 49, 1)], [0, 0, 1, 3], 8 / 9),  # in two pieces
        ([(0, 49, 1)], [2, 1, 0, 3], 1 - 7 / 9),
        ([(row, row, 1) for row in range(10, 20)], [3, 0, 10, 3], 1 - 19 / 9),
    ],
)
def test_each_segment_costs_what_must_be_done_to_it(
    predicted: list[tuple[int, int, int]], work: list[float], saved: float
) -> None:
    found = work_on_ranges(TRUE, predicted)
    assert found.tolist() == work
    assert float(work_saved(found)) == pytest.approx(saved)


def test_an_event_is_kept_relabelled_deleted_or_drawn() -> None:
    crossed = np.array([[0, 5, 1], [2, 20, 3], [4, 0, 10]], float)
    assert work_on_events(crossed).tolist() == [6, 3, 6, 39]


Runs = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 2)), max_size=8)


def laid_out(gaps: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    found, row = [], 0
    for gap, rows, label in gaps:
        found.append((row + gap, row + gap + rows - 1, label))
        row += gap + rows
    return found


@given(Runs, Runs)
def test_every_segment_is_counted_once(true: list[tuple[int, int, int]], predicted: list[tuple[int, int, int]]) -> None:
    one, other = laid_out(true), laid_out(predicted)
    drawn, corrected, deleted, total = work_on_ranges(one, other).tolist()
    assert total == len(one)
    assert len(one) - drawn == len(other) - deleted >= corrected >= 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    if len({*true, *predicted}) < 2:
        return
    confusion = np.zeros((3, 3))
    np.add.at(confusion, (list(true), list(predicted)), 1)
    assert float(kappa(confusion, [3])) == pytest.approx(cohen_kappa_score(true, predicted))


def test_kappa_of_two_heads_takes_chance_within_each() -> None:
    one, other = np.array([[40.0, 10], [20, 30]]), np.array([[50.0, 0], [50, 0]])
    both = np.zeros((4, 4))
    both[:2, :2], both[2:, 2:] = one, other
    agreed, chance = 70 + 50, (60 * 50 + 40 * 50) / 100 + 50
    assert float(kappa(both, [2, 2])) == pytest.approx((agreed - chance) / (200 - chance))


def test_even_events_are_on_known_rows_at_equal_distances() -> None:
    assert place_evenly(np.arange(100, 200), 4).tolist() == [112, 137, 162, 187]
    assert place_evenly(np.arange(0), 0).tolist() == []


def test_ranges_and_instants_of_a_recording_add_up(make_recording: Callable[..., Recording]) -> None:
    marks = [Segment(10, 29, "Run"), Segment(40, 59, "Walk"), *(Segment(r, r, "Beat", instant=True) for r in (5, 50))]
    recording = make_recording(marks, labels=("Run", "Walk", "Beat"))
    found = count(recording, [marks[0], marks[2], Segment(90, 90, "Beat", instant=True)], 1.0)
    assert found["work"].tolist() == [2, 0, 1, 4]
    classes = Classes(recording.kinds, np.ones(4, bool))
    assert float(compute_metrics(found, classes)["work_saved"]) == pytest.approx(1 - 7 / 12)
