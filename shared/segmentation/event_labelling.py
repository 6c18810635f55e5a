"""Labels of instants that fit together in one recording: what is a wide beat depends on whose heart it is.

A network ranks the events of one recording well, but where one label ends and the next begins shifts from recording to
recording (people, mounting, gain), and wanders within a long one. So neighbouring events are labelled together as a
mixture: each label's evidence scatters around a centre of its own, which scatters around where networks put it, and
labels come in shares like those of other recordings. The most likely labelling is searched for by moving the border
between each two labels. When an event comes is evidence, too: an extra beat is early, and the next one late.

Long recordings are labelled in overlapping blocks whose probabilities are averaged. No label's evidence is quite
Gaussian: with hundreds of events at once a second label always fits better, whether it is there or not (ten minutes of
a heart without a wide beat got 697 of them).

Source: a mixture with conjugate priors, its centres, variances and shares integrated out (Bishop 2006, chapters 2.3.6
and 9.2).
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Where networks put labels, the same for all: learned from held-out predictions of few recordings these were worse.
LEAD = 4.0  # of the label's own log share over another's, at the centre of its events
BETWEEN = 4.0  # variance of a centre from recording to recording; 2 to 8 are level
WITHIN = 2.0  # variance of events around it, expected; 1 splits a label in two, 3 and more join two
WITHIN_EVENTS = 20.0  # events in one direction that this expectation counts as; 10 to 20 are level, a fixed one worse
BLOCK = 30  # events labelled together; 20 to 40 are level on five-minute ECGs, 30 and 40 on short ones
BLOCK_STRIDE = 7  # events between two blocks
MOST_ROUNDS = 10  # over all pairs of labels; two or three are enough
BLOCKS_AT_ONCE = 256  # bounds memory
NEAR_GAPS = 15  # between events, whose median a gap is compared with: rates differ between recordings, and drift
MOST_GAP = 1.0  # logarithm of that ratio: a pause is a pause, however long
MOST_GAP_EVIDENCE = 4.0  # log odds of labels by gaps: 4 and 8 are level
LEAST_SHARE = 1e-4  # of a label in an event's evidence: beyond that networks are not surer, only more extreme

Together = Literal["whole", "blocks"]
Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]


class EventLabels(NamedTuple):
    """labels: of each event, 0 the first one. logs: log probability of each label [events, labels]."""

    labels: Integers
    logs: Doubles


def label_events(shares: Doubles, event_label_prior: Sequence[float], together: Together = "blocks") -> EventLabels:
    """Label the events of one recording together.

    shares: logarithm of each label's share of an event's evidence [events, labels]. event_label_prior: of a Dirichlet
    distribution of the labels' shares in a recording [labels]. together: `whole` takes all events as one block and
    WITHIN for certain, as models did before there were blocks.
    """
    points, count = centred(shares), len(shares)
    if together == "whole":
        found = _Mixture(points[None], event_label_prior, fixed=True).labelled(shares.argmax(axis=1)[None])
        return EventLabels(found.labels[0], found.logs[0])
    size = min(BLOCK, count)
    starts = np.unique(np.linspace(0, count - size, 1 + -(-(count - size) // BLOCK_STRIDE)).round().astype(np.int64))
    total = np.zeros(shares.shape)
    for first in range(0, len(starts), BLOCKS_AT_ONCE):
        events = starts[first : first + BLOCKS_AT_ONCE, None] + np.arange(size)
        found = _Mixture(points[events], event_label_prior, fixed=False).labelled(shares.argmax(axis=1)[events])
        np.add.at(total, events, np.exp(found.logs))
    return EventLabels(total.argmax(axis=1), np.log(total / total.sum(axis=1, keepdims=True)))


def gap_ratios(rows: Integers) -> Doubles:
    """Gap before and after each event over the median of the gaps around, as logarithms: [events, 2], NaN without one.

    rows: of the events, in order [events].
    """
    found = np.full((len(rows), 2), np.nan)
    if len(rows) >= 3:
        gaps = np.maximum(np.diff(rows), 1)
        near = np.lib.stride_tricks.sliding_window_view(np.pad(gaps, NEAR_GAPS // 2, mode="edge"), NEAR_GAPS)
        ratios = np.clip(np.log(gaps / np.median(near, axis=1)), -MOST_GAP, MOST_GAP)
        found[1:, 0], found[:-1, 1] = ratios, ratios
    return found


def with_gap_evidence(shares: Doubles, rows: Integers, event_gaps: Sequence[Sequence[float]]) -> Doubles:
    """Log shares of labels [events, labels] after the gaps around each event are taken into account.

    event_gaps: of each label the normal distribution of `gap_ratios`: mean before and after, variance before,
    covariance, variance after.
    """
    ratios = gap_ratios(rows)
    evidence = np.stack([_log_normal(ratios, each) for each in event_gaps], axis=1)
    evidence -= evidence.max(axis=1, keepdims=True)
    found = shares + np.where(np.isnan(evidence), 0.0, np.maximum(evidence, -MOST_GAP_EVIDENCE))
    return np.asarray(np.maximum(found - np.logaddexp.reduce(found, axis=1, keepdims=True), math.log(LEAST_SHARE)))


def _log_normal(points: Doubles, gaps: Sequence[float]) -> Doubles:
    before, after, one, both, other = gaps
    x, y = points[:, 0] - before, points[:, 1] - after
    determinant = one * other - both * both
    squares = (other * x * x - 2 * both * x * y + one * y * y) / determinant
    return np.asarray(-(squares + math.log(determinant)) / 2)


def centred(shares: Doubles) -> Doubles:
    """Evidence for each label against the others: rows that sum to 0."""
    return np.asarray(shares - shares.mean(axis=-1, keepdims=True))


class _Mixture:
    """Blocks of as many events each, labelled independently of each other: points [blocks, events, labels]."""

    def __init__(self, points: Doubles, event_label_prior: Sequence[float], *, fixed: bool) -> None:
        self._points = points
        self._prior = prior = np.asarray(event_label_prior, float)
        self._centers = centred(LEAD * np.eye(len(prior)))
        self._freedom = len(prior) - 1  # evidence for labels sums to 0
        self._fixed = fixed
        events = points.shape[1]
        self._shares = np.concatenate(
            [np.zeros((1, len(prior))), np.log(np.arange(events)[:, None] + prior).cumsum(axis=0)]
        )  # log probability of so many events of each label [1 + events, labels], up to a constant
        self._shape = (WITHIN_EVENTS + self._freedom * np.arange(1 + events)) / 2  # of the variance after so many
        self._log_gamma = np.array([] if fixed else [math.lgamma(each) for each in self._shape.tolist()])

    def labelled(self, labels: Integers) -> EventLabels:
        """Labels [blocks, events] and logs [blocks, events, labels] of the best labelling found from these on."""
        pairs = [(one, other) for other in range(len(self._prior)) for one in range(other)]
        for _ in range(MOST_ROUNDS):
            before = labels
            for one, other in pairs:
                labels = self._divided(labels, one, other)
            if np.array_equal(labels, before):
                break
        return EventLabels(labels, self._logs(labels))

    def _divided(self, labels: Integers, one: int, other: int) -> Integers:
        """The events of two labels divided again: those with most evidence for `one` to it, the rest to `other`."""
        theirs = (labels == one) | (labels == other)
        if not theirs.any():
            return labels
        lead = np.where(theirs, self._points[..., other] - self._points[..., one], np.inf)
        order = lead.argsort(axis=1, kind="stable")
        points = np.take_along_axis(self._points * theirs[..., None], order[..., None], axis=1)
        sums = np.concatenate([np.zeros_like(points[:, :1]), points.cumsum(axis=1)], axis=1)
        squares = np.pad(np.square(points).sum(axis=2).cumsum(axis=1), ((0, 0), (1, 0)))
        many = theirs.sum(axis=1, keepdims=True)
        counts = np.minimum(np.arange(sums.shape[1])[None], many)
        total = self._likelihood(one, counts, sums, squares)
        total += self._likelihood(other, many - counts, sums[:, -1:] - sums, squares[:, -1:] - squares)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(order.shape[1])[None], axis=1)
        found = np.where(rank < total.argmax(axis=1)[:, None], one, other)
        return np.where(theirs, found, labels)

    def _logs(self, labels: Integers) -> Doubles:
        """Log probability of each label of each event, given the labels of all in its block."""
        logs = []
        for label, prior in enumerate(self._prior.tolist()):
            own = (labels == label)[..., None]
            counts = own.sum(axis=1)
            sums = (self._points * own).sum(axis=1, keepdims=True)
            squares = (np.square(self._points) * own).sum(axis=(1, 2))[:, None]
            variance = self._variance(counts, _scatter(counts, sums, squares))
            weight = counts / variance + 1 / BETWEEN
            center = (sums / variance[..., None] + self._centers[label] / BETWEEN) / weight[..., None]
            distances = np.square(self._points - center).sum(axis=2)
            logs.append(np.log(counts + prior) - distances / (2 * variance) - self._freedom * np.log(variance) / 2)
        stacked = np.stack(logs, axis=-1)
        return np.asarray(stacked - np.logaddexp.reduce(stacked, axis=-1, keepdims=True))

    def _likelihood(self, label: int, counts: Integers, sums: Doubles, squares: Doubles) -> Doubles:
        """Log likelihood of so many events of a label [blocks, n], their sums [blocks, n, labels], sums of squares."""
        freedom, some = self._freedom, np.maximum(counts, 1)
        scatter = _scatter(counts, sums, squares)
        variance = self._variance(counts, scatter)
        if self._fixed:
            found = -(scatter / WITHIN + freedom * counts * math.log(WITHIN)) / 2
        else:
            prior = WITHIN * WITHIN_EVENTS / 2
            shape = self._shape[counts]
            found = self._log_gamma[counts] - shape * np.log(prior + scatter / 2)
            found += self._shape[0] * math.log(prior) - self._log_gamma[0]
        own = variance / some  # of the mean of these events around the centre
        distances = np.square(sums / some[..., None] - self._centers[label]).sum(axis=-1)
        found -= (distances / (own + BETWEEN) + freedom * np.log(1 + BETWEEN / own)) / 2
        return np.asarray(np.where(counts > 0, found, 0.0) + self._shares[counts, label])

    def _variance(self, counts: Integers, scatter: Doubles) -> Doubles:
        """Expected variance of a label's events around their centre."""
        if self._fixed:
            return np.full(scatter.shape, WITHIN)
        return np.asarray((WITHIN * WITHIN_EVENTS / 2 + scatter / 2) / self._shape[counts])


def _scatter(counts: Integers, sums: Doubles, squares: Doubles) -> Doubles:
    """Sum of squared distances of events from their mean."""
    return np.asarray(np.maximum(squares - np.square(sums).sum(axis=-1) / np.maximum(counts, 1), 0.0))
