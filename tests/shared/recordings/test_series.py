"""`read_series`: what the page of Label Studio reads (label-studio's parseCSV), and where this project differs."""

import csv
import io
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.doubts import Effect
from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.recordings.series import is_address, read_series
from tests.support.paths import ROOT

NAN = float("nan")
CLOCK = "%Y-%m-%d %H:%M:%S"


def config(*channels: str, time: str = "", **attributes: str) -> LabelConfig:
    written = " ".join(
        f'{name}="{value}"' for name, value in {"valueType": "url", "timeColumn": time, **attributes}.items()
    )
    tags = "".join(f'<Channel column="{each}"/>' for each in channels or ["value"])
    return parse_label_config(
        '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
        f'<TimeSeries name="ts" value="$csv_url" {written}>{tags}</TimeSeries></View>'
    )


def column(data: Any, wanted: LabelConfig | None = None) -> list[float]:
    found: list[float] = read_series(data, wanted or config()).values[:, 0].tolist()
    return found


def equal(found: list[float], expected: list[float]) -> bool:
    return np.array_equal(found, expected, equal_nan=True)


def test_the_shipped_csv_works_with_the_configuration_existing_users_have() -> None:
    data = (ROOT / "tests" / "time_series.csv").read_bytes()
    by_row = read_series(data, config("value"))
    by_time = read_series(data, config("value", time="time"))
    assert by_row.rows == by_time.rows == 400
    assert np.isfinite(by_row.values).all()
    assert (by_row.axis.value(399), by_time.axis.value(399)) == (399, 39.9)
    assert (by_row.values == by_time.values).all()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("time,value\n0,1\n1,2\n", [1, 2]),
        ("time,value\n0,1\n1,2", [1, 2]),
        ("TIME,Value\r\n0,1\r\n\r\n1,2\r\n\r\n", [1, 2]),
        ("\ufefftime,value\n0,1\n1,2\n", [1, 2]),
        ("\ufeffvalue,time\n1,0\n2,1\n", [1, 2]),
        ('"time","value"\n"0","1"\n"1","2"\n', [1, 2]),
        ('time,"note, long",value\n0,"a, b",1\n1,"say ""x""",2\n', [1, 2]),
        ("time, value\n0, 1\n1, 2\n", [1, 2]),
        ("time,value\n0,1\n   \n1,2\n", [1, 2]),
        ("time,value\n0,1e3\n1,.5\n2,5.\n3,+7\n4,0x1F\n5,0b11\n6,0o17\n", [1000, 0.5, 5, 7, 31, 3, 15]),
        ("time,value\n0,\n1,2\n2,nan\n3,NA\n4,x\n5,1_0\n6,1 2\n7,١\n", [NAN, 2, NAN, NAN, NAN, NAN, NAN, NAN]),
        ("time,value\n0,true\n1,False\n", [1, 0]),
        ("time,value\n0,TRUE\n1,2\n2,false\n3,yes\n", [1, 2, 0, NAN]),
        ("time,value\n0,1\n1\n2,3\n", [1, NAN, 3]),
        ("time,value\n0\n1\n", [NAN, NAN]),
        ("value\n1\n\n2\n", [1, 2]),
        ("value\n1", [1]),
        ("time,value\n0,1\n1,2\0\n\0\0,3\n3,4\n", [1, NAN, 3, 4]),
        ("time,value\n0,1\r5\n1,2\n", [NAN, 2]),
        ('time,value\n0,"1\n1,2\n2,3\n', [1, 2, 3]),
        ('time,value\n0,1"\n1,2\n', [1, 2]),
        ('time,value\n0,"1\n', [1]),
        ('value\n1\n"\n2\n', [1, NAN, 2]),
        ("\n\ntime,value\n\n0,1\n", [1]),
        (",value\n0,1\n1,2\n", [1, 2]),
        ("time,value\n2024-01-01,\n2024-01-02,x\n", [NAN, NAN]),
    ],
)
def test_cells_are_read_as_the_page_reads_them_but_for_missing_ones(text: str, values: list[float]) -> None:
    assert equal(column(text.encode()), values)


@pytest.mark.parametrize("text", ["time,value\na,b\nc,d\n", "value,time\nx,\n"])
def test_a_header_is_found_by_the_configured_names_where_all_is_text(text: str) -> None:
    assert np.isnan(column(text.encode())).all()


@pytest.mark.parametrize(
    ("sep", "text"),
    [
        (";", "time;value\n0;1\n1;2\n"),
        ("tab", "time\tvalue\n0\t1\n\t\n1\t2\t\n"),
        ("space", "time value\n 0 1\n1 2 \n   \n"),
        ("dot", "time.value\n0.1\n1.2\n"),
        ("|", "time|value\n0|1\n1|2\n"),
        ("comma", "time,value\n0,1\n1,2\n"),
        ("auto", "time;value\n0;1\n1;2\n"),
        ("auto", "time\tvalue\n0\t1\n1\t2\n"),
        ("auto", "value\n1\n2\n"),
    ],
)
def test_every_separator_is_read(sep: str, text: str) -> None:
    assert column(text.encode(), config("value", sep=sep)) == [1, 2]


def test_a_file_without_header_is_named_by_index() -> None:
    series = read_series(b"0;1;5\n10;2;6\n20;3;7\n", config("2", "1", time="0", sep=";"))
    assert series.values.tolist() == [[5, 1], [6, 2], [7, 3]]
    assert series.axis.times.tolist() == [0, 10, 20]


def test_a_single_line_of_numbers_is_one_row() -> None:
    assert read_series(b"0,7", config("1", time="0")).values.tolist() == [[7]]


def test_an_index_names_a_column_of_a_file_with_header() -> None:
    series = read_series(b"time,A,B\n5,1,2\n6,3,4\n", config("2", "a", time="0"))
    assert series.values.tolist() == [[2, 1], [4, 3]]
    assert series.axis.times.tolist() == [5, 6]


def test_digits_of_a_channel_are_an_index_and_of_the_time_a_name_first_as_on_the_page() -> None:
    series = read_series(b"1,2,x\n0,5,7\n1,8,9\n", config("1", "2", time="2"))
    assert series.values.tolist() == [[5, 7], [8, 9]]
    assert series.axis.times.tolist() == [5, 8]


def test_channels_stand_in_the_order_of_the_configuration() -> None:
    data = b"b,time,a\n1,0,2\n3,1,4\n"
    assert read_series(data, config("a", "b")).values.tolist() == [[2, 1], [4, 3]]
    assert read_series(data, config("b", "a")).values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("time_format", "first", "second", "step"),
    [
        (CLOCK, "2024-01-30 00:00:01", "2024-01-30 00:00:03", 2000),
        (f"{CLOCK}.%L", "2024-01-30 00:00:01.250", "2024-01-30 00:00:01.5", 250),
        ("%s", "1706659185.0", "1706659186", 1000),
        ("%Q", "1706659185123", "1706659185124", 1),
        ("%d %b %Y", " 30 Jan 2024", "31 Jan 2024", 86_400_000),
        ("%H:%M", '"10:00"', "10:01", 60_000),
    ],
)
def test_times_are_read_in_the_configured_format(time_format: str, first: str, second: str, step: int) -> None:
    series = read_series(f"value,time\n1,{first}\n2,{second}".encode(), config(time="time", timeFormat=time_format))
    assert np.diff(series.axis.times).tolist() == [step]
    assert series.values.tolist() == [[1], [2]]


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
    ("data", "words", "time_format"),
    [
        ("time,value\n0,1\n2,1\n1,1\n", "row 2 .* has 1 after 2", ""),
        ("time,value\n0,1\n,1\n", "row 1 ", ""),
        ("time,value\n0,1\nx,1\n", "row 1 ", ""),
        ("time,value\n2024-01-01,1\n2024-1,1\n", "row 1 .* is '2024-1'", "%Y-%m-%d"),
        ("time,value\n2024-01-01,1\n,1\n", "row 1 .* is ''", "%Y-%m-%d"),
        ("time,value\n2024-01-01,1\n2023-01-01,1\n", "row 1 .*'2023-01-01' after '2024-01-01'", "%Y-%m-%d"),
        ("other,value\n0,1\n", "no column 'time'", ""),
    ],
)
def test_an_unreadable_time_is_an_error_that_names_row_and_value(data: str, words: str, time_format: str) -> None:
    with pytest.raises(SeriesError, match=words):
        read_series(data.encode(), config(time="time", timeFormat=time_format))


def test_auto_with_several_separators_is_an_error_as_on_the_page() -> None:
    with pytest.raises(SeriesError, match="several separators"):
        read_series(b"time,value\n2024-01-01 00:00:00,1\n", config(sep="auto"))


@pytest.mark.parametrize(
    ("header", "channel", "separator"),
    [
        ("<DATE>\t<OPEN>", "&lt;OPEN&gt;", "tab"),
        ("<OPEN>,<DATE>", "&lt;OPEN&gt;", ","),
        ("{time},{a}", "{a}", ","),
        ("PAR1,a", "a", ","),
    ],
)
def test_a_header_that_begins_like_another_format_is_a_header(header: str, channel: str, separator: str) -> None:
    text = header + "\n" + ("1,2\n3,4\n" if separator == "," else "1\t2\n3\t4\n")
    column = 0 if header.startswith("<OPEN") else 1
    assert read_series(text.encode(), config(channel, sep=separator)).values[:, 0].tolist() == [1 + column, 3 + column]


def test_a_second_header_of_units_is_reported() -> None:
    doubts = read_series(b"a,value\ng,m\n" + b"0,1\n" * 200, config()).doubts
    assert [doubt.first_row for doubt in doubts] == [0]
    assert "line of units" in doubts[0].sentence
    for time_format, words in (
        ("", "row 0 .* is 'ms', which is no number"),
        ("%Y", "row 0 .* is 'ms', which does not"),
    ):
        with pytest.raises(SeriesError, match=rf"{words}.*line of units"):
            read_series(b"time,value\nms,g\n2000,1\n", config(time="time", timeFormat=time_format))


def test_true_and_false_are_reported_as_numbers() -> None:
    text = "value\n" + "True\nFALSE\n0\n\n1.5\n"
    for data in (text.encode(), {"value": [True, "false", 0, None, 1.5]}):
        series = read_series(data, config())
        assert series.values[:3, 0].tolist() == [1, 0, 0]
        (doubt,) = series.doubts
        assert (doubt.kind, doubt.share) == ("boolean-cells", 0.5)


@pytest.mark.parametrize(
    ("cell", "reported"),
    [
        ("1,5", "a decimal comma"),
        ("1 234,5", "thousands separators"),
        ("1'000", "thousands separators"),
        ("1.234.567", "thousands separators"),
        ("12.5 °C", "a number with a unit"),
        ("3%", "a number with a unit"),
        ("7 m/s²", "a number with a unit"),
        ("\uff11\uff12", ""),
        ("-", ""),
        ("#DIV/0!", ""),
        ("2^15", ""),
    ],
)
def test_a_cell_that_looks_like_a_number_written_another_way_is_explained(cell: str, reported: str) -> None:
    data = "time,value\n0,1\n" + f'1,"{cell}"\n'
    (doubt,) = read_series(data.encode(), config()).doubts
    assert f"{cell!r} in row 1." in doubt.sentence
    assert reported in doubt.sentence
    assert doubt.sentence.endswith("in row 1.") == (not reported)


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
    ],
)
def test_what_stops_reading_is_explained(data: str, reported: str) -> None:
    with pytest.raises(SeriesError) as caught:
        read_series(data.encode(), config(timeColumn="time"))
    assert reported in str(caught.value)


def test_byte_order_marks_are_no_part_of_a_name() -> None:
    assert read_series("\ufeff\ufefftime,value\n0,1\n".encode(), config()).rows == 1


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


def test_an_address_where_columns_belong_is_read_with_a_doubt() -> None:
    (doubt,) = read_series(b"value\n1\n", config(valueType="json"), fetched=True).doubts
    assert doubt.kind == "value-type"
    assert read_series(b"value\n1\n", config(), fetched=True).doubts == ()
    values: list[Any] = ["/data/a.csv", "https://h/a", ' {"a": []}', {"a": []}]
    assert [is_address(each) for each in values] == [True, True, False, False]


def test_cells_that_hold_no_number_are_reported_with_the_first_and_its_row() -> None:
    (doubt,) = read_series(b"time;value\n0;\n1;1,5\n2;2,5\n3;3\n", config(sep=";")).doubts
    assert (doubt.kind, doubt.first_row, doubt.share) == ("unreadable-cells", 1, 2 / 3)
    assert doubt.sentence.startswith("Channel 'value': 2 of 3 cells that are not empty hold no number")
    assert "'1,5' in row 1" in doubt.sentence
    assert "point" in doubt.sentence
    assert read_series(b"time,value\n0,\n1,NA\n2,3\n", config()).doubts == ()


@pytest.mark.parametrize(("bad", "reported"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_cells_are_reported_from_one_in_a_hundred_on(bad: int, reported: int) -> None:
    cells = ["1.4 g"] * bad + ["0"] * (200 - bad) + [""] * 800
    text = "time,value\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells))
    assert len(read_series(text.encode(), config()).doubts) == reported
    columns = {"value": [cell or None for cell in cells]}
    assert len(read_series(columns, config(valueType="json")).doubts) == reported


def test_json_says_of_cells_what_csv_says() -> None:
    cells = ["1,5", "2,5", "3", "", "NA"]
    text = "value\n" + "".join(f'"{cell}"\n' for cell in cells)
    as_csv, as_json = read_series(text.encode(), config()), read_series({"value": cells}, config())
    assert equal(as_csv.values[:, 0].tolist(), as_json.values[: len(as_csv.values), 0].tolist())
    assert as_csv.doubts == as_json.doubts != ()


def test_numbers_beyond_the_bound_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(SeriesError, match="at most 10 cells"):
        read_series(b"a,value\n" + b"0,1\n" * 11, config(), max_cells=10)
    with pytest.raises(SeriesError, match="more than 1 cells"):
        read_series({"value": [1, 2]}, config(), max_cells=1)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_read(kind: Any) -> None:
    assert column(kind(b"time,value\n0,1\n")) == [1]


@pytest.mark.parametrize("wrap", [dict, json.dumps, lambda columns: json.dumps(columns).encode()])
def test_json_columns_are_read_inline_as_text_and_from_a_url(wrap: Any) -> None:
    columns = {"Time": [0, 0.5, "1"], "VALUE": [1, None, " 2.5 "], "other": ["x"]}
    series = read_series(wrap(columns), config(time="time", valueType="json"))
    assert equal(series.values[:, 0].tolist(), [1, NAN, 2.5])
    assert series.axis.times.tolist() == [0, 0.5, 1]


def test_json_times_are_texts_or_numbers_as_the_page_writes_them() -> None:
    columns = {"time": ["2020", 2021, 2022.0], "value": [True, 10**400, "x"]}
    series = read_series(columns, config(time="time", timeFormat="%Y"))
    assert [series.axis.value(row) for row in range(3)] == ["2020", "2021", "2022"]
    assert equal(series.values[:, 0].tolist(), [1, float("inf"), NAN])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"time": [0, 1], "value": [1]}, "differ in length"),
        ({"time": [], "value": []}, "no rows"),
        ({"time": [0]}, "no column 'value'"),
        ({}, "no column 'value'"),
        ({"time": [0], "value": {"0": 1}}, "is an object"),
        ({"time": [0], "value": 1}, "is a number"),
        ({"time": [None], "value": [1]}, "row 0"),
        ({"time": [2, 1], "value": [1, 1]}, "row 1"),
    ],
)
def test_json_that_is_no_table_is_an_error_in_words(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(SeriesError, match=words):
        read_series(columns, config(time="time"))


def test_a_task_that_holds_a_path_where_columns_belong_is_an_error() -> None:
    with pytest.raises(SeriesError, match="columns"):
        read_series("/data/upload/1/a.csv", config(valueType="json"))


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


@given(st.binary(max_size=300) | st.text(alphabet='01.,;" \t\r\n\0xé', max_size=200).map(str.encode))
@settings(max_examples=100)
def test_any_bytes_are_a_series_or_an_error_of_ours(data: bytes) -> None:
    for wanted in (config("0"), config("1", time="0"), config("value", time="time", timeFormat="%Y", sep="auto"),
                   config("0", sep="tab"), config("1", sep="space")):  # fmt: skip
        for start in (b"", b"time,value\n"):
            try:
                series = read_series(start + data, wanted)
            except SeriesError as error:
                assert str(error)
            else:
                assert series.values.shape == (series.rows, 1)
                assert len(series.axis.times) == series.rows > 0


def test_json_of_more_values_than_memory_should_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.recordings.series.MAX_JSON_VALUES", 1000)
    assert read_series(b'{"value":[' + b"0," * 900 + b"0]}", config()).rows == 901
    for cells in (b"0,", b"[],", b"{},"):
        with pytest.raises(SeriesError, match="JSON of more than 1000 values"):
            read_series(b'{"value":[' + cells * 1000 + b"0]}", config())


@pytest.mark.parametrize(
    "recording",
    [
        b"b,c\n1,2\n",
        json.dumps({"y" * 10**6: [1]}).encode(),
        json.dumps({"x" * 10**6: 1}).encode(),
        json.dumps({"x" * 10**6: [1], "z" * 10**6: [1, 2]}).encode(),
        ("x" * 10**6 + "," + "x" * 10**6 + "\n1,2\n").encode(),
        ("x" * 10**6 + ",b\nword,1\n").encode(),
    ],
    ids=["no column", "no column of JSON", "no list", "lengths", "twice", "no numbers"],
)
def test_sentences_quote_names_of_columns_at_bounded_length(recording: bytes) -> None:
    wanted = msgspec.structs.replace(config(), channels=("x" * 10**6, "z" * 10**6))
    sentences: list[str] = []
    for each in (wanted, msgspec.structs.replace(wanted, channels=wanted.channels[:1])):
        try:
            sentences += [doubt.sentence for doubt in read_series(recording, each).doubts]
        except SeriesError as error:
            sentences.append(str(error))
    assert 0 < max(map(len, sentences)) < 1000
