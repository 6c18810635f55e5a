from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import SeriesError
from shared.labelling.d3_time import format_time, parse_times
from shared.labelling.time_axis import TimeAxis

CLOCK = "%Y-%m-%d %H:%M:%S"
FORMATS = [
    CLOCK, f"{CLOCK}.%L", f"{CLOCK}.%f", "%Q", "%s", "%d/%m/%y %I:%M:%S %p", "%b %e, %Y %H:%M", "%B %-d %Y %-H:%M:%S",
    "%Y %j %H:%M:%S.%L", "%Y-%m-%dT%H:%M:%S.%L%Z", "%Y%m%d%H%M%S", "%c", "%m/%d/%Y", "%A %d %B %Y %I %p", "%I %M %Y",
]  # fmt: skip
FIVE = np.arange(5, dtype=np.float64)
STEPS = st.lists(st.sampled_from([0, 0, 1, 4, 40, 250, 1000, 60_000, 86_400_000]), min_size=0, max_size=40)


def through_json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def rows_of_the_same_time(axis: TimeAxis, row: int) -> tuple[int, int]:
    same = np.flatnonzero(axis.times == axis.times[row])
    return int(same[0]), int(same[-1])


@pytest.mark.parametrize("time_format", FORMATS)
@given(start=st.integers(0, 2_800_000_000_000), steps=STEPS)
@settings(max_examples=60)
def test_a_row_comes_back_from_its_value_in_every_format(time_format: str, start: int, steps: list[int]) -> None:
    """Also where times repeat, and where the data are finer than the format."""
    texts = [format_time(start + after, time_format) for after in np.cumsum([0, *steps])]
    times = parse_times(texts, time_format)
    if (np.diff(times) < 0).any():  # "%I %M %Y" alone
        return
    axis = TimeAxis(times, time_format)
    for row in range(len(texts)):
        value = through_json(axis.value(row))
        assert axis.rows_between(value, value) == rows_of_the_same_time(axis, row)
        number = through_json(axis.times[row].item())
        assert axis.rows_between(number, number) == rows_of_the_same_time(axis, row)


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=40), st.data())
@settings(deadline=None)
def test_a_row_comes_back_from_its_value_on_a_numeric_axis(times: list[float], data: st.DataObject) -> None:
    axis = TimeAxis(np.sort(np.array(times)))
    row = data.draw(st.integers(0, len(times) - 1))
    for value in (through_json(axis.value(row)), repr(axis.value(row))):
        assert axis.rows_between(value, value) == rows_of_the_same_time(axis, row)


@given(st.integers(1, 50), st.data())
def test_an_axis_of_rows_names_rows(rows: int, data: st.DataObject) -> None:
    axis = TimeAxis.of_rows(rows)
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first, rows - 1))
    assert (axis.value(first), axis.value(last)) == (first, last)
    assert type(axis.value(first)) is int
    assert axis.rows_between(first, last) == (first, last)


def test_repeated_times_mean_the_first_row_of_a_start_and_the_last_of_an_end() -> None:
    times = parse_times(["2024-01-30 00:00:01", *["2024-01-30 00:00:02"] * 4, "2024-01-30 00:00:03"], CLOCK)
    axis = TimeAxis(times, CLOCK)
    assert axis.rows_between("2024-01-30 00:00:02", "2024-01-30 00:00:02") == (1, 4)


@pytest.mark.parametrize(("bound", "row"), [(10.4, 0), (10.6, 1), (11.5, 2), ("11.9", 2), (12.4, 2), (9.6, 0)])
def test_a_bound_between_rows_means_the_nearest(bound: float | str, row: int) -> None:
    assert TimeAxis(FIVE[:3] + 10).rows_between(bound, bound) == (row, row)


def test_a_region_that_reaches_beyond_the_recording_is_cut_to_it() -> None:
    axis = TimeAxis(FIVE)
    assert axis.rows_between(-1000, 2) == (0, 2)
    assert axis.rows_between(3, 1e9) == (3, 4)


def test_a_microsecond_string_finds_the_row_that_the_page_cut_to_milliseconds() -> None:
    time_format = f"{CLOCK}.%f"
    axis = TimeAxis(parse_times(["2024-01-30 00:00:01.123456", "2024-01-30 00:00:01.223456"], time_format), time_format)
    assert axis.value(0) == "2024-01-30 00:00:01.123000"
    assert axis.rows_between("2024-01-30 00:00:01.123000", "2024-01-30 00:00:01.222999") == (0, 1)


def test_a_format_that_loses_the_time_gives_milliseconds_instead() -> None:
    axis = TimeAxis(parse_times(["09:00", "14:00"], "%I:%M"), "%I:%M")
    assert axis.value(1) == axis.times[1]
    assert axis.rows_between(axis.value(1), axis.value(1)) == (1, 1)


@pytest.mark.parametrize(
    ("start", "end"),
    [(20, 30), (-9, -2), (3, 1), ("x", 2), (None, 1), (True, 1), (float("nan"), 1), ("nan", 1), ([], 1), ("1_0", 1),
     (10**400, 10**401), ({}, {})],
)  # fmt: skip
def test_a_region_outside_or_without_readable_bounds_is_an_error_in_words(start: Any, end: Any) -> None:
    with pytest.raises(SeriesError, match="region"):
        TimeAxis(FIVE).rows_between(start, end)


def test_text_that_does_not_fit_the_format_is_an_error_that_shows_one_that_does() -> None:
    axis = TimeAxis(parse_times(["2024-01-30 00:00:01"], CLOCK), CLOCK)
    with pytest.raises(SeriesError, match=r"'30\.1\.2024'.*'2024-01-30 00:00:01'"):
        axis.rows_between("30.1.2024", "30.1.2024")


def test_a_decreasing_time_is_an_error_that_names_row_and_value() -> None:
    with pytest.raises(SeriesError, match=r"row 2 .* has 1.5 after 2;"):
        TimeAxis(np.array([1.0, 2.0, 1.5]))
    with pytest.raises(SeriesError, match=r"row 1 .* has '2024-01-29 00:00:00' after '2024-01-30 00:00:00'"):
        TimeAxis(parse_times(["2024-01-30 00:00:00", "2024-01-29 00:00:00"], CLOCK), CLOCK)


def test_a_missing_time_is_an_error_that_names_the_row() -> None:
    with pytest.raises(SeriesError, match="row 1 "):
        TimeAxis(np.array([1.0, np.nan, 2.0]))


def test_a_recording_of_one_row_has_an_axis() -> None:
    assert TimeAxis(np.array([7.0])).rows_between(7, 7) == (0, 0)


def test_no_region_lies_in_a_recording_without_rows() -> None:
    with pytest.raises(SeriesError, match="without rows"):
        TimeAxis.of_rows(0).rows_between(0, 1)
