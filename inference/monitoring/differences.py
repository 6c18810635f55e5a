"""Where two sets of segments of a recording differ: annotated and predicted, for pages."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from statistics import median

from shared.labelling.segments import Span

TOLERANCE = 0.2  # of the median gap between annotated instants, as in evaluation
LEAST_OVERLAP = 0.5  # intersection over union from which a segment counts as found, as segment F1@50 does


def differences(ours: Iterable[Span], theirs: Iterable[Span], tolerance: int = 1) -> list[tuple[int, int]]:
    """First and last rows of the stretches where labels differ, in order; touching ones are joined.

    An instant differs if the other side has none of its label within `tolerance` rows.
    """
    ours, theirs = list(ours), list(theirs)
    found = [(first, last) for first, last, same in _stretches(ours, theirs) if not same]
    for some, others in ((ours, theirs), (theirs, ours)):
        rows = _instants(others)
        found += [
            (each.first, each.first)
            for each in some
            if each.instant and not _near(rows.get(each.label, []), each.first, tolerance)
        ]
    joined: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def agreement(ours: Iterable[Span], theirs: Iterable[Span], tolerance: int = 1) -> float:
    """Share of the rows marked by either side on which both have the same labels; of instants, the F1 of the match.

    The lower of the two where there are both kinds; 1 where neither side marks anything.
    """
    ours, theirs = list(ours), list(theirs)
    marked = same = 0
    for first, last, alike in _stretches(ours, theirs):
        marked += last - first + 1
        same += (last - first + 1) * alike
    shares = [same / marked] if marked else []
    mine, others = ([each for each in side if each.instant] for side in (ours, theirs))
    if mine or others:
        shares.append(2 * matched_instants(mine, others, tolerance) / (len(mine) + len(others)))
    return min(shares, default=1.0)


def count_found(true: Sequence[Span], predicted: Sequence[Span], tolerance: int = 1) -> int:
    """How many of the true segments were predicted: half in common with one of the same label; instants nearby."""
    by_label: dict[str, list[Span]] = {}
    for each in sorted((each for each in predicted if not each.instant), key=lambda each: each.first):
        by_label.setdefault(each.label, []).append(each)
    at = dict.fromkeys(by_label, 0)
    used: set[int] = set()
    hits = 0
    for each in sorted((each for each in true if not each.instant), key=lambda each: each.first):
        free = by_label.get(each.label, [])
        start = at.get(each.label, 0)
        while start < len(free) and free[start].last < each.first:
            start += 1
        at[each.label] = start
        end = start
        while end < len(free) and free[end].first <= each.last:
            end += 1
        best = max(
            (other for other in free[start:end] if id(other) not in used), key=partial(_overlap, each), default=None
        )
        if best is not None and _overlap(each, best) >= LEAST_OVERLAP:
            hits += 1
            used.add(id(best))
    return hits + matched_instants(
        [each for each in true if each.instant], [each for each in predicted if each.instant], tolerance
    )


def matched_instants(true: Sequence[Span], predicted: Sequence[Span], tolerance: int) -> int:
    """Number of one-to-one matches of instants of the same label at most `tolerance` rows apart."""
    theirs = _instants(predicted)
    hits = 0
    for label, rows in _instants(true).items():
        free = theirs.get(label, [])
        at = 0
        for row in rows:  # both in order: the earliest that is near enough leaves the most for later ones
            while at < len(free) and free[at] < row - tolerance:
                at += 1
            if at < len(free) and free[at] <= row + tolerance:
                hits += 1
                at += 1
    return hits


def tolerance_rows(recordings: Iterable[Iterable[Span]]) -> int:
    """Rows that an instant may be off and still be right: a fifth of the median gap between annotated ones."""
    gaps: list[int] = []
    for each in recordings:
        rows = sorted(one.first for one in each if one.instant)
        gaps += [later - earlier for earlier, later in pairwise(rows)]
    return max(1, round(TOLERANCE * median(gaps))) if gaps else 1


def _stretches(ours: Sequence[Span], theirs: Sequence[Span]) -> Iterable[tuple[int, int, bool]]:
    """First row, last row and whether the labels are the same, of every stretch of ranges that either side marks."""
    changes: dict[int, list[tuple[int, str, int]]] = {}
    for side, spans in enumerate((ours, theirs)):
        for each in spans:
            if not each.instant:
                changes.setdefault(each.first, []).append((side, each.label, 1))
                changes.setdefault(each.last + 1, []).append((side, each.label, -1))
    open_labels: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for row, following in pairwise(sorted(changes)):
        for side, label, change in changes[row]:
            count = open_labels[side].get(label, 0) + change
            if count:
                open_labels[side][label] = count
            else:
                open_labels[side].pop(label, None)
        if open_labels[0] or open_labels[1]:
            yield row, following - 1, open_labels[0].keys() == open_labels[1].keys()


def _instants(spans: Iterable[Span]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for each in spans:
        if each.instant:
            rows.setdefault(each.label, []).append(each.first)
    return {label: sorted(found) for label, found in rows.items()}


def _near(rows: Sequence[int], row: int, tolerance: int) -> bool:
    at = bisect_left(rows, row - tolerance)
    return at < len(rows) and rows[at] <= row + tolerance


def _overlap(one: Span, other: Span) -> float:
    common = min(one.last, other.last) - max(one.first, other.first) + 1
    if common <= 0:
        return 0.0
    return common / (one.last - one.first + other.last - other.first + 2 - common)
