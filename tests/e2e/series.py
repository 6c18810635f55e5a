"""Easy series with known segments: any seed, 2 to 4 labels, every kind of time axis. Nothing is tuned to them."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Axis = Literal["index", "numeric", "datetime"]
AXES: tuple[Axis, ...] = ("index", "numeric", "datetime")
LABELS = ("Rest", "Walk", "Run", "Climb")
BACKGROUND = ""
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
START = datetime(2024, 1, 30, 23, 55, tzinfo=UTC)  # so that series run over midnight

Json = dict[str, Any]


@dataclass(frozen=True)
class Segment:
    """Rows `first` to `last`, both included, carry `label`."""

    first: int
    last: int
    label: str


@dataclass(frozen=True)
class Recording:
    """A CSV as a person would upload it, and what is true of it."""

    name: str
    csv: bytes
    rows: int
    axis: Axis
    segments: tuple[Segment, ...]


def label_config(axis: Axis, labels: Sequence[str]) -> str:
    """The labelling configuration of such series."""
    time = {
        "index": "",
        "numeric": ' timeColumn="time"',
        "datetime": f' timeColumn="time" timeFormat="{TIME_FORMAT}"',
    }[axis]
    choices = "".join(f'<Label value="{label}"/>' for label in labels)
    return (
        f'<View><TimeSeriesLabels name="label" toName="ts">{choices}</TimeSeriesLabels>'
        f'<TimeSeries name="ts" valueType="url" value="$csv_url" sep=","{time} overviewWidth="100%">'
        '<Channel column="x"/><Channel column="y"/></TimeSeries></View>'
    )


def make_recordings(seed: int, count: int, labels: Sequence[str], axis: Axis, rows: int = 600) -> list[Recording]:
    """`count` recordings of `rows` rows and 2 channels; each label has a level and a swing of its own.

    A label's character is drawn once from the seed and shared by all recordings; segments of 25 to 80 rows alternate
    with background of 10 to 50, and every label occurs in every recording.
    """
    rng = random.Random(seed)
    phases = [rng.uniform(0, 2 * math.pi) for _ in labels]
    characters = [
        ((3.0 * math.cos(angle), 3.0 * math.sin(angle)), rng.uniform(0.05, 0.4), phase)
        for angle, phase in zip(_directions(rng, len(labels)), phases, strict=True)
    ]
    return [
        _make_recording(rng, f"seed{seed}_{number}.csv", dict(zip(labels, characters, strict=True)), axis, rows)
        for number in range(count)
    ]


def regions(recording: Recording, segments: Sequence[Segment] | None = None) -> list[Json]:
    """Segments (the true ones by default) as the page submits them: regions drawn by mouse."""
    return [
        {
            "id": f"drawn{number:05d}",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "origin": "manual",
            "value": {
                "start": _value(recording.axis, segment.first),
                "end": _value(recording.axis, segment.last),
                "instant": False,
                "timeserieslabels": [segment.label],
            },
        }
        for number, segment in enumerate(recording.segments if segments is None else segments)
    ]


def read_regions(recording: Recording, result: Sequence[Json]) -> list[Segment]:
    """Regions of a prediction or annotation as segments, in order of time."""
    segments = [
        Segment(
            _row(recording.axis, region["value"]["start"]),
            _row(recording.axis, region["value"]["end"]),
            region["value"]["timeserieslabels"][0],
        )
        for region in result
    ]
    return sorted(segments, key=lambda segment: segment.first)


def _directions(rng: random.Random, count: int) -> list[float]:
    turn = rng.uniform(0, 2 * math.pi)
    return [turn + 2 * math.pi * number / count for number in range(count)]


Character = tuple[tuple[float, float], float, float]


def _make_recording(
    rng: random.Random, name: str, characters: dict[str, Character], axis: Axis, rows: int
) -> Recording:
    segments = _make_segments(rng, list(characters), rows)
    label_of = {row: each.label for each in segments for row in range(each.first, each.last + 1)}
    lines = ["x,y" if axis == "index" else "time,x,y"]
    for row in range(rows):
        (x, y), frequency, phase = characters.get(label_of.get(row, BACKGROUND), ((0.0, 0.0), 0.0, 0.0))
        swing = math.sin(2 * math.pi * frequency * row + phase) if frequency else 0.0
        values = f"{x + swing + rng.gauss(0, 0.4):.4f},{y + swing + rng.gauss(0, 0.4):.4f}"
        lines.append(values if axis == "index" else f"{_value(axis, row)},{values}")
    return Recording(name, ("\n".join(lines) + "\n").encode(), rows, axis, tuple(segments))


def _make_segments(rng: random.Random, labels: list[str], rows: int) -> list[Segment]:
    segments: list[Segment] = []
    waiting: list[str] = []
    at = rng.randint(10, 50)
    while at + 25 < rows:
        if not waiting:
            waiting = rng.sample(labels, len(labels))
        last = min(at + rng.randint(25, 80), rows - 1)
        segments.append(Segment(at, last, waiting.pop()))
        at = last + 1 + rng.randint(10, 50)
    return segments


def _value(axis: Axis, row: int) -> float | str:
    if axis == "index":
        return row
    if axis == "numeric":
        return 10 + 0.5 * row
    return (START + timedelta(seconds=row)).strftime(TIME_FORMAT)


def _row(axis: Axis, value: float | str) -> int:
    if axis == "index":
        return round(float(value))
    if axis == "numeric":
        return round((float(value) - 10) / 0.5)
    if isinstance(value, str):
        return round((datetime.strptime(value, TIME_FORMAT).replace(tzinfo=UTC) - START).total_seconds())
    return round(value / 1000 - START.timestamp())
