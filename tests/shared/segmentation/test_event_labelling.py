from itertools import product
from math import lgamma, log, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.segmentation.event_labelling import BETWEEN, LEAD, WITHIN, centred, label_events

Doubles = NDArray[np.float64]
TWO = (12.0, 3.0)
THREE = (8.0, 8.0, 2.0)


def shares(leads: list[float]) -> Doubles:
    """Log shares of two labels, the second ahead by so much."""
    second = 1 / (1 + np.exp(-np.array(leads)))
    return np.asarray(np.log(np.stack([1 - second, second], axis=1)))


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
@settings(max_examples=60, deadline=None)
def test_two_labels_are_divided_where_it_is_most_likely(count: int, seed: int) -> None:
    leads = np.random.default_rng(seed).normal(0, 3, count)
    found = label_events(shares(leads.tolist()), TWO).labels
    points = centred(shares(leads.tolist()))
    borders = [
        likelihood(points, (leads.argsort().argsort() >= border).astype(np.int64), TWO) for border in range(count + 1)
    ]
    assert likelihood(points, found, TWO) == pytest.approx(max(borders))


def test_one_cluster_beyond_the_usual_border_keeps_the_common_label() -> None:
    """Ten events that look like the rare label, and two that look far more like it."""
    leads = [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 1.1, 0.9, 1.0, 6.0, 6.2]
    assert label_events(shares(leads), TWO).labels.tolist() == [0] * 10 + [1] * 2


def test_recordings_like_the_known_ones_are_labelled_as_before() -> None:
    leads = [-4.0, -4.2, -3.8, 4.0, -4.1, -3.9]
    found = label_events(shares(leads), TWO)
    assert found.labels.tolist() == [0, 0, 0, 1, 0, 0]
    np.testing.assert_allclose(np.exp(found.logs).sum(axis=1), 1)
    assert (found.logs.argmax(axis=1) == found.labels).all()


def test_a_single_event_is_believed() -> None:
    assert label_events(shares([3.0]), TWO).labels.tolist() == [1]
    assert label_events(shares([-3.0]), TWO).labels.tolist() == [0]


@pytest.mark.parametrize("shift", [0.0, 1.2])
def test_three_labels_keep_apart_under_a_shift(shift: float) -> None:
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [8, 8, 2])
    evidence = 3.0 * np.eye(3)[truth] + random.normal(0, 0.3, (18, 3))
    evidence[:, 2] += shift
    logs = evidence - np.logaddexp.reduce(evidence, axis=1, keepdims=True)
    assert label_events(logs, THREE).labels.tolist() == truth.tolist()


@given(count=st.integers(1, 5), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_moving_borders_never_makes_a_labelling_less_likely(count: int, seed: int) -> None:
    logs = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), size=count))
    points = centred(logs)
    found = likelihood(points, label_events(logs, THREE).labels, THREE)
    assert found >= likelihood(points, logs.argmax(axis=1), THREE) - 1e-9
    every = [likelihood(points, np.array(each), THREE) for each in product(range(3), repeat=count)]
    assert found <= max(every) + 1e-9
