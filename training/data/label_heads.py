"""Which labels of ranges people put over each other: those go to different heads, each decoded for itself.

Two labels go apart where many segments of the rarer one overlap the other's. Regions that overlap by a few rows at
their borders, or once by mistake, change nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.labelling.segments import Segment
from shared.settings import Overlaps
from training.data.annotations import AnnotatedSeries, LabelKinds, Recording, by_annotator

APART_SHARE = 0.10  # of the rarer label's segments that overlap the other label: from here on two labels go apart …
TOGETHER_SHARE = 0.05  # … and under this together again: one annotation more or less must not change the heads
LEAST_RECORDINGS = 2  # in which they overlap
LEAST_OVERLAP = 0.5  # of the shorter segment's rows: less is a border drawn carelessly
MOST_TRIES = 20_000  # in the search for the fewest heads; labels that overlap in so many ways get a head more

Heads = tuple[tuple[str, ...], ...]
NO_SETS: Mapping[str, frozenset[str]] = MappingProxyType({})


def separate_labels(
    kinds: LabelKinds,
    marked: Sequence[AnnotatedSeries],
    previous: Heads = (),
    sets: Mapping[str, frozenset[str]] = NO_SETS,
    overlaps: Overlaps = "auto",
) -> LabelKinds:
    """The labels of ranges in as few heads as their overlaps allow, in the configuration's order.

    previous: heads of the model that serves, which stay as they are where nothing speaks against it. sets: labels of
    each TimeSeriesLabels tag; those of different tags never share a head. overlaps: `forbid` gives each tag one head.
    """
    labels = kinds.ranges
    apart: NDArray[np.bool_] = np.zeros((len(labels), len(labels)), bool)
    if overlaps == "auto":
        apart = _count_overlaps(marked, labels).apart(labels, previous)
    if len(sets) > 1:
        owners = np.array([next(name for name, each in sets.items() if label in each) for label in labels])
        apart |= owners[:, None] != owners
    heads = _kept(labels, apart, previous, _fewest(labels, apart))
    notes = []
    if len(heads) > max(1, len([each for each in sets.values() if not each.isdisjoint(labels)])):
        shown = "; ".join(", ".join(head) for head in heads)
        notes.append(f"Labels that overlap are learned and predicted side by side: {shown}.")
    return replace(kinds, heads=heads, notes=(*kinds.notes, *notes), sets=tuple(sets.items()) if len(sets) > 1 else ())


def covered_labels(recordings: Sequence[Recording], kinds: LabelKinds, overlaps: Overlaps = "auto") -> list[Doubt]:
    """One for each label of ranges without a row by any annotator: others of its head lie on top of it everywhere."""
    sizes = np.sum([each.class_sizes() for each in by_annotator(recordings)], axis=0)
    empty = [name for name, rows in zip(kinds.range_classes, sizes, strict=False) if not rows and name in kinds.ranges]
    return [
        Doubt(
            kind="covered-label",
            sentence=f"{label} cannot be learned: regions of other labels lie on all of its rows. {_rule(overlaps)}",
        )
        for label in empty
    ]


def covered_regions(
    marked: Sequence[AnnotatedSeries], recordings: Sequence[Recording], kinds: LabelKinds, overlaps: Overlaps = "auto"
) -> list[Doubt]:
    """One for the regions whose rows all went to others of their head, with their numbers by label.

    Labels of which nothing is left have one of their own. recordings: the marked ones, with their rows labelled.
    """
    lost: Counter[str] = Counter()
    drawn: Counter[str] = Counter()
    classes = {label: (head, 1 + at) for head, names in enumerate(kinds.heads) for at, label in enumerate(names)}
    for each, recording in zip(marked, recordings, strict=True):
        for layer, own in zip(each.layers, by_annotator([recording]), strict=True):
            rows = [own.known_labels(head) for head in range(len(kinds.heads))]
            for region in layer:
                if region.instant or region.label not in classes:
                    continue
                head, number = classes[region.label]
                there = rows[head][region.first : region.last + 1]
                drawn[region.label] += 1
                lost[region.label] += bool((there > 0).any() and not (there == number).any())
    some = [f"{lost[label]} of {label}" for label in classes if 0 < lost[label] < drawn[label]]
    if not some:
        return []
    sentence = f"Regions that are not learned, as others lie on all of their rows: {', '.join(some)}. {_rule(overlaps)}"
    return [Doubt(kind="covered-label", sentence=sentence)]


def _rule(overlaps: Overlaps) -> str:
    return (
        f"Labels are learned side by side where {APART_SHARE:.0%} of the rarer one's regions overlap the other's, in "
        f"at least {LEAST_RECORDINGS} recordings."
        if overlaps == "auto"
        else "Set OVERLAPS=auto to learn them side by side."
    )


class _Overlaps:
    """Segments of each label, and how many of them overlap each other label, in how many recordings."""

    def __init__(self, labels: int) -> None:
        self.segments = np.zeros(labels, np.int64)
        self.overlapping = np.zeros((labels, labels), np.int64)
        self.recordings = np.zeros((labels, labels), np.int64)

    def apart(self, labels: Sequence[str], previous: Heads) -> NDArray[np.bool_]:
        """Which labels cannot share a head: bool [labels, labels]."""
        before = {label: head for head, names in enumerate(previous) for label in names}
        found = np.zeros(self.overlapping.shape, bool)
        for one in range(len(labels)):
            for other in range(one):
                rarer, commoner = (one, other) if self.segments[one] <= self.segments[other] else (other, one)
                share = self.overlapping[rarer, commoner] / max(self.segments[rarer], 1)
                places = before.get(labels[one]), before.get(labels[other])
                were_apart = None not in places and places[0] != places[1]
                enough = share >= APART_SHARE and self.recordings[rarer, commoner] >= LEAST_RECORDINGS
                found[one, other] = found[other, one] = enough or (were_apart and share >= TOGETHER_SHARE)
        return found


def _count_overlaps(marked: Sequence[AnnotatedSeries], labels: Sequence[str]) -> _Overlaps:
    """Within each annotation: what one annotator draws over another's regions is no overlap."""
    counts = _Overlaps(len(labels))
    numbers = {label: number for number, label in enumerate(labels)}
    for each in marked:
        inside = np.zeros(counts.overlapping.shape, np.int64)
        for layer in each.layers:
            some = [segment for segment in layer if not segment.instant and segment.label in numbers]
            owners = np.array([numbers[segment.label] for segment in some], np.int64)
            np.add.at(counts.segments, owners, 1)
            np.add.at(inside, owners, _overlapped(some, owners, len(labels)).astype(np.int64))
        counts.overlapping += inside
        counts.recordings += inside > 0
    return counts


def _overlapped(segments: Sequence[Segment], owners: NDArray[np.int64], labels: int) -> NDArray[np.bool_]:
    """Which other labels each segment overlaps: bool [segments, labels]."""
    found = np.zeros((len(segments), labels), bool)
    firsts = np.array([segment.first for segment in segments], np.int64)
    ends = np.array([segment.last + 1 for segment in segments], np.int64)
    order = np.argsort(firsts, kind="stable")
    firsts, ends, owners = firsts[order], ends[order], owners[order]
    reaches = np.searchsorted(firsts, ends, side="left")
    for number, reach in enumerate(reaches.tolist()):
        others = np.arange(number + 1, reach)
        shared = np.minimum(ends[number], ends[others]) - firsts[others]
        shorter = np.minimum(ends[number] - firsts[number], ends[others] - firsts[others])
        others = others[(shared > LEAST_OVERLAP * shorter) & (owners[others] != owners[number])]
        found[order[number], owners[others]] = True
        found[order[others], owners[number]] = True
    return found


def _fewest(labels: Sequence[str], apart: NDArray[np.bool_]) -> Heads:
    """The fewest heads that keep apart what must be, each label in the first one that this allows."""
    first_fit: list[int] = []
    for number in range(len(labels)):
        taken = {head for other, head in enumerate(first_fit) if apart[number, other]}
        first_fit.append(next(head for head in range(len(labels)) if head not in taken))
    for count in range(1, max(first_fit, default=0) + 1):
        found = _assign(apart, count)
        if found is not None:
            return _named(labels, found)
    return _named(labels, first_fit)


def _assign(apart: NDArray[np.bool_], count: int) -> list[int] | None:
    """A head below `count` for every label, None if there is no such assignment or it is not found soon."""
    chosen: list[int] = []
    start = 0  # the first head that the next label may have
    for _ in range(MOST_TRIES):
        number = len(chosen)
        if number == len(apart):
            return chosen
        taken = {chosen[other] for other in range(number) if apart[number, other]}
        allowed = range(start, min(count, 1 + max(chosen, default=-1) + 1))  # heads that are empty are all alike
        head = next((each for each in allowed if each not in taken), None)
        if head is not None:
            chosen.append(head)
            start = 0
        elif chosen:
            start = chosen.pop() + 1
        else:
            return None
    return None


def _kept(labels: Sequence[str], apart: NDArray[np.bool_], previous: Heads, fewest: Heads) -> Heads:
    """The heads of before, with new labels in the first ones that allow it; `fewest` where these are fewer."""
    numbers = {label: number for number, label in enumerate(labels)}
    heads = [[label for label in names if label in numbers] for names in previous]
    heads = [names for names in heads if names]
    for label in labels:
        if any(label in names for names in heads):
            continue
        fits = [names for names in heads if not apart[numbers[label], [numbers[each] for each in names]].any()]
        if fits:
            fits[0].append(label)
        else:
            heads.append([label])
    clash = any(apart[np.ix_(some, some)].any() for some in ([numbers[each] for each in names] for names in heads))
    if clash or len(heads) > len(fewest):
        return fewest
    return _named(labels, [next(at for at, names in enumerate(heads) if label in names) for label in labels])


def _named(labels: Sequence[str], heads: Sequence[int]) -> Heads:
    """Labels by head, in their order; the head of the first label first."""
    return tuple(
        tuple(label for label, each in zip(labels, heads, strict=True) if each == head) for head in dict.fromkeys(heads)
    )
