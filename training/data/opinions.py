"""The labels of each annotator for the rows of a recording, and their majority."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.labelling.regions import UnclearRegion
from shared.labelling.segments import Segment
from training.data.painting import UNKNOWN, Labels, Painted, paint
from training.data.votes import NO_VOTE, Instant, disputed_rows, vote_on_events, vote_on_rows

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Author:
    """Who made an annotation, when, and from what."""

    name: str = ""  # id or e-mail address; "" when unknown
    at: str = ""  # UTC, ISO 8601; "" when unknown
    prelabelled: bool = False


NOBODY = Author()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one annotator, or several together, say of a recording.

    labels: int16 [rows, heads of ranges], UNKNOWN where that is not known. events: in order of their rows.
    near_events: bool [rows], False where it is not known whether there are events.
    within: bool [rows, scopes], rows that count as annotated where unmarked rows do not.
    scope: place in `within` for each head of ranges, and at last for events.
    """

    labels: Labels
    events: tuple[Instant, ...]
    near_events: Flags
    within: Flags
    scope: tuple[int, ...]

    def known(self, *, has_instants: bool) -> Flags:
        """Which labels, and then which events, are known: bool [rows, all heads]."""
        *ranges, events = self.scope
        columns = [(self.labels != UNKNOWN) & self.within[:, ranges]]
        if has_instants:
            columns.append((self.near_events & self.within[:, events])[:, None])
        return np.concatenate(columns, axis=1)


def form_opinion(
    segments: Sequence[Segment],
    unclear: Sequence[UnclearRegion],
    heads: Sequence[Sequence[str]],
    instants: Sequence[str],
    rows: int,
    *,
    scopes: tuple[Sequence[frozenset[str] | None], Sequence[int]],
    margin: int | None,
    tolerance: float,
) -> Opinion:
    """What one annotation holds.

    A stray range of an instant label counts as an instant at its middle row; a stray instant of a range label is left
    out. scopes: see LabelKinds.
    margin: rows around the first and the last segment that are known where others are not; None: all are known.
    tolerance: rows around an event that belong to it.
    """
    ranges = {label for head in heads for label in head}
    events = {
        Instant((each.first + each.last) // 2, each.label)
        for each in segments
        if each.label in instants and (each.instant or each.label not in ranges)
    }
    of_ranges = [each for each in unclear if not _is_of_instants(each, ranges, instants)]
    labels = np.zeros((rows, len(heads)), np.int16)
    for head, names in enumerate(heads):
        index = {label: 1 + place for place, label in enumerate(names)}
        marked = [Painted(s.first, s.last, index[s.label]) for s in segments if not s.instant and s.label in index]
        others = ranges - set(names)
        doubtful = [each for each in of_ranges if each.label not in others and _concerns(each, names)]
        labels[:, head] = paint(marked, doubtful, rows)
    reach = int(tolerance)
    around = [Painted(max(event.row - reach, 0), event.row + reach, 1) for event in events]
    of_instants = [_widened(each, reach) for each in unclear if _is_of_instants(each, ranges, instants)]
    within = np.full((rows, len(scopes[0])), margin is None)
    for place, meant in enumerate(scopes[0] if margin is not None else ()):
        some = [each for each in segments if meant is None or each.label in meant]
        if some:
            first, last = min(each.first for each in some), max(each.last for each in some)
            within[max(first - (margin or 0), 0) : last + (margin or 0) + 1, place] = True
    return Opinion(
        labels=labels,
        events=tuple(sorted(events, key=lambda event: (event.row, event.label))),
        near_events=paint(around, of_instants, rows) != UNKNOWN if instants else np.ones(rows, bool),
        within=within,
        scope=tuple(scopes[1]),
    )


def _is_of_instants(each: UnclearRegion, ranges: set[str], instants: Sequence[str]) -> bool:
    """Whether a region is about events: by its label, or by its form where that is unknown."""
    if each.label in ranges or not _concerns(each, instants):
        return False
    return each.label in instants or each.instant or not ranges


def _concerns(each: UnclearRegion, labels: Sequence[str]) -> bool:
    """Whether one of the labels may be meant: a region of one tag says nothing of the labels of others."""
    return not each.among or not each.among.isdisjoint(labels)


def _widened(each: UnclearRegion, reach: int) -> UnclearRegion:
    if each.span is None:
        return each
    return each._replace(first=max(each.span[0] - reach, 0), last=each.span[1] + reach)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What annotators say together, and where they differ."""

    opinion: Opinion
    differing: float  # share of the rows on which two contradict each other, by any head
    disputed_events: int


def agree(opinions: Sequence[Opinion], tolerance: float, *, unmarked_votes: bool) -> Agreement:
    """What more than half say of each row, by head, and of each event; all else is unknown.

    unmarked_votes: whether rows outside somebody's regions are a vote for background. If not, they are background
    where nobody marks them and more than half have regions before and after.
    """
    *scope, of_events = opinions[0].scope
    within = 2 * np.sum([each.within for each in opinions], axis=0) > len(opinions)
    ballots = [each.labels if unmarked_votes else np.where(each.labels == 0, NO_VOTE, each.labels) for each in opinions]
    labels = vote_on_rows(ballots)
    if not unmarked_votes:
        nobody = np.all([each == NO_VOTE for each in ballots], axis=0)
        labels[nobody & within[:, scope]] = 0
        marked = np.any([each > 0 for each in ballots], axis=0)
        for place in set(scope):
            within[:, place] |= marked[:, [each == place for each in scope]].any(axis=1)
    vote = vote_on_events([each.events for each in opinions], tolerance, unmarked_votes=unmarked_votes)
    votes = np.sum([each.near_events & each.within[:, of_events] for each in opinions], axis=0)
    near_events = 2 * votes > np.sum([each.within[:, of_events] for each in opinions], axis=0)
    reach = int(tolerance)
    for row in vote.disputed:
        near_events[max(row - reach, 0) : row + reach + 1] = False
    for event in vote.agreed:
        within[event.row, of_events] = True
    return Agreement(
        Opinion(labels, tuple(vote.agreed), near_events, within, opinions[0].scope),
        float(disputed_rows(ballots).any(axis=1).mean()) if labels.size else 0.0,
        len(vote.disputed),
    )
