"""Geometry of the drawings: numbers ► what SVG's attributes take. All in the units of a viewBox."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.store.report import StoredSegment

STRIP_WIDTH = 1000


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


def strip(segments: Sequence[StoredSegment], rows: int, top: int) -> list[StripPath]:
    """Paths of a strip: ranges as bars, instants as ticks over the whole height.

    What falls on the same half unit is drawn once, which bounds the length of a path.
    """
    boxes: dict[tuple[bool, str], dict[tuple[float, float], None]] = {}
    scale = STRIP_WIDTH / max(rows, 1)
    for each in segments:
        left = _half(scale * each.first)
        width = 2.0 if each.instant else max(1.0, _half(scale * (each.last + 1)) - left)
        boxes.setdefault((each.instant, each.label), {})[left, width] = None
    paths = []
    for (instant, label), found in sorted(boxes.items()):
        y, height = (top, 24) if instant else (top + 4, 16)
        d = "".join(f"M{left:g} {y}h{width:g}v{height}h{-width:g}z" for left, width in found)
        paths.append(StripPath("tick" if instant else "bar", label, d))
    return paths


def _half(value: float) -> float:
    return round(2 * value) / 2
