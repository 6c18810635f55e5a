"""In which shares the labels of instants come in a recording, and after which gaps, learned from annotations."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.segmentation.event_labelling import gap_ratios
from training.data.annotations import Recording, by_annotator

LEAST_RECORDINGS = 2  # one does not show what varies between recordings
LEAST_VARIANCE = 0.01  # of a label's share between recordings
STRENGTH = 4.0  # what recordings show counts so often: cross-validated, 2 to 8 are level, 1 gains half as much
GAP_PRIOR = 20.0  # events of any label that each label's gaps count as, beside its own: 10 to 50 are level
GAP_NOISE = 0.05  # variance added to log gaps, which recordings not seen differ by: .02 to .1 are better than none

Gaps = tuple[float, float, float, float, float]
Doubles = NDArray[np.float64]


def learn_event_label_prior(recordings: Sequence[Recording], labels: Sequence[str]) -> tuple[float, ...]:
    """Of a Dirichlet distribution with the mean and the variance of the labels' shares in recordings of known rows.

    One recording of even shares is added. Empty with one label, or fewer than two recordings that hold events.
    """
    with_events = [each for each in recordings if any(own.events for own in by_annotator([each]))]
    if len(labels) < 2 or len(with_events) < LEAST_RECORDINGS:
        return ()
    marked = [each.events for each in by_annotator(with_events) if each.events]
    seen = np.array([[sum(event.label == label for event in events) for label in labels] for events in marked], float)
    shares: Doubles = seen / seen.sum(axis=1, keepdims=True)
    mean = (shares.sum(axis=0) + 1 / len(labels)) / (len(shares) + 1)
    variance = float(shares.var(axis=0).sum()) + LEAST_VARIANCE
    weight = max(float((mean * (1 - mean)).sum()) / variance - 1, 1.0)
    return tuple((STRENGTH * weight * mean).round(4).tolist())


def learn_event_gaps(recordings: Sequence[Recording], labels: Sequence[str]) -> tuple[Gaps, ...]:
    """Of each label the mean and covariance of the log gaps around its events, as InstantHead has them.

    Gaps that hold unknown rows are left out. Empty with one label, or fewer than two recordings that show gaps.
    """
    found, marks = [], []
    for each in by_annotator(recordings):
        rows = np.array([event.row for event in each.events], np.int64)
        unknown = np.cumsum(~each.known[:, -1])
        ratios = gap_ratios(rows)
        if len(rows):
            ratios[1:, 0][unknown[rows[1:]] > unknown[rows[:-1]]] = np.nan
            ratios[:-1, 1][unknown[rows[1:]] > unknown[rows[:-1]]] = np.nan
        usable = np.flatnonzero(np.isfinite(ratios).all(axis=1))
        if len(usable):
            found.append(ratios[usable])
            marks += [each.events[index].label for index in usable.tolist()]
    if len(labels) < 2 or len(found) < LEAST_RECORDINGS:
        return ()
    every = np.concatenate(found)
    usual, spread = _mean_and_covariance(every, np.zeros(2), np.zeros((2, 2)), 0.0)
    of_label = np.array(marks)
    gaps: list[Gaps] = []
    for label in labels:
        mean, covariance = _mean_and_covariance(every[of_label == label], usual, spread, GAP_PRIOR)
        before, after = mean.round(4).tolist()
        (one, both), (_, other) = (covariance + GAP_NOISE * np.eye(2)).round(4).tolist()
        gaps.append((before, after, one, both, other))
    return tuple(gaps)


def _mean_and_covariance(ratios: Doubles, usual: Doubles, spread: Doubles, weight: float) -> tuple[Doubles, Doubles]:
    """Mean and covariance of ratios [events, 2], shrunk to the usual ones as if these came of `weight` events."""
    count = max(len(ratios) + weight, 1.0)
    mean = (ratios.sum(axis=0) + weight * usual) / count
    around = ratios - mean
    return mean, (around.T @ around + weight * spread) / count
