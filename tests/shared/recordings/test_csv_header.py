"""Headers, separators and names of columns, as the page of Label Studio reads them (parseCSV)."""

import json

import msgspec
import numpy as np
import pytest

from shared.errors import SeriesError
from shared.recordings.series import read_series
from tests.shared.recordings.columns import column, config
from tests.support.paths import ROOT


def test_the_shipped_csv_works_with_the_configuration_existing_users_have() -> None:
    data = (ROOT / "tests" / "time_series.csv").read_bytes()
    by_row = read_series(data, config("value"))
    by_time = read_series(data, config("value", time="time"))
    assert by_row.rows == by_time.rows == 400
    assert np.isfinite(by_row.values).all()
    assert (by_row.axis.value(399), by_time.axis.value(399)) == (399, 39.9)
    assert (by_row.values == by_time.values).all()


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


def test_byte_order_marks_are_no_part_of_a_name() -> None:
    assert read_series("\ufeff\ufefftime,value\n0,1\n".encode(), config()).rows == 1


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
