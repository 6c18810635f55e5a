import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.labelling.label_config import parse_label_config
from shared.recordings import csv_reader as csv_table
from shared.recordings.csv_numbers import read_numbers
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
