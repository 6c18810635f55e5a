"""What whole recordings are made of: how often each label comes, and what follows what.

A network sees windows and mistakes a whole segment for its twin; people who label protocols, shifts or machine cycles
know that each exercise comes once, or that C never follows A. Groups of rows that decoding has found are relabelled
together: the sum of what rows say (a group counts as much as EVIDENCE rows, however long it is, because neighbouring
rows repeat each other) and of what recordings are usually made of is as large as single changes and swaps make it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import LabelSequencePrior

EVIDENCE = 2.0  # rows that a group's rows are worth together: 1.5 to 3 are level, cross-validated
MOST_GROUPS = 64  # of a recording that is relabelled: work grows up to their cube, and what people script is shorter
SHORTER, LONGER = 0.5, 1.5  # of the shortest and the longest recording known: others may be made of something else
REACH = 12.0  # log likelihood by which rows may speak against a class that is tried: no prior makes up for more
LEAST_GAIN = 1e-9  # for which a label changes: less is rounding

Columns = NDArray[np.int64]
Doubles = NDArray[np.float64]


class Relabelled(NamedTuple):
    """columns: of each group. logs: what each column would have, all else at its best, in units of a row's log
    probability [groups, columns].
    """

    columns: Columns
    logs: Doubles


def applies(label_sequence_prior: LabelSequencePrior | None, rows: int, groups: int) -> bool:
    """Whether a recording is like those that the prior was learned from."""
    if label_sequence_prior is None or not 0 < groups <= MOST_GROUPS:
        return False
    return SHORTER * label_sequence_prior.rows[0] <= rows <= LONGER * label_sequence_prior.rows[1]


def relabel(means: Doubles, columns: Columns, label_sequence_prior: LabelSequencePrior) -> Relabelled:
    """Most likely columns of groups, from those that rows alone speak for.

    means: mean log probabilities of each group [groups, columns]; columns: of each group, background 0. Of equally
    likely ones the given stay. Neighbours may come out with the same column: they are one segment then.
    """
    evidence = EVIDENCE * means
    prior = _Prior(evidence, np.asarray(label_sequence_prior.counts), np.asarray(label_sequence_prior.order))
    open_to = evidence > evidence.max(axis=1, keepdims=True) - REACH
    best = float(prior.totals(columns[None])[0])
    while True:
        others = _neighbours(columns, open_to)
        totals = prior.totals(others)
        choice = int(totals.argmax()) if len(totals) else 0
        if not len(totals) or not totals[choice] > best + LEAST_GAIN:  # nor where a sum is no number
            break
        columns, best = others[choice], float(totals[choice])
    groups = np.arange(len(columns))
    own = evidence[groups, columns][:, None]
    logs = np.where(open_to, -np.inf, evidence - own)  # what is not tried: what rows say
    logs[groups, columns] = 0.0
    if len(totals):
        np.maximum.at(logs, (np.tile(groups, len(others)), others.ravel()), np.repeat(totals - best, len(groups)))
    return Relabelled(columns, logs / EVIDENCE)


class _Prior(NamedTuple):
    evidence: Doubles  # [groups, columns]
    counts: Doubles  # [labels, 1 + most counted], log probabilities
    order: Doubles  # [columns, columns], log probability of the second after the first beyond that of the second alone

    def totals(self, labelings: Columns) -> Doubles:
        """Log likelihood of each labeling [labelings, groups], up to a constant."""
        before, after = labelings[:, :-1], labelings[:, 1:]
        totals: Doubles = self.evidence[np.arange(len(self.evidence)), labelings].sum(axis=1)
        totals += np.where(before != after, self.order[before, after], 0.0).sum(axis=1)
        begins = np.concatenate([np.ones((len(labelings), 1), bool), before != after], axis=1)
        most = self.counts.shape[1] - 1
        for label, known in enumerate(self.counts, 1):
            totals += known[np.minimum(((labelings == label) & begins).sum(axis=1), most)]
        return totals


def _neighbours(columns: Columns, open_to: NDArray[np.bool_]) -> Columns:
    """All labelings in which one group has another column that it is open to, or two groups have each other's."""
    count = len(columns)
    elsewhere = open_to.copy()
    elsewhere[np.arange(count), columns] = False
    group, column = np.nonzero(elsewhere)
    changed = np.repeat(columns[None], len(group), axis=0)
    changed[np.arange(len(changed)), group] = column
    one, other = np.triu_indices(count, 1)
    fits = elsewhere[one, columns[other]] & elsewhere[other, columns[one]]
    one, other = one[fits], other[fits]
    swapped = np.repeat(columns[None], len(one), axis=0)
    pairs = np.arange(len(one))
    swapped[pairs, one], swapped[pairs, other] = columns[other], columns[one]
    return np.concatenate([changed, swapped])
