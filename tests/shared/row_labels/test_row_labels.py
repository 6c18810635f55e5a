"""Labels by row, written and read again; segments listed; what cannot be read, named with its row."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.row_labels import LabelTable, label_columns, read_labels, write_rows

XML = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/><Label value="a|b"/>'
    '<Label value="beat"/></TimeSeriesLabels><TimeSeries name="ts" value="$csv_url" {}>'
    '<Channel column="value"/></TimeSeries></View>'
)
PLAIN = parse_label_config(XML.format(""))
SECONDS = parse_label_config(XML.format('timeColumn="Time"'))
DATES = parse_label_config(XML.format('timeColumn="Time" timeFormat="%d.%m.%Y %H:%M:%S" sep=";"'))


def read(text: str, config: LabelConfig = PLAIN, **more: Any) -> list[LabelTable]:
    return read_labels(text.encode(), config, renamed=more.pop("renamed", {}), **more)


def written(segments: list[Segment], axis: TimeAxis, config: LabelConfig) -> str:
    out = io.StringIO()
    columns = label_columns([["Run", "beat"], ["Walk", "a|b"]], ["beat", "a|b"])
    write_rows(out, axis, config, {each.name: each.cells(segments, len(axis.times)) for each in columns})
    return out.getvalue()


@st.composite
def some_segments(draw: st.DrawFn) -> list[Segment]:
    """Segments of two heads of ranges, apart from each other by a row, and instants."""
    found = []
    for labels in (("Run", "beat"), ("Walk", "a|b")):
        row = 0
        for gap, rows in draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=5)):
            found.append(Segment(row + gap, row + gap + rows - 1, draw(st.sampled_from(labels))))
            row += gap + rows
    for row in draw(st.sets(st.integers(0, 99), max_size=5)):
        found.append(Segment(row, row, draw(st.sampled_from(["beat", "a|b"])), instant=True))
    return sorted(found, key=lambda each: (each.first, each.last, each.label))


@given(segments=some_segments(), config=st.sampled_from([PLAIN, SECONDS, DATES]))
def test_what_is_written_is_read_again(segments: list[Segment], config: LabelConfig) -> None:
    times = TimeAxis.of_rows(100).times * (1000 if config.time_format else 0.25)
    axis = TimeAxis(times, config.time_format) if config.time_column else TimeAxis.of_rows(100)
    text = written(segments, axis, config)
    (found,) = read(text.replace(",", ";") if config.separator == ";" else text, config)
    assert sorted(found.segments, key=repr) == sorted(segments, key=repr)
    assert found.axis.times.tolist() == axis.times.tolist()
    assert found.unknown_rows == 0


def test_times_are_those_of_the_recording() -> None:
    assert written([Segment(1, 2, "Run")], TimeAxis(TimeAxis.of_rows(3).times / 10), SECONDS) == (
        "time,label 1,label 2,instant\n0,,,\n0.1,Run,,\n0.2,Run,,\n"
    )


def test_the_shorter_of_two_segments_is_on_top() -> None:
    (column,) = label_columns([["Run", "Walk"]], [])
    assert column.name == "label"
    assert column.cells([Segment(1, 1, "Walk"), Segment(0, 2, "Run")], 4) == ["Run", "Walk", "Run", ""]


def test_segments_listed_by_start_and_end() -> None:
    first, second = read(
        "recording,start,end,label,score\na.csv,1.5,3,Run,0.5\nb.csv,0,9,Walk,1\na.csv,4,4,beat,0.25\n", SECONDS
    )
    assert (first.recording, second.recording) == ("a.csv", "b.csv")
    assert [(first.axis.value(each.first), first.axis.value(each.last), each.label, each.score, each.instant)
            for each in first.segments] == [(1.5, 3, "Run", 0.5, False), (4, 4, "beat", 0.25, True)]  # fmt: skip
    (dated,) = read("start;end;label\n01.02.2026 00:00:01;01.02.2026 00:00:02;Run\n", DATES)
    assert dated.axis.value(0) == "01.02.2026 00:00:01"


def test_labels_of_another_column_and_by_other_names() -> None:
    (found,) = read("value,Activity\n1,1\n2,1\n3,0\n4,2\n", column="activity", renamed={"1": "Run", "2": "", "0": ""})
    assert found.segments == [Segment(0, 1, "Run")]


def test_background_has_many_names_unless_a_label_has_them() -> None:
    (found,) = read("label\nbackground\nNaN\nRun\nnull\n?\n")
    assert (found.segments, found.unknown_rows) == ([Segment(2, 2, "Run")], 1)
    named = parse_label_config(XML.format("").replace('"Walk"', '"background"'))
    (found,) = read("label\nbackground\nRun\n", named)
    assert [each.label for each in found.segments] == ["background", "Run"]


@pytest.mark.parametrize(
    ("text", "config", "said"),
    [
        ("time,value\n1,2\n", PLAIN, "no column 'label'; it has 'time', 'value'"),
        ("label\n", PLAIN, "no rows below a header"),
        ("label\nRun\nJump\nJump\nHop\n", PLAIN, r"no label 'Jump' \(row 1\), 'Hop' \(row 3\); it has 'Run'"),
        ("label\nRun,1\n", PLAIN, "Row 0 .* has 2 cells"),
        ("label\nRun\n", SECONDS, "no column 'time' with times"),
        ("time,label\n1,Run\nsoon,Run\n", SECONDS, "row 1 .* is 'soon', expected a number"),
        ("time,label\n2,Run\n1,Run\n", SECONDS, "must not decrease"),
        ("time;label\n2026,Run\n", DATES, "does not fit timeFormat"),
        ("start,end,label\n5,4,Run\n", SECONDS, "Row 0 .* ends at '4' before it starts, '5'"),
        ("start,end,label,score\n5,6,Run,2\n", SECONDS, "score of row 0 .* is '2'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, config: LabelConfig, said: str) -> None:
    with pytest.raises(SeriesError, match=said):
        read(text, config)
