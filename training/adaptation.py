"""How the evidence for labels of instants scatters within and between recordings, learned from held-out predictions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.adaptation import centred
from shared.model_card import Adaptation

# What is expected before anything was seen, and how many recordings or events that counts as.
LEAD = 4.0  # of a label's own log share over the others
BETWEEN, WITHIN, PRIOR = 4.0, 1.0, 4.0
# Factors, cross-validated on ECGs (event F1 .89 ► .94): few recordings don't show how far others are off, and events
# scatter more widely than a normal distribution. A factor of 1.5 for the latter splits a label in two, of 3 joins two.
FURTHER, WIDER = 2.0, 2.0
LEAST_VARIANCE = 0.01  # of the labels' shares between recordings

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class Known(NamedTuple):
    """Predicted events of a held-out recording whose true labels are known.

    shares: log share of each label in the evidence [events, labels]; labels: true ones [events].
    """

    shares: Doubles
    labels: Integers


def learn_adaptation(recordings: Sequence[Known], labels: int) -> Adaptation | None:
    """None with one label, or where fewer than two recordings hold events."""
    seen = [each for each in recordings if len(each.labels)]
    if labels < 2 or len(seen) < 2:
        return None
    points = [centred(each.shares) for each in seen]
    centers: list[list[Doubles]] = [[] for _ in range(labels)]
    scatter, freedom = WITHIN * PRIOR, PRIOR
    for known, evidence in zip(seen, points, strict=True):
        for label in range(labels):
            own = evidence[known.labels == label]
            if len(own):
                centers[label].append(own.mean(axis=0))
                scatter += float(np.square(own - own.mean(axis=0)).sum())
                freedom += (len(own) - 1) * (labels - 1)
    expected = LEAD * (np.eye(labels) - 1 / labels)
    means = [np.mean(each, axis=0) if each else expected[label] for label, each in enumerate(centers)]
    spread = sum(float(np.square(np.array(each) - means[label]).sum()) for label, each in enumerate(centers) if each)
    degrees = sum(max(len(each) - 1, 0) for each in centers) * (labels - 1)
    return Adaptation(
        centers=tuple(tuple(row) for row in np.array(means).round(4).tolist()),
        between=round(FURTHER * (spread + BETWEEN * PRIOR) / (degrees + PRIOR), 4),
        within=round(WIDER * scatter / freedom, 4),
        amounts=tuple(_amounts(seen, labels).round(4).tolist()),
    )


def _amounts(seen: Sequence[Known], labels: int) -> Doubles:
    """Dirichlet distribution with the mean and the variance that the labels' shares have; one recording's worth of
    even shares is added.
    """
    shares = np.array([np.bincount(each.labels, minlength=labels) / len(each.labels) for each in seen])
    mean = (shares.sum(axis=0) + 1 / labels) / (len(shares) + 1)
    variance = float(shares.var(axis=0).sum()) + LEAST_VARIANCE
    return np.asarray(mean * max(float((mean * (1 - mean)).sum()) / variance - 1, 1.0))
