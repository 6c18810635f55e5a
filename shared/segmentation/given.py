"""What people fixed in a recording before it is segmented: those rows are decoded as given, the rest around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec.structs import replace as changed
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import Head, InstantHead, RangeHead

Floats = NDArray[np.float32]
IMPOSSIBLE = 1e-6  # probability of what a person ruled out: no prior over labels makes up for it


@dataclass(frozen=True)
class GivenSegments:
    """certain: segments that are there, with these bounds and labels. excluded: rows that do not carry that label."""

    certain: tuple[Segment, ...]
    excluded: tuple[Segment, ...] = ()

    def renamed(self, names: Mapping[str, str]) -> "GivenSegments":
        """Under other labels, where `names` has one."""
        certain = tuple(changed(each, label=names.get(each.label, each.label)) for each in self.certain)
        excluded = tuple(changed(each, label=names.get(each.label, each.label)) for each in self.excluded)
        return replace(self, certain=certain, excluded=excluded)

    def events(self, head: InstantHead) -> dict[int, int]:
        """Row of each event that is certain ► its label's index in the head."""
        index = {label: place for place, label in enumerate(head.labels)}
        return {each.first: index[each.label] for each in self.certain if each.instant and each.label in index}

    def apply(self, probabilities: Floats, first: int, heads: Sequence[Head]) -> Floats:
        """Probabilities of rows from `first` on [rows, classes of all heads], made certain where people fixed them."""
        found = probabilities.copy()
        reach = max((head.half_width for head in heads if isinstance(head, InstantHead)), default=0)
        low, high = first - reach, first + len(probabilities) + reach
        near = GivenSegments(
            tuple(each for each in self.certain if each.last >= low and each.first < high),
            tuple(each for each in self.excluded if each.last >= low and each.first < high),
        )
        start = 0
        for head in heads:
            part = found[:, start : start + 1 + len(head.labels)]
            if isinstance(head, RangeHead):
                near._apply_ranges(part, first, head)
            else:
                near._apply_events(part, first, head)
            start += 1 + len(head.labels)
        return found

    def _apply_ranges(self, part: Floats, first: int, head: RangeHead) -> None:
        index = {label: 1 + place for place, label in enumerate(head.labels)}
        for each in self.excluded:
            rows = _rows(part, each.first - first, each.last - first)
            if len(rows) and not each.instant and each.label in index:
                rows[:, index[each.label]] = IMPOSSIBLE
                rows /= rows.sum(axis=1, keepdims=True)
        for each in self.certain:
            rows = _rows(part, each.first - first, each.last - first)
            if len(rows) and not each.instant and each.label in index:
                rows[:] = IMPOSSIBLE
                rows[:, index[each.label]] = 1

    def _apply_events(self, part: Floats, first: int, head: InstantHead) -> None:
        reach, labels = head.half_width, set(head.labels)
        for each in self.excluded:
            if each.instant and each.label in labels:
                rows = _rows(part, each.first - reach - first, each.first + reach - first)
                rows[:] = 0
                rows[:, 0] = 1
        for each in self.certain:
            if not each.instant or each.label not in labels:
                continue
            low = max(each.first - reach - first, 0)
            rows = _rows(part, each.first - reach - first, each.first + reach - first)
            away = np.abs(np.arange(low, low + len(rows)) + first - each.first)[:, None]
            some = np.maximum(rows[:, 1:].sum(axis=1, keepdims=True), np.float32(IMPOSSIBLE))
            rows[:, 1:] *= ((1 - away / (reach + 1)) / some).astype(np.float32)  # what speaks for which label stays
            rows[:, :1] = away / (reach + 1)


def _rows(part: Floats, first: int, last: int) -> Floats:
    return part[max(first, 0) : max(last + 1, 0)]
