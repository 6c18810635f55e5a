"""Cells and times: what is a number, what is missing, and what is reported of the rest."""

import numpy as np
import pytest

from shared.errors import SeriesError
from shared.recordings.series import read_series
from tests.shared.recordings.columns import CLOCK, NAN, column, config, equal


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
        ("1.234,5", "thousands separators"),
        ("1,234,567", "thousands separators"),
        ("-1,234.5", "thousands separators"),
        ("1,234", "a decimal comma or a thousands separator"),
        ("0,234", "a decimal comma: "),
        ("\u22120.5", "minus sign"),
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
