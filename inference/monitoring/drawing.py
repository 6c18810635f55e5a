"""The drawing of a recording: signals reduced to what fits on a screen, strips of segments, where they differ."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.monitoring.differences import differences, tolerance_rows
from shared.errors import RefusedError
from shared.labelling.segments import Segment
from shared.recordings.series import Series

COLUMNS = 1000  # pixel columns of a drawn signal: each shows the minimum and maximum of its rows
LEAST_COLUMNS = 250
POINTS = 8000  # columns of all channels together: about 100 kB of a page, packed
CHANNELS = 16  # drawn unless others are asked for
MOST_DIFFERENCES = 1000
TICKS = 8
HELD_OUT = "predicted by a network that had not seen it"


class DrawnSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as it is drawn; `start` and `end` as Label Studio shows them."""

    first: int
    last: int
    label: str
    score: float
    instant: bool
    start: int | float | str = ""
    end: int | float | str = ""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A signal by pixel columns: minimum and maximum, null where values are missing."""

    name: str
    low: list[float | None]
    high: list[float | None]
    number: int = 0  # among all channels of the recording


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What to draw: rows `first` to `last` (0 to -1: all), and which channels in which order (none: the first ones)."""

    first: int = 0
    last: int = -1
    channels: tuple[int, ...] = ()
    together: bool = False  # all channels in one plot

    @property
    def whole(self) -> bool:
        """Whether it is the view that a page opens with."""
        return self == Window()


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """Rows `first` to `last` of a recording, with strips of segments by name."""

    rows: int
    first: int
    last: int
    start: int | float | str
    end: int | float | str
    channels: list[Channel]
    strips: dict[str, list[DrawnSegment]]
    names: list[str] = []  # of all channels
    together: bool = False
    ticks: list[tuple[int, int | float | str]] = []  # rows of the time axis and their times
    compared: list[str] = []  # names of the two strips whose differences are marked
    differences: list[tuple[int, int]] = []  # first and last rows, of the whole recording


def draw(series: Series, names: Sequence[str], strips: dict[str, list[Segment]], window: Window) -> Drawing:
    """A window of a recording, reduced to minima and maxima. Raises RefusedError on a recording of no rows."""
    if not series.rows:
        raise RefusedError("The recording has no rows to draw.")
    first = min(max(window.first, 0), series.rows - 1)
    last = series.rows - 1 if window.last < first else min(window.last, series.rows - 1)
    shown = [each for each in dict.fromkeys(window.channels) if each < len(names)] or list(range(len(names)))[:CHANNELS]
    low, high = envelope(series.values[first : last + 1][:, shown], max(LEAST_COLUMNS, POINTS // max(len(shown), 1)))
    rows = _tick_rows(series, first, last)
    compared = _compared(strips)
    found = _differences(strips, compared)
    return Drawing(
        rows=series.rows,
        first=first,
        last=last,
        start=series.axis.value(first),
        end=series.axis.value(last),
        channels=[
            Channel(name=names[number], low=_numbers(low[:, at]), high=_numbers(high[:, at]), number=number)
            for at, number in enumerate(shown)
        ],
        strips={name: list(_pieces(found, series, first, last)) for name, found in strips.items()},
        names=list(names),
        together=window.together,
        ticks=list(zip(rows, series.axis.values(rows), strict=True)),
        compared=compared,
        differences=found[:MOST_DIFFERENCES],
    )


def envelope(values: NDArray[np.float64], columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimum and maximum of at most `columns` parts of [rows, channels]; NaN where a part has no values."""
    count = min(columns, COLUMNS, len(values))
    bounds = np.linspace(0, len(values), count + 1).astype(int)[:-1]
    low, high = np.fmin.reduceat(values, bounds, axis=0), np.fmax.reduceat(values, bounds, axis=0)
    none = ~(np.isfinite(low) & np.isfinite(high))
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _compared(strips: dict[str, list[Segment]]) -> list[str]:
    """The one annotation, and what a network that had not seen it predicted, else what the model says."""
    annotated = [name for name in strips if name.startswith("annotated")]
    predicted = [name for name in (HELD_OUT, "predicted") if name in strips]
    if not annotated or not predicted or not strips[annotated[0]]:
        return []
    return [annotated[0], predicted[0]]


def _differences(strips: dict[str, list[Segment]], compared: Sequence[str]) -> list[tuple[int, int]]:
    if not compared:
        return []
    annotated, predicted = (strips[name] for name in compared)
    return differences(annotated, predicted, tolerance_rows([annotated]))


def _tick_rows(series: Series, first: int, last: int) -> list[int]:
    """Rows of round times where times are numbers, else at equal distances."""
    start, end = series.axis.value(first), series.axis.value(last)
    span = last - first
    if isinstance(start, str) or isinstance(end, str) or end <= start:
        return sorted({first + round(span * each / TICKS) for each in range(1, TICKS)})
    step = 10.0 ** np.floor(np.log10((end - start) / TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if (end - start) / (step * factor) <= TICKS)
    times = np.arange(np.ceil(start / step), np.floor(end / step) + 1) * step
    rows = np.searchsorted(series.axis.times, times)
    return sorted({int(row) for row in rows if first <= row <= last})


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values]


def _pieces(segments: Iterable[Segment], series: Series, first: int, last: int) -> Iterable[DrawnSegment]:
    for each in segments:
        if each.last >= first and each.first <= last and each.last < series.rows:
            yield DrawnSegment(
                first=each.first,
                last=each.last,
                label=each.label,
                score=round(each.score, 4),
                instant=each.instant,
                start=series.axis.value(each.first),
                end=series.axis.value(each.last),
            )
