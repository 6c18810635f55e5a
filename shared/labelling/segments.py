"""What a model finds in a recording, and what people marked in it."""

import msgspec


class Segment(msgspec.Struct, frozen=True, gc=False):
    """Rows `first` to `last` (inclusive) that carry `label`; an instant is one row.

    `score` is the share of these rows expected to be right (an instant: the probability that it is one of its label);
    1 for what people marked.
    """

    first: int
    last: int
    label: str
    score: float = 1.0
    instant: bool = False
