import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import SeriesError
from shared.labelling.label_config import parse_label_config
from shared.recordings import csv_numbers
from shared.recordings import csv_reader as csv_table
from shared.recordings.csv_numbers import read_numbers, read_timed_numbers
from shared.recordings.series import read_series

CONFIG = parse_label_config(
    '<View><TimeSeriesLabels name="l" toName="t"><Label value="Run"/></TimeSeriesLabels>'
    '<TimeSeries name="t" valueType="url" value="$u"><Channel column="b"/><Channel column="a"/></TimeSeries></View>'
)

numbers = st.integers(-(10**20), 10**20).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
cells = numbers | st.sampled_from(["", " 3", "nan", "007", "+1", "1e5", '"4"', "x", "1.", "-0", "0x1", "1_0", "true"])
tables = st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=12)


@settings(deadline=None)  # the first example imports pandas
@given(tables, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_the_short_way_reads_what_the_long_way_reads(table: list[list[str]], end: str, ended: bool) -> None:
    text = end.join(["a,x,b", *(",".join(line) for line in table)]) + (end if ended else "")
    short = read_series(text.encode(), CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "read_numbers", lambda *_: None)
        long = read_series(text.encode(), CONFIG)
    assert np.array_equal(short.values, long.values, equal_nan=True)
    assert short.doubts == long.doubts


@pytest.mark.parametrize(
    "block", [b"1,2\n3\n4,5,6\n", b"1,2,3\n4\n", b"1,,2\n", b'"1",2\n', b"01,2\n", b"[1],2\n", b""]
)
def test_what_is_not_plain_is_left_to_the_long_way(block: bytes) -> None:
    assert read_numbers(block, b",", 2) is None


TIMED = parse_label_config(
    '<View><TimeSeriesLabels name="l" toName="t"><Label value="A"/></TimeSeriesLabels><TimeSeries name="t" value="$u" '
    'timeColumn="time" timeFormat="%H:%M:%S.%L"><Channel column="b"/><Channel column="a"/></TimeSeries></View>'
)
CELL = st.sampled_from(["0", "1.5", "-2e3", "", "nan", "x", "True", " 7 ", "1,5", '"3"', "+4", "05", "é"])
TIME = st.sampled_from(["00:00:01.5", "00:00:02.25", " 00:00:03.125 ", "", "soon", '"00:00:04.0"', "1"])


@settings(max_examples=300)
@given(
    rows=st.lists(st.tuples(TIME, CELL, CELL), min_size=1, max_size=6), end=st.sampled_from(["\n", "\r\n", "\r\n\n"])
)
def test_times_beside_numbers_are_read_as_pandas_reads_them(rows: list[tuple[str, ...]], end: str) -> None:
    """The same values, times and doubts, or the same error."""
    data = ("time,a,b" + end + "".join(",".join(row) + end for row in rows)).encode()

    def read() -> object:
        try:
            series = read_series(data, TIMED)
        except SeriesError as error:
            return str(error)
        return series.values.tobytes(), series.axis.times.tolist(), series.doubts

    short = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_numbers, "MAX_BYTES", 0)
        assert read() == short


def test_plain_numbers_beside_times_need_no_data_frame() -> None:
    found = read_timed_numbers(b"00:01,1,2\r\n00:02,3,4\r\n", b",", 3, 0)
    assert found is not None
    assert found[0].tolist() == [b"00:01", b"00:02"]
    assert found[1].tolist() == [[1, 2], [3, 4]]
    for block, time in ((b"1,00:01\n", 1), (b"00:01,\n", 0), (b'"00:01",1\n', 0), (b",1\n", 0)):
        assert read_timed_numbers(block, b",", 2, time) is None
