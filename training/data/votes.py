"""Several annotators ► what more than half of them say, and where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.painting import UNKNOWN, Labels

# A row that an annotator says nothing about. Where a region cannot be read (UNKNOWN) somebody marked something: that is
# a vote for none of the labels.
NO_VOTE = -2


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant: one row that carries a label."""

    row: int
    label: str


def vote_on_rows(opinions: Sequence[Labels]) -> Labels:
    """What more than half of those who vote say of each row, else UNKNOWN: int16 of the shape of each opinion."""
    first = opinions[0]
    if len(opinions) == 1:
        return np.where(first == NO_VOTE, np.int16(UNKNOWN), first)
    voters = np.sum([each != NO_VOTE for each in opinions], axis=0)
    found = np.full_like(first, UNKNOWN)
    for label in range(1 + max(int(each.max(initial=0)) for each in opinions)):
        found[2 * np.sum([each == label for each in opinions], axis=0) > voters] = label
    return found


def disputed_rows(opinions: Sequence[Labels]) -> NDArray[np.bool_]:
    """Rows on which two annotators contradict each other, of the shape of each opinion."""
    least = np.min([np.where(each < 0, np.iinfo(np.int16).max, each) for each in opinions], axis=0)
    most = np.max(opinions, axis=0)
    return np.asarray((most >= 0) & (least < most))


class EventVote(NamedTuple):
    """Events on which more than half agree, in order of their rows, and rows of those on which they don't."""

    agreed: list[Instant]
    disputed: list[int]


def vote_on_events(opinions: Sequence[Sequence[Instant]], tolerance: float, *, unmarked_votes: bool) -> EventVote:
    """Events that more than half have within `tolerance` rows of the median row, which is where they then are.

    unmarked_votes: whether who has no event at a place says that there is none; if not, those vote who have one there.
    An event of a minority beside one that is agreed on, of whatever label, is outvoted; any other is disputed.
    """
    if len(opinions) == 1:
        return EventVote(list(opinions[0]), [])
    agreed: list[Instant] = []
    rejected: list[int] = []
    marked = [np.array(sorted(event.row for event in each), np.int64) for each in opinions]
    for label in sorted({event.label for each in opinions for event in each}):
        places = [[event.row for event in each if event.label == label] for each in opinions]
        for rows in _groups(places, tolerance):
            middle = int(median(rows))
            voters = len(opinions) if unmarked_votes else sum(_has(each, middle, tolerance) for each in marked)
            if 2 * len(rows) > voters:
                agreed.append(Instant(middle, label))
            else:
                rejected += rows
    found = np.array(sorted(event.row for event in agreed), np.int64)
    disputed = sorted(row for row in rejected if not _has(found, row, tolerance))
    return EventVote(sorted(agreed, key=lambda event: (event.row, event.label)), disputed)


def _groups(places: Sequence[Sequence[int]], tolerance: float) -> list[list[int]]:
    """Rows of the same event: of each annotator at most one, all within `tolerance` of their median."""
    waiting = [sorted(rows) for rows in places]
    groups = []
    while any(waiting):
        start = min(rows[0] for rows in waiting if rows)
        near = {who: rows[0] for who, rows in enumerate(waiting) if rows and rows[0] <= start + 2 * tolerance}
        while max(abs(row - median(near.values())) for row in near.values()) > tolerance:
            middle = median(near.values())
            del near[max(near, key=lambda who: (abs(near[who] - middle), near[who]))]
        for who in near:
            waiting[who].pop(0)
        groups.append(sorted(near.values()))
    return groups


def _has(rows: NDArray[np.int64], row: int, tolerance: float) -> bool:
    """Whether one of `rows`, which increase, is within `tolerance`."""
    return bool(np.searchsorted(rows, row - tolerance) < np.searchsorted(rows, row + tolerance, side="right"))
