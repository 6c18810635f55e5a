"""Segments: predicted by a model, or annotated by people."""

from typing import Protocol

import msgspec


class Span(Protocol):
    """A segment, whatever else it holds."""

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...

    @property
    def label(self) -> str: ...

    @property
    def instant(self) -> bool: ...


class Segment(msgspec.Struct, frozen=True, gc=False):
    """Rows `first` to `last` (inclusive) that carry `label`; an instant is one row.

    `score` is the share of these rows expected to be right (an instant: the probability that it is one of its label);
    1 for annotated segments.
    """

    first: int
    last: int
    label: str
    score: float = 1.0
    instant: bool = False
