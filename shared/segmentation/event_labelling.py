"""Labels of instants that fit together in one recording: what is a wide beat depends on whose heart it is.

A network ranks the events of one recording well, but where one label ends and the next begins shifts from recording to
recording (people, mounting, gain). So the events of a recording are taken as a mixture: each label's evidence scatters
around a centre of its own, which scatters around where networks put it, and labels come in shares like those of other
recordings. The most likely labelling is searched for by moving the border between each two labels.

Source: a mixture with conjugate priors, its centres and shares integrated out (Bishop 2006, chapters 2.3.6 and 9.2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Where networks put labels, the same for all: learned from held-out predictions of few recordings these were worse.
LEAD = 4.0  # of the label's own log share over another's, at the centre of its events
BETWEEN = 4.0  # variance of a centre from recording to recording; 2 to 8 are level
WITHIN = 2.0  # variance of events around it; 1 splits a label in two, 3 and more join two
MOST_ROUNDS = 10  # over all pairs of labels; two or three are enough

Columns = NDArray[np.int64]
Doubles = NDArray[np.float64]


class EventLabels(NamedTuple):
    """labels: of each event, 0 the first one. logs: log probability of each label [events, labels]."""

    labels: Columns
    logs: Doubles


def label_events(shares: Doubles, event_label_prior: Sequence[float]) -> EventLabels:
    """Label the events of one recording together.

    shares: logarithm of each label's share of an event's evidence [events, labels]. amounts: of a Dirichlet
    distribution of the labels' shares in a recording [labels].
    """
    mixture = _Mixture(centred(shares), np.asarray(event_label_prior, float))
    labels = shares.argmax(axis=1)
    pairs = [(one, other) for other in range(shares.shape[1]) for one in range(other)]
    for _ in range(MOST_ROUNDS):
        before = labels
        for one, other in pairs:
            labels = mixture.divided(labels, one, other)
        if np.array_equal(labels, before):
            break
    return EventLabels(labels, mixture.logs(labels))


def centred(shares: Doubles) -> Doubles:
    """Evidence for each label against the others: rows that sum to 0."""
    return np.asarray(shares - shares.mean(axis=1, keepdims=True))


class _Mixture:
    def __init__(self, points: Doubles, event_label_prior: Doubles) -> None:
        self._points = points
        self._amounts = event_label_prior
        self._centers = centred(LEAD * np.eye(len(event_label_prior)))
        counts = np.arange(len(points))[:, None] + event_label_prior
        self._of_counts = np.concatenate([np.zeros((1, len(event_label_prior))), np.log(counts).cumsum(axis=0)])

    def divided(self, labels: Columns, one: int, other: int) -> Columns:
        """The events of two labels shared out anew: those that speak most for `one` to it, the rest to `other`."""
        places = np.flatnonzero((labels == one) | (labels == other))
        lead = self._points[places, other] - self._points[places, one]
        places = places[np.argsort(lead, kind="stable")]
        points = self._points[places]
        sums = np.concatenate([np.zeros((1, points.shape[1])), points.cumsum(axis=0)])
        squares = np.concatenate([[0.0], np.square(points).sum(axis=1).cumsum()])
        counts = np.arange(len(places) + 1)
        total = self._likelihood(one, counts, sums, squares)
        total += self._likelihood(other, len(places) - counts, sums[-1] - sums, squares[-1] - squares)
        border = int(total.argmax())
        found = labels.copy()
        found[places[:border]], found[places[border:]] = one, other
        return found

    def logs(self, labels: Columns) -> Doubles:
        """Log probability of each label of each event, given the labels of all."""
        distances = []
        counts = np.bincount(labels, minlength=len(self._amounts))
        for label, count in enumerate(counts.tolist()):
            total = self._points[labels == label].sum(axis=0)
            weight = count / WITHIN + 1 / BETWEEN
            center = (total / WITHIN + self._centers[label] / BETWEEN) / weight
            distances.append(np.square(self._points - center).sum(axis=1))
        logs = np.log(counts + self._amounts) - np.array(distances).T / (2 * WITHIN)
        return np.asarray(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))

    def _likelihood(self, label: int, counts: Columns, sums: Doubles, squares: Doubles) -> Doubles:
        """Log likelihood of so many events of a label with these sums [n, labels] and sums of squares [n]."""
        freedom = len(self._amounts) - 1  # evidence for labels sums to 0
        some = np.maximum(counts, 1)
        means = sums / some[:, None]
        scatter = squares - (sums * means).sum(axis=1)
        variance = WITHIN / some + BETWEEN
        found = -scatter / WITHIN - np.square(means - self._centers[label]).sum(axis=1) / variance
        found -= freedom * ((counts - 1) * np.log(WITHIN) + np.log(variance) + np.log(some))
        return np.asarray(np.where(counts > 0, found / 2, 0.0) + self._of_counts[counts, label])
