"""Regions of one annotation ► labelled rows of one head.

Of overlapping regions the shorter is on top. Rows that a region may mark, but not for certain, are unknown.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.labelling.regions import UnclearRegion

UNKNOWN = -1  # a row that teaches nothing and is not evaluated

Labels = NDArray[np.int16]


class Painted(NamedTuple):
    """Rows `first` to `last` (inclusive) that carry class `class_index` of a head."""

    first: int
    last: int
    class_index: int


def paint(regions: Sequence[Painted], unclear: Sequence[UnclearRegion], rows: int) -> Labels:
    """The class of every row, 0 background: int16 [rows].

    Of `unclear` regions those are unknown: rows of a region that is certain in place alone; from a bound that can be
    read to the next region (the one before, where only the end can be read); all rows outside regions where neither
    bound can be read; and from the region before to the region after where the bounds are the wrong way round.
    """
    nowhere = any(each.first is None and each.last is None for each in unclear)
    labels = np.full(rows, UNKNOWN if nowhere else 0, np.int16)
    certain = [*regions, *(Painted(*each.span, UNKNOWN) for each in unclear if each.span)]
    for first, last, class_index in sorted(certain, key=lambda each: each.first - each.last):
        labels[first : last + 1] = class_index
    firsts, lasts = sorted(each.first for each in certain), sorted(each.last for each in certain)
    for each in unclear:
        bounds = [row for row in (each.first, each.last) if row is not None]
        if bounds and not each.span:
            first, end = min(bounds), max(bounds) + 1
            if each.last is not None:
                before = bisect_left(lasts, first)
                first = lasts[before - 1] + 1 if before else 0
            if each.first is not None:
                after = bisect_left(firsts, end)
                end = firsts[after] if after < len(firsts) else rows
            labels[first:end] = UNKNOWN
    return labels
