"""How long a stream waits before it gives a segment out, and what for."""

from typing import NamedTuple, Self

from shared.model_file.card import Head, ModelCard, RangeHead

SHARE = 0.5  # a quarter to all are level but where whole recordings have an order (docs/library.md)
STRIDES = 8  # windows that a row is in, where the model's own stride is not shorter


class Latency(NamedTuple):
    """What the rows are for that come after the last row of a segment until it is given out.

    ahead: rows that a network sees after a row before that row is decoded, at most a window without a stride. stride:
    rows from window to window. settle: decoded rows that a segment waits for, in which it may still change.
    """

    ahead: int
    stride: int
    settle: int

    @property
    def rows(self) -> int:
        """All together: the most rows that a segment waits for, once the first window is full."""
        return self.ahead + self.stride + self.settle

    @classmethod
    def of_model(cls, card: ModelCard, rows: int | None = None) -> Self:
        """At most `rows` in all, by default SHARE of what a window and the longest least duration take.

        Rows are shared in the same proportion. Raises ValueError where they are fewer than a stride.
        """
        unit = card.downsampling
        stride = max(min(card.stride, card.window // STRIDES) // unit, 1) * unit
        ahead, settle = max(card.window - stride, 0), max(_settles_within(head) for head in card.heads)
        whole = cls(ahead, stride, settle)
        rows = max(round(SHARE * whole.rows), stride) if rows is None else rows
        if rows >= whole.rows:
            return whole
        if rows < stride:
            raise ValueError(f"A latency of {rows} rows was asked for; this model needs at least {stride}.")
        ahead = (rows - stride) * ahead // (ahead + settle)
        return cls(ahead, stride, rows - stride - ahead)


def _settles_within(head: Head) -> int:
    return max(head.min_rows) if isinstance(head, RangeHead) else max(3 * head.half_width + 2, *head.spacing)
