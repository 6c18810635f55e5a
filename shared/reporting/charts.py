"""Geometry of the drawings: numbers ► what SVG's attributes take. All in the units of a viewBox."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from shared.labelling.segments import Span
from shared.store.report import StoredSegment

STRIP_WIDTH = 1000
BAR_TOP, BAR_HEIGHT = 4, 16  # of a range within a strip of 24


class StripPath(NamedTuple):
    """All segments of a label and kind in a strip, as one path."""

    kind: str  # bar or tick
    label: str
    d: str


def line(values: Sequence[float], width: float, height: float, *, low: float | None = None) -> str:
    """Points of a polyline through `values` at equal distances, the largest at the top."""
    if not values:
        return ""
    least = min(values) if low is None else low
    span = max(values) - least or 1.0
    step = width / max(1, len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{height - max(value - least, 0.0) / span * height:.1f}"
        for index, value in enumerate(values)
    )


def curve(points: Sequence[tuple[float, float]], width: float, height: float) -> str:
    """Points of a polyline through (x, y), x from 0, y from 0 to 1."""
    right = max((x for x, _ in points), default=1) or 1
    return " ".join(f"{x / right * width:.1f},{(1 - y) * height:.1f}" for x, y in points)


class Plot(NamedTuple):
    """A line with its axes, in a viewBox of PLOT_WIDTH by PLOT_HEIGHT."""

    line: str  # points of a polyline
    dots: list[tuple[float, float, str]]  # x, y, title; none where there are many
    errors: str  # path of the bars of one standard error in either direction
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


PLOT_WIDTH, PLOT_HEIGHT = 360, 150
LEFT, RIGHT, TOP, BOTTOM = 34, 352, 8, 124  # of the area of the line
MOST_DOTS = 40


def plot(
    points: Sequence[tuple[float, float]],
    *,
    errors: Sequence[float] = (),
    low: float | None = None,
    high: float | None = None,
    whole: bool = False,
    prefix: str = "",
) -> Plot:
    """A line through (x, y) in order of x. low, high: of the y axis; whole: x are whole numbers, after `prefix`."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    spreads = list(errors) or [0.0] * len(points)
    bottom = min(y - e for y, e in zip(ys, spreads, strict=True)) if low is None else low
    top = max(y + e for y, e in zip(ys, spreads, strict=True)) if high is None else high
    y_values = ticks(bottom, max(top, bottom + 1e-9))
    bottom, top = min(bottom, y_values[0]), max(top, y_values[-1])
    first, last = min(xs), max(xs)
    x_values = [x for x in ticks(first, max(last, first + 1e-9)) if first <= x <= last and (not whole or x == int(x))]

    def across(x: float) -> float:
        return round(LEFT + (x - first) / ((last - first) or 1.0) * (RIGHT - LEFT), 1)

    def down(y: float) -> float:
        return round(BOTTOM - (min(max(y, bottom), top) - bottom) / ((top - bottom) or 1.0) * (BOTTOM - TOP), 1)

    dots = [(across(x), down(y), f"{prefix}{x:g}: {y:.3f}") for x, y in points] if len(points) <= MOST_DOTS else []
    bars = "".join(f"M{across(x)} {down(y - e)}V{down(y + e)}" for (x, y), e in zip(points, spreads, strict=True) if e)
    return Plot(
        line=" ".join(f"{across(x)},{down(y)}" for x, y in points),
        dots=dots,
        errors=bars,
        x_ticks=[(across(x), f"{prefix}{x:g}") for x in x_values],
        y_ticks=[(down(y), text) for y, text in zip(y_values, _alike(y_values), strict=True)],
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high` or a little beyond: about `most` steps of 1, 2 or 5 times a power of 10."""
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-300) / most))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= most)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.10g}") for index in range(start, end + 1)]


def _alike(values: Sequence[float]) -> list[str]:
    """Numbers with as many decimals as the longest of them, so that they stand below each other."""
    texts = [f"{value:g}" for value in values]
    if any("e" in text for text in texts):
        return texts
    decimals = max(len(text.partition(".")[2]) for text in texts)
    return [f"{value:.{decimals}f}" for value in values]


def lanes(segments: Sequence[Span]) -> dict[str, tuple[float, float]]:
    """Top and height of the bars of each label in a strip: below each other where labels overlap, else all alike."""
    reached: dict[str, int] = {}  # last row so far of each label
    over: dict[str, set[str]] = {}
    for each in sorted((each for each in segments if not each.instant), key=lambda each: each.first):
        others = {label for label, last in reached.items() if last >= each.first and label != each.label}
        over.setdefault(each.label, set()).update(others)
        for label in others:
            over[label].add(each.label)
        reached[each.label] = max(each.last, reached.get(each.label, -1))
    chosen: dict[str, int] = {}
    for label in sorted(over):
        taken = {chosen[other] for other in over[label] if other in chosen}
        chosen[label] = next(lane for lane in range(len(over)) if lane not in taken)
    height = BAR_HEIGHT / (1 + max(chosen.values(), default=0))
    return {label: (BAR_TOP + lane * height, height) for label, lane in chosen.items()}


def strip(segments: Sequence[StoredSegment], rows: int, top: int) -> list[StripPath]:
    """Paths of a strip: ranges as bars, below each other where labels overlap; instants as ticks over all its height.

    What falls on the same half unit is drawn once, which bounds the length of a path.
    """
    boxes: dict[tuple[bool, str], dict[tuple[float, float], None]] = {}
    scale = STRIP_WIDTH / max(rows, 1)
    for each in segments:
        left = _half(scale * each.first)
        width = 2.0 if each.instant else max(1.0, _half(scale * (each.last + 1)) - left)
        boxes.setdefault((each.instant, each.label), {})[left, width] = None
    paths = []
    bars = lanes(segments)
    for (instant, label), found in sorted(boxes.items()):
        start, height = (0, 24) if instant else bars[label]
        d = "".join(f"M{left:g} {top + start:g}h{width:g}v{height:g}h{-width:g}z" for left, width in found)
        paths.append(StripPath("tick" if instant else "bar", label, d))
    return paths


def _half(value: float) -> float:
    return round(2 * value) / 2
