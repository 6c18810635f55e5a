import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.labelling.d3_time import format_time, parse_times, reads_back, split_format

# What d3-time-format 2.3.0 (the page has d3 5) answers to utcFormat and utcParse.
WRITTEN = [
    ("%Y-%m-%d %H:%M:%S.%L", 1706659185123, "2024-01-30 23:59:45.123"),
    ("%d/%m/%y %I:%M %p", 1706619600000, "30/01/24 01:00 PM"),
    ("%A, %e %B %Y", 1706659185000, "Tuesday, 30 January 2024"),
    ("%a %_d %b %-H.%-M", 1706832300000, "Fri  2 Feb 0.5"),
    ("%j of %Y, %Z", 1709164800000, "060 of 2024, +0000"),
    ("%s", 1706659185000, "1706659185"),
    ("%Q", 1706659185123, "1706659185123"),
    ("%H:%M:%S.%f", 1706659185123, "23:59:45.123000"),
    ("%c", 1706659185123, "1/30/2024, 11:59:45 PM"),
    ("%x|%X", 1709297999000, "3/1/2024|12:59:59 PM"),
    ("%%Y%Y", 0, "%Y1970"),
    ("%u %w %q", 1706400000000, "7 0 1"),
    ("%Y-%m-%dT%H:%M:%SZ", -14182980000, "1969-07-20T20:17:00Z"),
    ("%-m/%-d/%-I%p", 1706663100000, "1/31/1AM"),
]
READ = [
    ("%Y-%m-%d %H:%M:%S", "2024-1-3 1:2:3", 1704243723000),
    ("%Y-%m-%d", "2024-02-30", 1709251200000),
    ("%Y-%m-%d", "2024-01-02x", None),
    ("%Y-%m-%d", "2024-01", None),
    ("%d.%m.%y", "31.12.68", 3124137600000),
    ("%d.%m.%y", "31.12.69", -86400000),
    ("%H:%M", "23:59", -2208902460000),
    ("%I:%M %p", "12:05 AM", -2208988500000),
    ("%I:%M %p", "12:05 pm", -2208945300000),
    ("%I:%M", "14:05", -2208938100000),
    ("%b %e %Y", "mar  5 2024", 1709596800000),
    ("%B %d, %Y", "SEPTEMBER 09, 2021", 1631145600000),
    ("%Y-%m-%dT%H:%M:%S%Z", "2024-01-02T03:04:05+02:30", 1704155645000),
    ("%Y-%m-%dT%H:%M:%S%Z", "2024-01-02T03:04:05Z", 1704164645000),
    ("%Y-%m-%dT%H:%M%Z", "2024-01-02T03:04-0800", 1704193440000),
    ("%Y-%m-%dT%H:%M%Z", "2024-01-02T03:04-08", 1704193440000),
    ("%s", "1706659185", 1706659185000),
    ("%Q", "1706659185123", 1706659185123),
    ("%s.%L", "1706659185.250", 1706659185250),
    ("%Y %j", "2024 366", 1735603200000),
    ("%Y%m%d%H%M%S", "20240102030405", 1704164645000),
    ("%A %d %b %Y", "Friday 05 Jan 2024", 1704412800000),
    ("%Y %q", "2024 3", 1719792000000),
    ("%Y", "0099", -59042995200000),
    ("%Y-%m", "2024-13", 1735689600000),
    ("100%% %Y", "100% 2024", 1704067200000),
    ("%-d.%-m.%Y", "5.1.2024", 1704412800000),
    ("%Y-%m-%d", "٢٠٢٤-01-02", None),
    ("%H:%M:%S", "25:61:61", -2208895079000),
    ("%Y", "", None),
]
PADS = st.sampled_from(["", "-", "_", "0"])
DIRECTIVES = st.builds("%{}{}".format, PADS, st.sampled_from("YymdejHIMSLfbBaApZuwxX"))
FORMATS = st.lists(st.tuples(DIRECTIVES, st.sampled_from([*"-/:.,T ", ""])), min_size=1, max_size=5).map(
    lambda parts: "".join(directive + literal for directive, literal in parts)
)


@pytest.mark.parametrize(("time_format", "time", "text"), WRITTEN)
def test_a_time_is_written_as_d3_writes_it(time_format: str, time: int, text: str) -> None:
    assert format_time(time, time_format) == text


@pytest.mark.parametrize(("time_format", "text", "time"), READ)
def test_a_time_is_read_as_d3_reads_it(time_format: str, text: str, time: int | None) -> None:
    (found,) = parse_times([text], time_format)
    assert np.isnan(found) if time is None else found == time


@pytest.mark.parametrize(
    ("text", "millisecond"), [("5.1", 100), ("5.12", 120), ("5.123", 123), ("5.123999", 123), ("5.123456789", 123)]
)
@pytest.mark.parametrize("letter", ["L", "f"])
def test_a_fraction_of_any_length_is_padded_or_cut_to_milliseconds(letter: str, text: str, millisecond: int) -> None:
    assert parse_times([text], f"%S.%{letter}") == parse_times(["5"], "%S") + millisecond


@pytest.mark.parametrize("text", ["5.", "5.x", "5.1234567890"])
def test_a_fraction_without_digits_or_with_too_many_is_no_time(text: str) -> None:
    assert np.isnan(parse_times([text], "%S.%L"))


@given(time_format=FORMATS, times=st.lists(st.integers(-62135596800000, 253402300799999), min_size=1, max_size=4))
@settings(max_examples=300)
def test_what_is_written_reads_back_in_every_format_that_says_so(time_format: str, times: list[int]) -> None:
    """To the precision of the format: writing what was read gives the same text."""
    if reads_back(time_format):
        once = parse_times([format_time(time, time_format) for time in times], time_format)
        assert not np.isnan(once).any()
        assert (parse_times([format_time(time, time_format) for time in once], time_format) == once).all()


@given(
    time_format=FORMATS,
    times=st.lists(st.integers(0, 253402300799999), min_size=1, max_size=5),
    junk=st.lists(st.text(max_size=12), max_size=3),
)
@settings(max_examples=200)
def test_many_times_are_read_as_each_alone(time_format: str, times: list[int], junk: list[str]) -> None:
    texts = [*(format_time(time, time_format) for time in times), *junk]
    together = parse_times(texts, time_format)
    alone = np.concatenate([parse_times([text], time_format) for text in texts])
    assert np.array_equal(together, alone, equal_nan=True)


@pytest.mark.parametrize("time_format", ["%I:%M", "%-d%-m", "%Y-%j-%m"])
def test_formats_that_lose_the_time_say_so(time_format: str) -> None:
    assert not reads_back(time_format)


@pytest.mark.parametrize(
    ("time_format", "words"),
    [("%Y-%z", "%z is none"), ("%T", "%T is none"), ("%Y %", "% is none"), ("seconds", "no directive"),
     ("%Y" * 51, "80 characters or more")],
)  # fmt: skip
def test_a_format_that_d3_cannot_read_is_refused_in_words(time_format: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split_format(time_format)


def test_a_time_out_of_the_calendar_cannot_be_written() -> None:
    with pytest.raises(OverflowError):
        format_time(8.64e15, "%Y")


def test_one_huge_text_among_times_costs_no_memory() -> None:
    found = parse_times(["2024", "2" * 10**6], "%Y")
    assert found[0] == 1704067200000
    assert np.isnan(found[1])
