"""Does something grow? A least-squares line through what was measured after a warm-up, with its error."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from training.judging.gate import t_quantile

WARM_UP = 1 / 3  # of the minutes: caches fill, pools start their threads, the allocator finds its size
MOST_ALIKE = 0.9  # a correlation that a few dozen points can tell from 1


class Slope(NamedTuple):
    """Growth a minute, and its standard error."""

    value: float
    error: float
    points: int


class Limit(NamedTuple):
    """What may grow by how much a minute before it counts as growing."""

    name: str
    unit: str
    most: float  # a minute


LIMITS = (
    Limit("RSS", "MiB", 0.1),  # a leak of 64 KiB at each training, swap or roll back is above this
    Limit("file descriptors", "", 0.02),  # one in fifty minutes
    Limit("threads", "", 0.02),
    Limit("temporary files", "", 0.02),
)


def slope(minutes: Sequence[float], values: Sequence[float]) -> Slope:
    """Slope of values over minutes by least squares; needs three points.

    The error is that of the residuals around the line, widened because neighbours resemble each other: by
    sqrt((1 + r) / (1 - r)) for a correlation r of each with the next (Bartlett 1935).
    """
    if len(minutes) < 3:
        raise ValueError(f"A slope with its error needs three points after the warm-up; found {len(minutes)}.")
    x, y = np.asarray(minutes, float), np.asarray(values, float)
    x = x - x.mean()
    spread = float(np.square(x).sum())
    value = float((x * y).sum()) / spread
    rest = y - y.mean() - value * x
    squares = float(np.square(rest).sum())
    alike = min(max(float((rest[1:] * rest[:-1]).sum()) / squares, 0.0), MOST_ALIKE) if squares else 0.0
    error = np.sqrt(squares / (len(x) - 2) / spread * (1 + alike) / (1 - alike))
    return Slope(value, float(error), len(x))


def after_warm_up(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Minutes and values of the last two thirds; `values` are one a minute."""
    first = round(len(values) * WARM_UP)
    return [float(minute) for minute in range(first, len(values))], list(values[first:])


def grows(found: Slope, limit: Limit) -> bool:
    """Whether the 95 % interval of the slope lies above what is allowed."""
    return found.value - t_quantile(found.points - 2) * found.error > limit.most
