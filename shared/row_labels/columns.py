"""Which columns of a table of rows hold labels.

A column holds one label a row at most: `label`, or `label 1`, `label 2` … for labels that may lie over each other (the
heads of a model), and `instant` for labels that mark single rows.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.labelling.segments import Segment

INSTANT = "instant"
NAME = re.compile(r"label(?: \d+)?|instant")
UNKNOWN = "?"  # a row of which nobody knows what it is: annotators differ, or a region cannot be read
BETWEEN = "|"  # instants in one row


class LabelColumn(NamedTuple):
    """A column and the labels that it holds."""

    name: str
    labels: tuple[str, ...]

    @property
    def instant(self) -> bool:
        """Whether its labels mark single rows."""
        return self.name == INSTANT

    def cells(self, segments: Iterable[Segment], rows: int) -> list[str]:
        """The label of each row, "" for background. Of segments that overlap the shorter is on top."""
        found = [""] * rows
        own = [each for each in segments if each.instant == self.instant and each.label in self.labels]
        for each in sorted(own, key=lambda each: each.first - each.last):
            if self.instant:
                found[each.first] += BETWEEN * bool(found[each.first]) + each.label
            else:
                found[each.first : each.last + 1] = [each.label] * (each.last + 1 - each.first)
        return found


def label_columns(ranges: Sequence[Sequence[str]], instants: Sequence[str]) -> list[LabelColumn]:
    """The columns of heads of ranges, and of all instants together."""
    found = [
        LabelColumn("label" if len(ranges) == 1 else f"label {number}", tuple(labels))
        for number, labels in enumerate(ranges, 1)
    ]
    return [*found, LabelColumn(INSTANT, tuple(dict.fromkeys(instants)))] if instants else found
