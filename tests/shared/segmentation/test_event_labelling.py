from itertools import product
from math import lgamma, log, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.segmentation.event_labelling import (
    BETWEEN,
    BLOCK,
    LEAD,
    MOST_GAP_EVIDENCE,
    WITHIN,
    Together,
    centred,
    gap_ratios,
    label_events,
    with_gap_evidence,
)

Doubles = NDArray[np.float64]
TWO = (12.0, 3.0)
THREE = (8.0, 8.0, 2.0)
EXTRA_BEATS = ((0.03, -0.02, 0.07, 0.0, 0.07), (-0.39, 0.29, 0.12, -0.02, 0.21))  # the second comes early


def shares(leads: list[float]) -> Doubles:
    """Log shares of two labels, the second ahead by so much."""
    second = 1 / (1 + np.exp(-np.array(leads)))
    return np.asarray(np.log(np.stack([1 - second, second], axis=1)))


def draw_runs(random: np.random.Generator, count: int, level: float) -> Doubles:
    """Leads of events of one label: in runs of 10 to 60 around a level of their own, some events far off."""
    leads: Doubles = np.zeros(0)
    while len(leads) < count:
        run = int(random.integers(10, 60))
        leads = np.append(leads, level + random.normal(0, 1.5) + 0.7 * random.standard_t(5, run))
    return leads[:count]


def likelihood(points: Doubles, labels: NDArray[np.int64], event_label_prior: tuple[float, ...]) -> float:
    """Log likelihood of a labelling, up to a constant: centres and shares integrated out, event after event."""
    total, freedom = 0.0, len(event_label_prior) - 1
    centers = centred(LEAD * np.eye(len(event_label_prior)))
    counts = np.bincount(labels, minlength=len(event_label_prior))
    for label, amount in enumerate(event_label_prior):
        total += lgamma(counts[label] + amount) - lgamma(amount)
        mean, variance = centers[label], BETWEEN
        for point in points[labels == label]:
            spread = variance + WITHIN
            total -= (float(np.square(point - mean).sum()) / spread + freedom * log(2 * pi * spread)) / 2
            share = variance / spread
            mean, variance = mean + share * (point - mean), variance * (1 - share)
    return total + freedom * len(points) * log(2 * pi) / 2


@given(count=st.integers(1, 7), seed=st.integers(0, 10**6))
@settings(max_examples=60)
def test_two_labels_are_divided_where_it_is_most_likely(count: int, seed: int) -> None:
    leads = np.random.default_rng(seed).normal(0, 3, count)
    found = label_events(shares(leads.tolist()), TWO, "whole").labels
    points = centred(shares(leads.tolist()))
    borders = [
        likelihood(points, (leads.argsort().argsort() >= border).astype(np.int64), TWO) for border in range(count + 1)
    ]
    assert likelihood(points, found, TWO) == pytest.approx(max(borders))


@pytest.mark.parametrize("together", ["whole", "blocks"])
def test_one_cluster_beyond_the_usual_border_keeps_the_common_label(together: Together) -> None:
    """Ten events that look like the rare label, and two that look far more like it."""
    leads = [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 1.1, 0.9, 1.0, 6.0, 6.2]
    assert label_events(shares(leads), TWO, together).labels.tolist() == [0] * 10 + [1] * 2


def test_recordings_like_the_known_ones_are_labelled_as_before() -> None:
    leads = [-4.0, -4.2, -3.8, 4.0, -4.1, -3.9]
    found = label_events(shares(leads), TWO)
    assert found.labels.tolist() == [0, 0, 0, 1, 0, 0]
    np.testing.assert_allclose(np.exp(found.logs).sum(axis=1), 1)
    assert (found.logs.argmax(axis=1) == found.labels).all()


def test_a_single_event_is_accepted() -> None:
    assert label_events(shares([3.0]), TWO).labels.tolist() == [1]
    assert label_events(shares([-3.0]), TWO).labels.tolist() == [0]


@pytest.mark.parametrize("shift", [0.0, 1.2])
def test_three_labels_keep_apart_under_a_shift(shift: float) -> None:
    random = np.random.default_rng(0)
    reference = np.repeat([0, 1, 2], [8, 8, 2])
    evidence = 3.0 * np.eye(3)[reference] + random.normal(0, 0.3, (18, 3))
    evidence[:, 2] += shift
    logs = evidence - np.logaddexp.reduce(evidence, axis=1, keepdims=True)
    assert label_events(logs, THREE).labels.tolist() == reference.tolist()


@given(count=st.integers(1, 5), seed=st.integers(0, 10**6))
@settings(max_examples=40)
def test_moving_borders_never_makes_a_labelling_less_likely(count: int, seed: int) -> None:
    logs = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), size=count))
    points = centred(logs)
    found = likelihood(points, label_events(logs, THREE, "whole").labels, THREE)
    assert found >= likelihood(points, logs.argmax(axis=1), THREE) - 1e-9
    every = [likelihood(points, np.array(each), THREE) for each in product(range(3), repeat=count)]
    assert found <= max(every) + 1e-9


@pytest.mark.parametrize("count", [20, 40, 100, 400, 2000])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("label", [0, 1])
def test_a_recording_of_one_label_gets_hardly_another_however_long_it_is(count: int, label: int, gaps: bool) -> None:
    """Labels whose evidence comes in runs and is wider than expected; gaps vary by a tenth."""
    prior = (15.0, 3.6)[:: 1 - 2 * label]
    wrong = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        logs = shares((draw_runs(random, count, -4.0) * (1 - 2 * label)).tolist())
        rows = np.cumsum(np.rint(100 * np.exp(random.normal(0, 0.1, count)))).astype(np.int64)
        logs = with_gap_evidence(logs, rows, EXTRA_BEATS[:: 1 - 2 * label]) if gaps else logs
        wrong.append(float((label_events(logs, prior).labels != label).mean()))
    assert np.mean(wrong) <= 0.01


def test_the_whole_recording_at_once_splits_one_label_of_many_events() -> None:
    """What blocks are for: a level that wanders, of one label. Event by event a third is wrong."""
    leads = [-2.0 + 4.0 * np.sin(at / 40) + 0.5 * (-1) ** at for at in range(1000)]
    wrong = {each: float(label_events(shares(leads), (15.0, 1.7), each).labels.mean()) for each in ("whole", "blocks")}
    assert np.mean(np.array(leads) > 0) > 0.3
    assert wrong["blocks"] == 0.0 < 0.4 < wrong["whole"]


def test_a_rare_label_is_found_where_the_level_wanders() -> None:
    """Every tenth event leads by 5 over a level that no single border fits."""
    rare = np.arange(600) % 10 == 9
    leads = np.where(rare, 2.5, -2.5) + 2.5 * np.sin(np.arange(600) / 50) + np.random.default_rng(0).normal(0, 0.5, 600)
    assert (label_events(shares(leads.tolist()), TWO).labels == rare).mean() > 0.99


@given(count=st.integers(0, 4 * BLOCK), labels=st.integers(2, 4), seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_any_number_of_events_and_labels_is_labelled(count: int, labels: int, seed: int) -> None:
    logs = np.log(np.random.default_rng(seed).dirichlet(np.ones(labels), size=count)).reshape(count, labels)
    found = label_events(logs, (5.0,) * labels)
    np.testing.assert_allclose(np.exp(found.logs).sum(axis=1), 1)
    assert (found.logs.argmax(axis=1) == found.labels).all()


def test_gaps_are_taken_relative_to_those_around() -> None:
    slow, fast = np.arange(0, 2000, 100), 2000 + np.arange(0, 1000, 50)
    ratios = gap_ratios(np.concatenate([slow, fast]))
    assert np.isnan(ratios[0, 0]) and np.isnan(ratios[-1, 1])
    assert np.nanmax(np.abs(ratios[2:15])) == np.nanmax(np.abs(ratios[30:])) == 0
    early = slow.copy()
    early[10] -= 40
    np.testing.assert_allclose(gap_ratios(early)[10], np.log([0.6, 1.4]))


def test_an_early_event_is_more_likely_one_that_comes_early() -> None:
    """Networks are undecided; two events say nothing of gaps."""
    rows = np.arange(0, 4000, 100)
    rows[20] -= 40
    undecided = shares([-0.5] * len(rows))
    found = with_gap_evidence(undecided, rows, EXTRA_BEATS)
    assert found.argmax(axis=1).nonzero()[0].tolist() == [20]
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
    np.testing.assert_allclose(found[[0, -1]], undecided[[0, -1]])
    np.testing.assert_allclose(with_gap_evidence(undecided[:2], rows[:2], EXTRA_BEATS), undecided[:2])


def test_gaps_never_outweigh_what_rows_are_sure_of() -> None:
    rows = np.arange(0, 4000, 100)
    rows[20] -= 60
    sure = shares([-2 * MOST_GAP_EVIDENCE] * len(rows))
    assert with_gap_evidence(sure, rows, EXTRA_BEATS).argmax(axis=1).max() == 0
