"""Geometry of a task's drawing: numbers ► what SVG's attributes take, in per cent or in the units of a viewBox."""

from collections.abc import Sequence
from typing import NamedTuple

from inference.monitoring.drawing import Channel, Drawing, DrawnSegment
from shared.reporting import charts as parts

LEAST_NAMED = 2.5  # per cent of the width from which a bar has room for its label
LEAST_WIDTH = 0.1  # per cent


class Bar(NamedTuple):
    """A segment in a strip; x and width in per cent, y and height in units of 24."""

    x: float
    width: float
    y: float
    height: float
    label: str
    title: str
    named: bool


def signal(channel: Channel, height: float) -> str:
    """Path of a channel: down and up through the least and largest value of each column, broken at gaps."""
    known = [value for value in (*channel.low, *channel.high) if value is not None]
    if not known:
        return ""
    least, span = min(known), (max(known) - min(known)) or 1.0
    width = 1000 / max(1, len(channel.low))
    drawn: list[str] = []
    pen = "M"
    for index, (low, high) in enumerate(zip(channel.low, channel.high, strict=True)):
        if low is None or high is None:
            pen = "M"
            continue
        x = f"{(index + 0.5) * width:.5g}"
        drawn.append(f"{pen}{x} {height - (low - least) / span * height:.1f}")
        if high != low:
            drawn.append(f"V{height - (high - least) / span * height:.1f}")
        pen = "L"
    return "".join(drawn)


def limits(channel: Channel) -> str:
    """Least and largest value, for people."""
    known = [value for value in (*channel.low, *channel.high) if value is not None]
    return f"{min(known):.4g} to {max(known):.4g}" if known else "nothing was measured"


def bars(pieces: Sequence[DrawnSegment], drawing: Drawing) -> list[Bar]:
    """Bars of a strip: below each other where labels overlap. Those that fall on the same place are drawn once."""
    lanes = parts.lanes(pieces)
    found: dict[tuple[str, float], Bar] = {}  # by label and place, to a thousandth of the width
    for each in pieces:
        x, width = place(each.first, each.last, drawing)
        y, height = (0.0, 24.0) if each.instant else lanes[each.label]
        title = f"{each.label} {each.start} to {each.end}, score {each.score:.2f}"
        named = width >= LEAST_NAMED and not each.instant
        found.setdefault((each.label, round(x, 1)), Bar(x, width, y, height, each.label, title, named))
    return list(found.values())


def marks(spans: Sequence[tuple[int, int]], drawing: Drawing, *, whole: bool = False) -> list[tuple[float, float]]:
    """Left edges and widths, in per cent, of spans of rows within the window, or within the whole recording."""
    if whole:
        found = (_share(first, last, 0, drawing.rows) for first, last in spans)
    else:
        found = (
            place(first, last, drawing) for first, last in spans if last >= drawing.first and first <= drawing.last
        )
    return list(dict.fromkeys(found))


def place(first: int, last: int, drawing: Drawing) -> tuple[float, float]:
    """Left edge and width of rows in the window, in per cent."""
    rows = drawing.last - drawing.first + 1
    return _share(max(first, drawing.first) - drawing.first, min(last, drawing.last) - drawing.first, 0, rows)


def zooms(drawing: Drawing) -> dict[str, tuple[int, int]]:
    """Windows to go to from here: name ► first and last row."""
    rows = drawing.last - drawing.first + 1
    found = {"whole": (0, drawing.rows - 1)}
    if rows >= 8:
        quarter = rows // 4
        found["zoom in"] = (drawing.first + quarter, drawing.last - quarter)
    if rows < drawing.rows:
        half = rows // 2
        found["zoom out"] = (max(0, drawing.first - half), min(drawing.rows - 1, drawing.last + half))
        if drawing.first > 0:
            start = max(0, drawing.first - half)
            found["earlier"] = (start, start + rows - 1)
        if drawing.last < drawing.rows - 1:
            end = min(drawing.rows - 1, drawing.last + half)
            found["later"] = (end - rows + 1, end)
    middle = drawing.first + rows // 2
    others = [each for each in drawing.differences if not _centred(each, drawing)]
    before, after = [each for each in others if each[1] < middle], [each for each in others if each[0] > middle]
    if rows == drawing.rows:  # the whole recording: the first one is the next
        before, after = [], drawing.differences
    if before:
        found["previous difference"] = _around(before[-1], drawing)
    if after:
        found["next difference"] = _around(after[0], drawing)
    return found


def address(task: int, drawing: Drawing, **changed: object) -> str:
    """Query of a view of the task's page: this one, but for what is changed."""
    state: dict[str, object] = {
        "first": drawing.first,
        "last": drawing.last,
        "channels": ",".join(str(each.number) for each in drawing.channels),
        "plot": "together" if drawing.together else "",
        **changed,
    }
    return f"task?number={task}" + "".join(f"&{name}={value}" for name, value in state.items() if value != "")


def raised(drawing: Drawing, number: int) -> str:
    """Order of the channels with one moved up."""
    order = [each.number for each in drawing.channels]
    at = order.index(number)
    order[max(0, at - 1)], order[at] = order[at], order[max(0, at - 1)]
    return ",".join(map(str, order))


def without(drawing: Drawing, number: int) -> str:
    """Order of the channels with one hidden."""
    return ",".join(str(each.number) for each in drawing.channels if each.number != number)


def hidden(drawing: Drawing) -> list[tuple[str, str]]:
    """Names of the channels that are not drawn, and the order of the channels with each of them added."""
    here = [each.number for each in drawing.channels]
    return [
        (name, ",".join(map(str, [*here, number]))) for number, name in enumerate(drawing.names) if number not in here
    ]


def _around(span: tuple[int, int], drawing: Drawing) -> tuple[int, int]:
    """A window with a difference in its middle: as wide as now, or as four differences where all is shown."""
    rows = drawing.last - drawing.first + 1
    length = span[1] - span[0] + 1
    if rows == drawing.rows:
        rows = min(drawing.rows, max(4 * length, 40))
    rows = max(rows, min(drawing.rows, 2 * length))
    start = min(max(0, (span[0] + span[1] - rows + 1) // 2), drawing.rows - rows)
    return start, start + rows - 1


def _centred(span: tuple[int, int], drawing: Drawing) -> bool:
    return _around(span, drawing) == (drawing.first, drawing.last)


def _share(first: int, last: int, start: int, rows: int) -> tuple[float, float]:
    left, right = 100 * (first - start) / rows, 100 * (last + 1 - start) / rows
    width = max(round(right - left, 3), LEAST_WIDTH)
    return round(min(left, 100 - width), 3), width
