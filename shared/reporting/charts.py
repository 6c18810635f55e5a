"""Geometry of the drawings: numbers ► what SVG's attributes take. All in the units of a viewBox."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from shared.store.report import StoredSegment

STRIP_WIDTH = 1000
BAR_TOP, BAR_HEIGHT = 4, 16  # of a range within a strip of 24


class Drawn(Protocol):
    """What is placed in a strip."""

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...

    @property
    def label(self) -> str: ...

    @property
    def instant(self) -> bool: ...


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


def lanes(segments: Sequence[Drawn]) -> dict[str, tuple[float, float]]:
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
