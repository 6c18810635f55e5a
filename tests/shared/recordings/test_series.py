"""`read_series`: what the page of Label Studio reads (label-studio's parseCSV), and where this project differs."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import SeriesError
from shared.recordings.series import is_address, read_series
from tests.shared.recordings.columns import NAN, column, config, equal


def test_an_address_where_columns_belong_is_read_with_a_doubt() -> None:
    (doubt,) = read_series(b"value\n1\n", config(valueType="json"), fetched=True).doubts
    assert doubt.kind == "value-type"
    assert read_series(b"value\n1\n", config(), fetched=True).doubts == ()
    values: list[Any] = ["/data/a.csv", "https://h/a", ' {"a": []}', {"a": []}]
    assert [is_address(each) for each in values] == [True, True, False, False]


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
