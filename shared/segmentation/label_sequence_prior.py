"""What whole recordings are made of: how often each label comes, and what follows what.

A network sees windows and mistakes a whole segment for its twin; people who label protocols, shifts or machine cycles
know that each exercise comes once, or that C never follows A. Groups of rows that decoding has found are relabelled
together: the sum of what rows say (a group counts as much as EVIDENCE rows, however long it is, because neighbouring
rows repeat each other) and of what recordings are usually made of is as large as single changes and swaps make it.
"""

import math
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.model_file.card import LabelSequencePrior

EVIDENCE = 2.0  # rows that a group's rows are worth together: 1.5 to 3 are level, cross-validated
LOUD = 2.0  # nats by which rows must favour their class to be weighed as they are: 3 and 4 cost `watch` .01 and .02
MOST_GROUPS = 64  # of a recording that is relabelled: work grows up to their cube, and what people script is shorter
SHORTER, LONGER = 0.5, 1.5  # of the shortest and longest recording known, for a card that knows no other lengths
KNOWN = 0.9  # probability that a recording as long as known ones is a whole one …
BEYOND = 0.2  # … which falls to 0 this far beyond them, as a log ratio: of ten recordings one in five is not between
# the others' shortest and longest
SURPRISE = 0.02  # that one of another length is made of something else: .01 to .1 are level
MOST_JOINED = 8  # recordings
LEAST_PROBABILITY = 1e-6
MOST_LOUDER = 8.0  # a recording whose rows say next to nothing is not made sure
REACH = 12.0  # log likelihood by which rows may contradict a class that is tried: no prior makes up for more
LEAST_GAIN = 1e-9  # for which a label changes: less is rounding

ClassIndices = NDArray[np.int64]
Doubles = NDArray[np.float64]


class Relabelled(NamedTuple):
    """classes: of each group. logs: what each class would have, all else at its best, in units of a row's log
    probability [groups, classes].
    """

    classes: ClassIndices
    logs: Doubles


def prior_for(prior: LabelSequencePrior | None, rows: int, groups: int) -> LabelSequencePrior | None:
    """The prior of a recording of `rows` rows; None where it does not apply to one of that length.

    A recording may be a part of one like those known, or several joined: it holds each of their segments with the
    probability that a part of so many rows meets it. Between the shortest and the longest known, and a little beyond,
    it is more likely a whole one. Where it is neither, counts are trusted less (SURPRISE).
    """
    if prior is None or not 0 < groups <= MOST_GROUPS:
        return None
    if not prior.usual_rows:
        return prior if SHORTER * prior.rows[0] <= rows <= LONGER * prior.rows[1] else None
    whole = np.exp(np.asarray(prior.counts))
    whole /= whole.sum(axis=1, keepdims=True)
    other = _scaled(whole, rows, prior.usual_rows, np.asarray(prior.segment_rows))
    beyond = math.log(max(prior.rows[0] / rows, rows / prior.rows[1], 1.0))
    known = KNOWN * max(1 - beyond / BEYOND, 0.0)
    width = other.shape[1]
    mixed = (1 - known) * ((1 - SURPRISE) * other + SURPRISE * _geometric(other))
    mixed[:, : whole.shape[1]] += known * whole[:, :width]
    counts = np.log(np.maximum(mixed, LEAST_PROBABILITY))
    return replace(prior, counts=tuple(map(tuple, counts.tolist())))


def _scaled(whole: Doubles, rows: int, usual: int, lengths: Doubles) -> Doubles:
    """Probabilities of counts in a part of a recording, or in several: [labels, 1 + counts]."""
    times, rest = divmod(rows, usual)
    times = min(times, MOST_JOINED)
    met = (rest + lengths) / (usual + lengths) if rest else np.zeros(len(whole))
    found = np.array([_thinned(counts, share) for counts, share in zip(whole, met, strict=True)])
    for _ in range(times):
        found = np.array([np.convolve(one, other) for one, other in zip(found, whole, strict=True)])
    return found


def _thinned(counts: Doubles, share: float) -> Doubles:
    """Probabilities of counts when each segment is there with probability `share`."""
    most = len(counts) - 1
    table = np.zeros((most + 1, most + 1))  # [before, after]
    table[0, 0] = 1
    for count in range(1, most + 1):
        table[count] = (1 - share) * table[count - 1]
        table[count, 1:] += share * table[count - 1, :-1]
    thinned: Doubles = counts @ table
    return thinned


def _geometric(counts: Doubles) -> Doubles:
    """Of the same mean, but as spread as counts of rare things."""
    numbers = np.arange(counts.shape[1])
    mean = np.maximum(counts @ numbers, 0.1)[:, None]
    spread = (mean / (1 + mean)) ** numbers / (1 + mean)
    spread[:, -1] += 1 - spread.sum(axis=1)
    return np.asarray(spread)


def louder(margin: float) -> float:
    """What log probabilities are multiplied by before they are weighed against counts, 1 or more.

    margin: log odds of the likeliest class against the second, a mean over the recording's rows. A soft network says
    the same in smaller differences, and its rare classes would give way to what is usual (simulated: F1 .97 ► .86).
    """
    return max(1.0, LOUD / max(margin, LOUD / MOST_LOUDER))


def relabel(means: Doubles, classes: ClassIndices, label_sequence_prior: LabelSequencePrior) -> Relabelled:
    """Most likely classes of groups, starting from those that rows alone favour.

    means: mean log probabilities of each group [groups, classes]; classes: of each group, background 0. Of equally
    likely ones the given stay. Neighbours may come out with the same class: they are one segment then.
    """
    prior = _prior(means, label_sequence_prior)
    evidence = prior.evidence
    open_to = evidence > evidence.max(axis=1, keepdims=True) - REACH
    best = float(prior.totals(classes[None])[0])
    while True:
        others = _neighbours(classes, open_to)
        totals = prior.totals(others)
        choice = int(totals.argmax()) if len(totals) else 0
        if not len(totals) or not totals[choice] > best + LEAST_GAIN:  # nor where a sum is no number
            break
        classes, best = others[choice], float(totals[choice])
    groups = np.arange(len(classes))
    own = evidence[groups, classes][:, None]
    logs = np.where(open_to, -np.inf, evidence - own)  # what is not tried: what rows say
    logs[groups, classes] = 0.0
    if len(totals):
        np.maximum.at(logs, (np.tile(groups, len(others)), others.ravel()), np.repeat(totals - best, len(groups)))
    return Relabelled(classes, logs / EVIDENCE)


def relabel_joined(
    means: Doubles, classes: ClassIndices, lengths: ClassIndices, label_sequence_prior: LabelSequencePrior
) -> Relabelled | None:
    """Classes of the groups of several recordings in a row, cut where whole ones of known lengths are most likely.

    lengths: rows of each group. None for what is no longer than the longest known, or can't be cut so. Knows what
    counts of both together do not: that each label comes once in each, say (two joined of `watch`: .91 ► .93). One that
    is a little longer than the longest may be a single recording, too.
    """
    shortest, longest = label_sequence_prior.rows
    bounds = [0, *np.cumsum(lengths).tolist()]
    whole = prior_for(label_sequence_prior, label_sequence_prior.usual_rows, len(classes))
    if whole is None or not label_sequence_prior.usual_rows or bounds[-1] <= longest:
        return None
    firsts = [
        [first for first in range(end) if shortest <= bounds[end] - bounds[first] <= longest]
        for end in range(len(bounds))
    ]
    if bounds[-1] <= longest * math.exp(BEYOND):
        firsts[-1].insert(0, 0)
    if sum((end - first) ** 3 for end, some in enumerate(firsts) for first in some) > MOST_GROUPS**3:
        return None  # more work than the longest recording that is relabelled in one
    best: dict[int, tuple[float, int, Relabelled | None]] = {0: (0.0, 0, None)}  # by the group that a piece ends before
    for end, some in enumerate(firsts):
        for first in some:
            if first not in best:
                continue
            piece = relabel(means[first:end], classes[first:end], whole)
            likelihood = best[first][0] + _prior(means[first:end], whole).total(piece.classes)
            if end not in best or likelihood > best[end][0]:
                best[end] = likelihood, first, piece
    pieces: list[Relabelled] = []
    at = len(classes)
    while at in best and (found := best[at][2]) is not None:
        pieces.insert(0, found)
        at = best[at][1]
    if not pieces:
        return None
    return Relabelled(*(np.concatenate(each) for each in zip(*pieces, strict=True)))


def _prior(means: Doubles, prior: LabelSequencePrior) -> "_Prior":
    return _Prior(EVIDENCE * means, np.asarray(prior.counts), np.asarray(prior.order))


class _Prior(NamedTuple):
    evidence: Doubles  # [groups, classes]
    counts: Doubles  # [labels, 1 + most counted], log probabilities
    order: Doubles  # [classes, classes], log probability of the second after the first beyond that of the second alone

    def total(self, labeling: ClassIndices) -> float:
        """Log likelihood of one labeling [groups], up to a constant."""
        return float(self.totals(labeling[None])[0])

    def totals(self, labelings: ClassIndices) -> Doubles:
        """Log likelihood of each labeling [labelings, groups], up to a constant."""
        before, after = labelings[:, :-1], labelings[:, 1:]
        totals: Doubles = self.evidence[np.arange(len(self.evidence)), labelings].sum(axis=1)
        totals += np.where(before != after, self.order[before, after], 0.0).sum(axis=1)
        begins = np.concatenate([np.ones((len(labelings), 1), bool), before != after], axis=1)
        most = self.counts.shape[1] - 1
        for label, known in enumerate(self.counts, 1):
            totals += known[np.minimum(((labelings == label) & begins).sum(axis=1), most)]
        return totals


def _neighbours(classes: ClassIndices, open_to: NDArray[np.bool_]) -> ClassIndices:
    """All labelings in which one group has another class that it is open to, or two groups have each other's."""
    count = len(classes)
    elsewhere = open_to.copy()
    elsewhere[np.arange(count), classes] = False
    group, class_index = np.nonzero(elsewhere)
    changed = np.repeat(classes[None], len(group), axis=0)
    changed[np.arange(len(changed)), group] = class_index
    one, other = np.triu_indices(count, 1)
    fits = elsewhere[one, classes[other]] & elsewhere[other, classes[one]]
    one, other = one[fits], other[fits]
    swapped = np.repeat(classes[None], len(one), axis=0)
    pairs = np.arange(len(one))
    swapped[pairs, one], swapped[pairs, other] = classes[other], classes[one]
    return np.concatenate([changed, swapped])
