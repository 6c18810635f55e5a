import heapq
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.segmentation.duration_filter import SURE, Counts, LabelRuns, filter_runs, joined, snap_borders, sure_from

Doubles = NDArray[np.float64]


def random_rows(rows: int, classes: int, seed: int) -> Doubles:
    """Log probabilities that stay with one class for a few rows at a time."""
    rng = np.random.default_rng(seed)
    drift = rng.normal(size=(rows, classes)) + np.repeat(rng.normal(size=(rows // 7 + 1, classes)), 7, axis=0)[:rows]
    return np.asarray(drift - np.log(np.exp(drift).sum(axis=1, keepdims=True)))


def runs_of(logs: Doubles, classes: Counts) -> LabelRuns:
    starts = np.flatnonzero(np.diff(classes, prepend=-1))
    lengths = np.diff(starts, append=len(classes))
    return LabelRuns(classes[starts], lengths, np.add.reduceat(logs, starts))


def painted(runs: LabelRuns, starts: Counts, classes: Counts) -> Counts:
    """Column of every row, from groups of runs."""
    groups = runs.grouped(starts, classes)
    return np.repeat(groups.classes, groups.lengths)


def naive_filter(logs: Doubles, classes: Counts, least: list[int], sure: list[int] | None, sure_by: float) -> Counts:
    """Row by row, all over again after every join: quadratic."""
    classes = classes.copy()
    stay: set[tuple[int, int]] = set()
    while True:
        starts = np.flatnonzero(np.diff(classes, prepend=-1)).tolist()
        ends = [*starts[1:], len(classes)]
        spans = [(s, e) for s, e in zip(starts, ends, strict=True) if (s, e) not in stay]
        short = [(e - s, s, e) for s, e in spans if e - s < least[classes[s]]]
        if not short or len(starts) == 1:
            return classes
        _, start, end = min(short)
        neighbours = [classes[start - 1]] if start else []
        neighbours += [classes[end]] if end < len(classes) else []
        evidence = logs[start:end].sum(axis=0)
        if sure and (start == 0 or end == len(classes) or end - start >= sure[classes[start]]):
            margin = evidence[classes[start]] - max(evidence[class_index] for class_index in neighbours)
            if margin >= sure_by * (end - start):
                stay.add((start, end))
                continue
        classes[start:end] = max(neighbours, key=lambda class_index: evidence[class_index])


def naive_snap(logs: Doubles, runs: LabelRuns, classes: Counts, least: list[int]) -> Counts:
    """Every border in turn, every border of runs between its neighbours tried, sums taken row by row."""
    classes = classes.copy()
    possible = np.cumsum(runs.lengths).tolist()
    group = 1
    while True:
        borders = [0, *(np.flatnonzero(np.diff(classes)) + 1).tolist(), len(classes)]
        if group >= len(borders) - 1:
            return classes
        first, border, last = borders[group - 1 : group + 2]
        before, after = classes[first], classes[border]
        left, right = min(least[before], border - first), min(least[after], last - border)
        best, gain = border, 1e-9
        for row in possible:
            if first < row < last and row - first >= left and last - row >= right:
                here = logs[first:row, before].sum() + logs[row:last, after].sum()
                more = here - logs[first:border, before].sum() - logs[border:last, after].sum()
                if more > gain + 1e-9 * (best != border):
                    best, gain = row, more
        classes[first:best], classes[best:last] = before, after
        group += 1


FOUR = st.lists(st.integers(1, 25), min_size=4, max_size=4)


@given(rows=st.integers(1, 150), seed=st.integers(0, 10**6), least=FOUR, sure=st.none() | FOUR)
@settings(max_examples=300)
def test_the_heap_joins_runs_as_the_naive_filter_does(
    rows: int, seed: int, least: list[int], sure: list[int] | None
) -> None:
    logs = random_rows(rows, 4, seed)
    classes = logs.argmax(axis=1)
    runs = runs_of(logs, classes)
    found = painted(runs, *filter_runs(runs, least, sure or (), 0.7))
    assert found.tolist() == naive_filter(logs, classes, least, sure, 0.7).tolist()


def sure_runs(*stretches: tuple[int, int, float]) -> LabelRuns:
    """Runs of a class for so many rows, each with this probability; the two other classes share the rest."""
    logs = [
        np.log(np.where(np.arange(3) == label, p, (1 - p) / 2)) for label, rows, p in stretches for _ in range(rows)
    ]
    classes = np.array([label for label, rows, _ in stretches for _ in range(rows)])
    return runs_of(np.array(logs), classes)


@pytest.mark.parametrize(("rows", "probability", "stays"), [(6, 0.95, True), (6, 0.7, False), (4, 0.95, False)])
def test_a_short_run_stays_where_its_rows_are_sure_of_it(rows: int, probability: float, stays: bool) -> None:
    runs = sure_runs((0, 60, 0.9), (1, rows, probability), (0, 60, 0.9))
    _, classes = filter_runs(runs, (49, 20, 20), (5, 5, 5))
    assert classes.tolist() == ([0, 1, 0] if stays else [0])
    assert filter_runs(runs, (49, 20, 20))[1].tolist() == [0]


@pytest.mark.parametrize("probability", [0.95, 0.7])
def test_a_segment_that_an_end_cuts_off_stays_however_short_where_its_rows_are_sure_of_it(probability: float) -> None:
    runs = sure_runs((1, 3, probability), (0, 60, 0.9), (2, 2, probability))
    _, classes = filter_runs(runs, (49, 20, 20), (5, 5, 5))
    assert classes.tolist() == ([1, 0, 2] if probability == 0.95 else [0])


def test_short_background_between_two_segments_of_a_rare_class_does_not_swallow_them() -> None:
    """Five changes of lane among 4,000 rows, 6 rows each, 30 apart; elsewhere background lasts 98 rows or more."""
    lanes = [(1, 6, 0.96), (0, 30, 0.96)] * 5
    runs = sure_runs((0, 2000, 0.9), *lanes, (2, 500, 0.9), (0, 1500, 0.9))
    kept = painted(runs, *filter_runs(runs, (49, 10, 100), (15, 5, 40)))
    assert np.count_nonzero(kept == 1) == 30
    assert len(label_starts(kept)) == 13
    lost = painted(runs, *filter_runs(runs, (49, 10, 100)))
    assert np.count_nonzero(lost == 1) == 0


def test_rows_are_sure_by_what_is_usual_in_their_recording() -> None:
    runs = sure_runs((0, 60, 0.75), (1, 12, 0.7), (0, 30, 0.75), (2, 12, 0.4), (0, 60, 0.75))
    usual = (150 * np.log(0.75 / 0.125) + 12 * np.log(0.7 / 0.15) + 12 * np.log(0.4 / 0.3)) / 174
    assert runs.margin / runs.rows_before[-1] == pytest.approx(usual)
    assert filter_runs(runs, (49, 20, 20), (5, 5, 5), SURE)[1].tolist() == [0]
    assert filter_runs(runs, (20, 20, 20), (5, 5, 5), sure_from(usual))[1].tolist() == [0, 1, 0]
    assert sure_from(20.0) == SURE


def label_starts(classes: Counts) -> Counts:
    return np.flatnonzero(np.diff(classes, prepend=-1))


@given(rows=st.integers(1, 150), seed=st.integers(0, 10**6), least=st.lists(st.integers(1, 25), min_size=3, max_size=3))
@settings(max_examples=200)
def test_borders_snap_to_where_the_evidence_changes(rows: int, seed: int, least: list[int]) -> None:
    logs = random_rows(rows, 3, seed)
    runs = runs_of(logs, logs.argmax(axis=1))
    starts, classes = filter_runs(runs, least)
    filtered = painted(runs, starts, classes)
    snapped = painted(runs, snap_borders(runs, starts, classes, least), classes)
    assert snapped.tolist() == naive_snap(logs, runs, filtered, least).tolist()
    taken = np.take_along_axis(logs, snapped[:, None], axis=1).sum()
    assert taken >= np.take_along_axis(logs, filtered[:, None], axis=1).sum() - 1e-6


@given(rows=st.integers(1, 200), seed=st.integers(0, 10**6), least=st.lists(st.integers(1, 25), min_size=4, max_size=4))
@settings(max_examples=100)
def test_no_run_is_left_shorter_than_its_least_duration(rows: int, seed: int, least: list[int]) -> None:
    logs = random_rows(rows, 4, seed)
    runs = runs_of(logs, logs.argmax(axis=1))
    starts, classes = filter_runs(runs, least)
    groups = runs.grouped(snap_borders(runs, starts, classes, least), classes)
    assert groups.lengths.sum() == rows
    assert (np.diff(groups.classes) != 0).all()
    assert len(groups) == 1 or (groups.lengths >= np.array(least)[groups.classes]).all()


@given(rows=st.integers(2, 200), seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 199), max_size=5))
@settings(max_examples=100)
def test_runs_of_parts_join_to_the_runs_of_the_whole(rows: int, seed: int, cuts: list[int]) -> None:
    logs = random_rows(rows, 3, seed)
    classes = logs.argmax(axis=1)
    bounds = sorted({0, rows, *(cut for cut in cuts if cut < rows)})
    found = joined([runs_of(logs[a:b], classes[a:b]) for a, b in pairwise(bounds)])
    whole = runs_of(logs, classes)
    assert found.classes.tolist() == whole.classes.tolist()
    assert found.lengths.tolist() == whole.lengths.tolist()
    np.testing.assert_allclose(found.evidence, whole.evidence)


def test_the_shortest_run_goes_first() -> None:
    # Both 1s are short, the 2 between them is shorter: it joins them, and together they are long enough.
    classes = np.array([0] * 10 + [1, 1, 2, 1, 1] + [0] * 10)
    logs = np.full((len(classes), 3), -3.0)
    logs[np.arange(len(classes)), classes] = -0.1
    runs = runs_of(logs, classes)
    assert painted(runs, *filter_runs(runs, [5, 5, 5])).tolist() == [0] * 10 + [1] * 5 + [0] * 10


def test_a_short_run_joins_the_neighbour_that_its_rows_speak_for() -> None:
    classes = np.array([0] * 10 + [2] * 3 + [1] * 10)
    logs = np.full((len(classes), 3), -5.0)
    logs[np.arange(len(classes)), classes] = -0.1
    logs[10:13, 1] = -1.0
    runs = runs_of(logs, classes)
    assert painted(runs, *filter_runs(runs, [5, 5, 5])).tolist() == [0] * 10 + [1] * 13


def test_a_border_moves_behind_rows_that_were_swallowed_by_the_wrong_side() -> None:
    # 0 | 1 short, 0 short, 1 long: the first 1 joins the 0s though, with the short 0 beside it, it speaks for 1.
    classes = np.array([0] * 10 + [1] * 4 + [0] * 2 + [1] * 10)
    logs = np.where(classes[:, None] == np.arange(2), -0.05, -3.0)
    runs = runs_of(logs, classes)
    starts, groups = np.array([0, 3]), np.array([0, 1])
    assert painted(runs, snap_borders(runs, starts, groups, [5, 5]), groups).tolist() == [0] * 10 + [1] * 16


@pytest.mark.parametrize("runs", [100, 20_000])
def test_joins_are_counted_in_runs_not_in_pairs_of_runs(runs: int) -> None:
    classes = np.arange(runs) % 2
    logs = np.where(classes[:, None] == np.arange(2), -0.1, -1.0)
    with mock.patch.object(heapq, "heappop", side_effect=heapq.heappop) as pops:
        starts, _ = filter_runs(runs_of(logs, classes), [3, 3])
    assert pops.call_count <= 3 * runs
    assert len(starts) < runs
