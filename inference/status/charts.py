"""Geometry of a task's drawing: numbers ► what SVG's attributes take. All in the units of a viewBox."""

from inference.monitoring.diagnosis import Channel, Drawing, DrawnSegment


def signal(channel: Channel, height: float) -> str:
    """Path of a channel: down and up through the least and largest value of each column, broken at gaps."""
    known = [value for value in (*channel.low, *channel.high) if value is not None]
    if not known:
        return ""
    least, span = min(known), (max(known) - min(known)) or 1.0
    width = 1000 / max(1, len(channel.low))
    parts: list[str] = []
    pen = "M"
    for index, (low, high) in enumerate(zip(channel.low, channel.high, strict=True)):
        if low is None or high is None:
            pen = "M"
            continue
        x = f"{(index + 0.5) * width:.5g}"
        parts.append(f"{pen}{x} {height - (low - least) / span * height:.1f}")
        if high != low:
            parts.append(f"L{x} {height - (high - least) / span * height:.1f}")
        pen = "L"
    return "".join(parts)


def limits(channel: Channel) -> str:
    """Least and largest value, for people."""
    known = [value for value in (*channel.low, *channel.high) if value is not None]
    return f"{min(known):.4g} to {max(known):.4g}" if known else "nothing was measured"


def place(piece: DrawnSegment, drawing: Drawing) -> tuple[float, float]:
    """Left edge and width of a piece in a strip of 1000."""
    rows = drawing.last - drawing.first + 1
    left = (max(piece.first, drawing.first) - drawing.first) / rows * 1000
    right = (min(piece.last, drawing.last) + 1 - drawing.first) / rows * 1000
    return round(left, 2), round(max(right - left, 1.0), 2)


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
    return found
