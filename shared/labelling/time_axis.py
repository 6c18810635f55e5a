"""Times of rows ◄► bounds of regions.

A region names its bounds by the time axis of the page: the row's number where no time column is configured, the value
of a numeric column, or, with a d3 time format, text in that format or a number of milliseconds since 1970, UTC.
Equal times are allowed: a bound then means the first row of that time where a region starts, the last where it ends.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import SeriesError
from shared.labelling.d3_time import format_time, parse_times, reads_back

Time = int | float | str
EXACT = 2.0**53  # whole numbers below are exact in float64, and in the page's JSON


@dataclass(frozen=True)
class TimeAxis:
    """Times of a series: float64 [rows], never decreasing; row numbers, the column's unit, or ms since 1970 (UTC).

    Raises SeriesError, with row and value, on a time that is missing or smaller than the one before.
    """

    times: NDArray[np.float64]
    time_format: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.times).all():
            row = int(np.argmin(np.isfinite(self.times)))
            raise SeriesError(f"The time of row {row} (the first is 0) is not a number; every row needs a time.")
        back = self.times[1:] < self.times[:-1]
        if back.any():
            row = int(np.argmax(back)) + 1
            raise SeriesError(
                f"Times must not decrease, but row {row} (the first is 0) has {self.value(row)!r} after "
                f"{self.value(row - 1)!r}; sort the recording by time."
            )

    @classmethod
    def of_rows(cls, rows: int) -> "TimeAxis":
        """The axis of a recording without a time column: 0, 1, 2 …"""
        return cls(np.arange(rows, dtype=np.float64))

    def value(self, row: int) -> Time:
        """The bound of a region that the page draws at `row`."""
        return self.values([row])[0]

    def values(self, rows: Sequence[int]) -> list[Time]:
        """The bounds of regions that the page draws at `rows`."""
        times: list[float] = self.times[np.asarray(rows, np.int64)].tolist()
        if self.time_format and reads_back(self.time_format):
            return [self._formatted(time) for time in times]
        return [_number(time) for time in times]

    def _formatted(self, time: float) -> Time:
        with suppress(OverflowError):  # before year 1 or after 9999; the page takes milliseconds as well
            return format_time(time, self.time_format)
        return _number(time)

    def rows_between(self, start: object, end: object) -> tuple[int, int]:
        """First and last row (inclusive) of a region; a bound between two rows is the nearer one.

        A region that reaches beyond the recording is cut to it. Raises SeriesError where none of it lies within, where
        a bound is neither a number nor a time in the format, or where it ends before it starts.
        """
        low, high = self._read(start), self._read(end)
        if low > high:
            raise SeriesError(f"A region from {start!r} to {end!r} ends before it starts.")
        if not len(self.times):
            raise SeriesError(f"A region from {start!r} to {end!r} lies outside a recording without rows.")
        before, after = self._slack()
        if high < self.times[0] - before or low > self.times[-1] + after:
            raise SeriesError(
                f"A region from {start!r} to {end!r} lies outside the recording, which goes from {self.value(0)!r} to "
                f"{self.value(len(self.times) - 1)!r}."
            )
        first = int(np.searchsorted(self.times, self._nearest(low), side="left"))
        last = int(np.searchsorted(self.times, self._nearest(high), side="right")) - 1
        return first, last

    def row_at(self, bound: object, *, ends: bool = False) -> int | None:
        """The row nearest to a bound, or the first or last one for a bound beyond; None where it cannot be read.

        ends: whether a region ends there; of rows with equal times it is then the last one.
        """
        with suppress(SeriesError):
            time = self._read(bound)
            if len(self.times):
                nearest = self._nearest(time)
                return int(np.searchsorted(self.times, nearest, side="right" if ends else "left")) - ends
        return None

    def is_reversed(self, start: object, end: object) -> bool:
        """Whether both bounds can be read and `end` comes before `start`."""
        with suppress(SeriesError):
            return self._read(start) > self._read(end)
        return False

    def _read(self, bound: object) -> float:
        time = float("nan")
        if isinstance(bound, str):
            if self.time_format:
                time = float(parse_times([bound], self.time_format)[0])
            elif "_" not in bound:  # Python's own notation
                with suppress(ValueError):
                    time = float(bound)
        elif isinstance(bound, int | float) and not isinstance(bound, bool):
            with suppress(OverflowError):
                time = float(bound)
        if not np.isfinite(time):
            wanted = f"a time such as {self.value(0)!r} ({self.time_format})" if self.time_format else "a number"
            raise SeriesError(f"A region's bound is {bound!r:.100}, but must be {wanted}.")
        return time

    def _slack(self) -> tuple[float, float]:
        """How far outside the recording a bound may lie: half a time step, at least 1 ms with a time format."""
        steps = np.diff(self.times[[0, min(1, len(self.times) - 1), max(-2, -len(self.times)), -1]])
        least = 1.0 if self.time_format else 0.0
        return max(float(steps[0]) / 2, least), max(float(steps[2]) / 2, least)

    def _nearest(self, time: float) -> float:
        """The time of the row nearest to `time`; of two equally near ones the later."""
        right = min(int(np.searchsorted(self.times, time)), len(self.times) - 1)
        left = max(right - 1, 0)
        nearer_left = time - self.times[left] < self.times[right] - time
        return float(self.times[left if nearer_left else right])


def _number(time: float) -> Time:
    return int(time) if time.is_integer() and abs(time) < EXACT else time
