from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.labelling.regions import UnclearRegion, from_regions, to_regions
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from tests.support.graphs import make_config

CONFIG = make_config(("Run", "Walk", "7"))
AXIS = TimeAxis.of_rows(100)
TIMES = np.asarray(1.7e12 + 250.0 * np.arange(100), np.float64)
CLOCK = TimeAxis(TIMES, "%Y-%m-%d %H:%M:%S.%L")


@st.composite
def segments_of_100_rows(draw: st.DrawFn) -> list[Segment]:
    found = []
    for first in sorted(draw(st.lists(st.integers(0, 99), max_size=6, unique=True))):
        instant = draw(st.booleans())
        last = first if instant else draw(st.integers(first, 99))
        found.append(Segment(first, last, draw(st.sampled_from(CONFIG.labels)), 1.0, instant))
    return found


def region(start: Any, end: Any, *labels: Any, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "timeserieslabels": list(labels), **more}
    return {"id": "x", "from_name": "label", "to_name": "ts", "type": "timeserieslabels", "value": value}


@pytest.mark.parametrize(
    "axis", [AXIS, CLOCK, TimeAxis(np.cumsum(np.full(100, 0.1)) - 7)], ids=["rows", "clock", "0.1"]
)
@given(segments=segments_of_100_rows())
@settings(max_examples=100)
def test_segments_come_back_from_their_regions(axis: TimeAxis, segments: list[Segment]) -> None:
    text = msgspec.json.encode(to_regions(segments, axis, CONFIG))
    marked = from_regions(msgspec.json.decode(text), axis, CONFIG)
    assert marked.segments == segments
    assert not marked.left_out


def test_a_region_holds_what_label_studio_draws() -> None:
    (found,) = to_regions([Segment(3, 8, "Run", 0.87654)], AXIS, CONFIG)
    assert found.pop("id")
    assert found == {
        "from_name": "label",
        "to_name": "ts",
        "type": "timeserieslabels",
        "value": {"start": 3, "end": 8, "instant": False, "timeserieslabels": ["Run"]},
        "score": 0.8765,
    }


def test_an_instant_starts_where_it_ends() -> None:
    (found,) = to_regions([Segment(3, 3, "Run", 0.5, instant=True)], CLOCK, CONFIG)
    assert found["value"]["instant"] is True
    assert found["value"]["start"] == found["value"]["end"] == "2023-11-14 22:13:20.750"


def test_ids_are_the_same_every_time_and_differ_from_one_another() -> None:
    segments = [Segment(3, 8, "Run"), Segment(3, 8, "Walk"), Segment(3, 3, "Run"), Segment(3, 3, "Run", instant=True)]
    once, again = (to_regions(segments, AXIS, CONFIG) for _ in range(2))
    assert once == again
    assert len({each["id"] for each in once}) == 4
    assert to_regions([Segment(3, 8, "Run", 0.1)], AXIS, CONFIG)[0]["id"] == once[0]["id"]


def test_a_label_that_the_configuration_lost_disappears() -> None:
    found = to_regions([Segment(0, 1, "Swim"), Segment(2, 3, "Run")], AXIS, CONFIG)
    assert [each["value"]["timeserieslabels"] for each in found] == [["Run"]]


def test_what_cannot_be_used_is_named_and_counted() -> None:
    marked = from_regions(
        [
            region(1, 5, "Run"),
            region(1, 5, "Swim"),
            region(2, 6, "Swim"),
            region(500, 600, "Run"),
            region("yesterday", 3, "Run"),
            region(9, 3, "Run"),
            region(1, 5),
            {**region(1, 5, "Run"), "value": None},
            {**region(1, 5, "Run"), "value": {"start": 1, "end": 5}},
        ],
        AXIS,
        CONFIG,
    )
    assert marked.segments == [Segment(1, 5, "Run")]
    assert Counter(each.kind for each in marked.left_out) == {
        "unknown-label": 2,
        "outside-region": 1,
        "unreadable-region": 5,
    }
    assert {each.topic for each in marked.left_out if each.kind == "unknown-label"} == {"'Swim'"}


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        ("0NaN-NaN-NaN NaN:NaN:NaN", 3, (None, 3)),
        (4, None, (4, None)),
        (None, None, (None, None)),
        ([], {}, (None, None)),
        (True, 10**400, (None, None)),
        (9, 3, (9, 3)),
        (500, None, (99, None)),
        (None, -500, (None, 0)),
    ],
)
def test_of_a_region_with_unreadable_bounds_it_is_known_which_one_can_be_read(
    start: object, end: object, rows: tuple[int | None, int | None]
) -> None:
    marked = from_regions([region(start, end, "Run")], AXIS, CONFIG)
    assert marked.unclear == [UnclearRegion(*rows, "Run", instant=False)]
    assert not marked.says_something


def test_rows_of_an_unknown_label_or_of_none_are_unclear_and_their_place_is_known() -> None:
    marked = from_regions([region(1, 5, "Swim"), region(7, 9), region(11, 11, "Swim", instant=True)], AXIS, CONFIG)
    assert marked.unclear == [
        UnclearRegion(1, 5, None, instant=False),
        UnclearRegion(7, 9, None, instant=False),
        UnclearRegion(11, 11, None, instant=True),
    ]
    assert marked.says_something


def test_an_annotation_says_something_unless_none_of_its_regions_can_be_placed() -> None:
    assert from_regions([], AXIS, CONFIG).says_something
    assert from_regions([region(None, 4, "Run"), region(7, 9, "Run")], AXIS, CONFIG).says_something
    assert not from_regions([region(500, 600, "Run"), region(None, None, "Run")], AXIS, CONFIG).says_something


@pytest.mark.parametrize("changed", [{"from_name": "second"}, {"to_name": "ecg"}])
def test_regions_of_another_pair_of_tags_are_counted_and_touch_no_rows(changed: dict[str, str]) -> None:
    marked = from_regions([{**region(1, 5, "Run"), **changed}], AXIS, CONFIG)
    assert not marked.segments
    assert not marked.unclear
    (reported,) = marked.left_out
    assert reported.kind == "other-control"
    assert repr(next(iter(changed.values()))) in reported.topic


def test_a_region_without_to_name_is_ours() -> None:
    handwritten = {key: value for key, value in region(1, 5, "Run").items() if key != "to_name"}
    assert from_regions([handwritten], AXIS, CONFIG).segments == [Segment(1, 5, "Run")]


@pytest.mark.parametrize("kind", [None, "labels", "TimeSeriesLabels", 5])
def test_a_region_of_our_tag_counts_whatever_its_type(kind: object) -> None:
    untyped = {key: value for key, value in region(1, 5, "Run").items() if key != "type"}
    assert from_regions([untyped, untyped | {"type": kind}], AXIS, CONFIG).segments == [Segment(1, 5, "Run")] * 2


def test_rows_of_a_region_that_holds_its_label_elsewhere_are_unclear() -> None:
    """As people write it who know other tags of Label Studio."""
    marked = from_regions(
        [region(1, 5) | {"type": "labels", "value": {"start": 1, "end": 5, "labels": ["Run"]}}], AXIS, CONFIG
    )
    assert marked.unclear == [UnclearRegion(1, 5, None, instant=False)]
    assert [each.kind for each in marked.left_out] == ["unreadable-region"]


def test_results_of_other_tags_are_passed_over() -> None:
    others = [{}, {"type": "textarea"}, {"type": "relation"}]
    marked = from_regions([*others, region(1, 5, "Run")], AXIS, CONFIG)
    assert marked.segments == [Segment(1, 5, "Run")]
    assert not marked.left_out


def test_what_is_no_region_at_all_may_have_been_one() -> None:
    marked = from_regions([None, 3, region(1, 5, "Run")], AXIS, CONFIG)
    assert marked.unclear == [UnclearRegion(None, None, None, instant=False)] * 2
    assert len(marked.left_out) == 2


def test_a_region_with_two_labels_is_two_segments_and_a_number_is_a_label() -> None:
    marked = from_regions([region(1, 5, "Run", 7)], AXIS, CONFIG)
    assert marked.segments == [Segment(1, 5, "Run"), Segment(1, 5, "7")]


def test_instant_counts_only_where_start_is_end() -> None:
    marked = from_regions([region(4, 4, "Run", instant=True), region(4, 6, "Run", instant=True)], AXIS, CONFIG)
    assert [each.instant for each in marked.segments] == [True, False]


def test_an_instant_at_a_time_that_rows_share_is_at_the_middle_one() -> None:
    axis = TimeAxis(np.repeat(np.arange(10.0), 5))
    (found,) = from_regions([region(3, 3, "Run", instant=True)], axis, CONFIG).segments
    assert (found.first, found.last) == (17, 17)


def test_a_label_with_an_alias_is_known_by_both() -> None:
    config = msgspec.structs.replace(CONFIG, synonyms={"running": "Run"})
    marked = from_regions([region(1, 5, "running"), region(1, 5, "Run")], AXIS, config)
    assert [each.label for each in marked.segments] == ["Run", "Run"]


def test_choices_numbers_and_texts_about_regions_are_no_regions_and_never_in_the_way() -> None:
    """As Label Studio writes `perRegion` results: the id and value of their region, and what was said."""
    drawn = region(2, 5, "Run")
    said = [
        {**drawn, "from_name": name, "type": kind, "value": {**drawn["value"], kind: value}}
        for name, kind, value in (
            ("sure", "choices", ["yes"]), ("pulse", "number", 71), ("remark", "textarea", ["a cloud"]),
            ("stars", "rating", 4), ("when", "datetime", "2026-01-01"), ("topic", "taxonomy", [["a", "b"]]),
        )
    ]  # fmt: skip
    about_all = {"id": "q", "from_name": "quality", "to_name": "ts", "type": "choices", "value": {"choices": ["good"]}}
    marked = from_regions([said[0], drawn, *said[1:], about_all], AXIS, CONFIG)
    assert marked.segments == [Segment(2, 5, "Run")]
    assert not marked.left_out
    assert not marked.unclear
