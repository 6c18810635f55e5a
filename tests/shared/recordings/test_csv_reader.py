"""Blocks, long lines and ends of files: any table is read cell by cell, or refused with a sentence."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.doubts import Effect
from shared.errors import SeriesError
from shared.recordings.series import read_series
from tests.shared.recordings.columns import CLOCK, NAN, column, config, equal


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n\n\t\n", "is empty"),
        (b"time,value\n", "no rows"),
        (b"time,value\n\n \n", "no rows"),
        (b"time,other\n0,1\n", "no column 'value'; its columns are: 'time', 'other'"),
        (b"time;value\n0;1\n", "set sep"),
        (b"0,1\n1,2\n", "have no names"),
        (b"value,VALUE\n0,1\n", "'value' stands 2 times"),
        (b"time,value\n0,1,2\n", "Row 0 .* has 3 cells where the first line has 2"),
        (b"time,value\n0,1\n1,2\n2,3,4\n", "Row 2 .* has 3 cells"),
        ("time,value\n0,1\n".encode("utf-16"), "UTF-16"),
        ("time,value\n0,1\n".encode("utf-16-be"), "UTF-16"),
        ("time,value\n0,1\n".encode("utf-16-le"), "UTF-16"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"PK\x03\x04", "Excel"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"{ not json", "no JSON object"),
        (b'{"value": [1, NaN]}', "a missing value is null"),
        (b"{" * 100_000, "no JSON object"),
        (b"[1, 2]", "no column"),
        (b'[{"time": 0, "value": 1}]', "a JSON list of rows"),
        (b'{"time": 0, "value": 1}\n{"time": 1, "value": 1}\n', "JSON lines"),
        (b"{'value': [1, None]}", "Python's own notation"),
        (b'{"columns": ["time", "value"], "data": [[0, 1]]}', "orient='split'"),
        (b'{"time": {"0": 0}, "value": {"0": 1}}', "an object, but must be a list of values.*orient='list'"),
        (b"\r\n  <!doctype html><title>x</title>", "web page"),
        (b"<Error><Code>AccessDenied</Code></Error>", "web page or XML"),
        (b"PAR1\x15\x04\x15", "Parquet"),
        ("Zeit,Temp [°C]\n0,1\n".encode("cp1252"), "not UTF-8 text.*cp1252"),
        (b"# watch 7\ntime,value\n0,1\n", "'# watch 7', which looks like a comment.*line 2, 'time,value'"),
        (b"sep=;\ntime;value\n0;1\n", "'sep=;', which looks like Excel's line"),
        (b"#group,false,true\n#datatype,long,double\n,time,value\n", "InfluxDB.*line 3"),
        (b"time;value\n0;1,5\n1;2\n", "'time;value'; its names are separated by ';': set sep to it"),
        (b"time\tvalue\n0\t1\n1\t2\n", r"separated by '\\t': set sep"),
        (b"Made by X\nat 30 Hz\n\ntime,value\n0,1\n1,2\n", "'Made by X', which looks like text above.*line 4"),
        (b"x" * (5 << 20), "a line for each row"),
        (b"time,value\n0," + b"1" * (5 << 20) + b"\n", "a line for each row"),
        (b",".join(b"c%d" % i for i in range(30_000)) + b"\n1\n", "30000 columns"),
        (b" " * (5 << 20), "line"),
    ],
)
def test_what_cannot_be_read_is_an_error_in_words(data: bytes, words: str) -> None:
    with pytest.raises(SeriesError, match=words) as caught:
        read_series(data, config())
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("data", "reported"),
    [
        ("time,value\n2024-01-01T00:00:00Z,1\n", "timeFormat"),
        ("time,value\n12:30:00,1\n", "timeFormat"),
        ("time,value\n0,1\ntime,value\n0,1\n", "It is the header again: were files joined?"),
        ("time,value\ns,m/s2\n0,1\n", "a line of units"),
        ("time,value\n0,1,\n1,2,\n", "ends with a separator, '0,1,', and so has 3 cells where the first line has 2"),
        ("time,value\r0,1\r1,2\r", "a carriage return alone"),
        ("'time','value'\n0,1\n", "single quotes"),
        ('"time,value"\n"0,1"\n', "stands in quotes as a whole"),
        ("time|value\n0|1\n", "set sep to it"),
        ("# time,value\ntime,value\n0,1\n", "looks like a comment above the header; the names are in line 2"),
    ],
)
def test_what_stops_reading_is_explained(data: str, reported: str) -> None:
    with pytest.raises(SeriesError) as caught:
        read_series(data.encode(), config(timeColumn="time"))
    assert reported in str(caught.value)


@pytest.mark.parametrize(
    ("end", "reported"),
    [
        ("1,2\n", ""),
        ("1,2\r", ""),
        ("1,2\n\n", ""),
        ("1,2", "The last line, '1,2', does not end with a line break: is the file whole?"),
        ("1", "The last line, '1', holds 1 of 2 cells and does not end with a line break"),
    ],
)
def test_a_last_line_without_a_line_break_is_a_note(end: str, reported: str) -> None:
    series = read_series(f"time,value\n0,1\n{end}".encode(), config())
    assert series.rows == 2
    assert [doubt.sentence[: len(reported)] for doubt in series.doubts] == ([reported] if reported else [])
    assert all((doubt.first_row, doubt.effect) == (1, Effect.NOTE) for doubt in series.doubts)


def set_block(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("shared.recordings.csv_reader.BLOCK", size)
    monkeypatch.setattr("shared.recordings.csv_reader.COLUMN_BYTES", 0)


CELLS = st.sampled_from(["", "1", "-2.5", "3e4", "0x10", "x", " 7 ", "nan", "Infinity", "true", "1,5", 'a"b', "é"])


@pytest.mark.parametrize("block", [16, 100, 1 << 20])
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=30),
    separator=st.sampled_from([",", ";"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_is_read_cell_by_cell_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, block: int, rows: list[list[str]], separator: str, end: str, quoting: Any
) -> None:
    set_block(monkeypatch, block)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([["time", "a", "b", "value"], *([index, *row] for index, row in enumerate(rows))])
    lines = text.getvalue()
    meaning = {"1": 1.0, "-2.5": -2.5, "3e4": 3e4, "0x10": 16.0, " 7 ": 7.0, "Infinity": float("inf"), "true": 1.0}
    expected = [[meaning.get(cell, NAN) for cell in row] for row in rows]
    series = read_series(lines.encode(), config("a", "b", "value", time="time", sep=separator))
    assert np.array_equal(series.values, expected, equal_nan=True)
    assert series.axis.times.tolist() == list(range(len(rows)))


@pytest.mark.parametrize("block", [256, 4096])
def test_times_and_texts_are_read_across_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    set_block(monkeypatch, block)
    lines = [
        "time,value",
        *(f"2024-01-30 10:{row // 60:02d}:{row % 60:02d},{'x' if row % 7 else row}" for row in range(600)),
    ]
    series = read_series("\n".join(lines).encode(), config(time="time", timeFormat=CLOCK))
    assert np.diff(series.axis.times).tolist() == [1000] * 599
    assert equal(series.values[:, 0].tolist(), [NAN if row % 7 else row for row in range(600)])
    with pytest.raises(SeriesError, match=r"row 600 .* is 'late'"):
        read_series("\n".join([*lines, "late,1"]).encode(), config(time="time", timeFormat=CLOCK))


@pytest.mark.parametrize("place", [0, 5, 9])
def test_a_line_may_be_longer_than_a_block_but_not_without_end(place: int) -> None:
    def table(length: int) -> bytes:
        lines = [f"{row},{'x' * (length if row >= place else 3)}".encode() for row in range(10)]
        return b"value,note\n" + b"\n".join(lines)

    assert column(table(3 << 20)) == list(range(10))
    with pytest.raises(SeriesError, match="more than 4 MiB"):
        read_series(table(5 << 20), config())
