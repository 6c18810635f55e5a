"""Drawings keep what is in the numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference import formatting as words
from inference.monitoring.drawing import COLUMNS, Channel, Drawing, DrawnSegment, envelope
from inference.status.charts import bars, limits, marks, signal, zooms
from shared.labelling.colors import PALETTE, colors, is_light
from shared.model_file.card import Estimate


@given(st.integers(1, 5000), st.integers(0, 2**31))
def test_thinning_keeps_every_spike_and_bounds_the_points(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    column = rng.normal(size=rows)
    column[rng.integers(rows)] = 100.0
    column[rng.random(rows) < 0.1] = np.nan
    low, high = (side[:, 0] for side in envelope(column[:, None], 2000))
    assert len(low) == len(high) <= COLUMNS
    if not np.isnan(column).all():
        assert np.nanmax(high) == np.nanmax(column)
        assert np.nanmin(low) == np.nanmin(column)


def test_a_signal_is_broken_where_nothing_was_measured() -> None:
    channel = Channel(name="a", low=[0.0, None, 1.0], high=[0.0, None, 2.0])
    path = signal(channel, 100)
    assert path.count("M") == 2
    assert limits(channel) == "0 to 2"
    nothing = Channel(name="b", low=[None], high=[None])
    assert signal(nothing, 100) == ""
    assert limits(nothing) == "nothing was measured"


def test_only_plain_colours_of_the_configuration_are_taken() -> None:
    found = colors(("a", "b", "c", "d"), ("#ff0000", "red", '"><script>', ""))
    assert found == {"a": "#ff0000", "b": "red", "c": "#bf8a72", "d": "#bf7290"}


@given(st.integers(1, 10**7), st.data())
def test_every_zoom_stays_within_the_recording(rows: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first, rows - 1))
    drawing = Drawing(rows=rows, first=first, last=last, start=0, end=0, channels=[], strips={})
    for begin, end in zooms(drawing).values():
        assert 0 <= begin <= end < rows


def test_numbers_are_shown_as_people_read_them() -> None:
    assert words.ago(0.0, 7300.0) == "2 hours ago"
    assert words.ago(10.0, 5.0) == "now"
    assert words.ago(None, 5.0) == ""
    assert words.figure(Estimate(0.5, None)) == "0.500"
    assert words.size(3 * 2**20) == "3.0 MiB"
    assert words.iso(0.0) == "1970-01-01T00:00:00Z"


def test_twenty_colours_differ_from_each_other() -> None:
    def rgb(color: str) -> tuple[int, ...]:
        return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))

    assert len(PALETTE) == 20
    for index, one in enumerate(PALETTE):
        for other in PALETTE[:index]:
            red, green, blue = (a - b for a, b in zip(rgb(one), rgb(other), strict=True))
            # a weighted distance (Compuphase) from which colours of adjacent bars can be distinguished
            assert (2 * red**2 + 4 * green**2 + 3 * blue**2) ** 0.5 > 80, (one, other)


def test_text_on_a_bar_is_black_on_light_colours_and_white_on_dark_ones() -> None:
    assert is_light("#f0e442")
    assert is_light("#fff")
    assert not is_light("#08306b")
    assert not is_light("#000")
    assert is_light("yellow")


def drawing_of(rows: int, first: int, last: int, spans: list[tuple[int, int]]) -> Drawing:
    return Drawing(rows=rows, first=first, last=last, start=0, end=0, channels=[], strips={}, differences=spans)


def test_from_difference_to_difference_and_back() -> None:
    spans = [(100, 109), (500, 549), (900, 903)]
    whole = drawing_of(1000, 0, 999, spans)
    first = zooms(whole)["next difference"]
    assert first[0] < 100 < 109 < first[1] < 200
    second = zooms(drawing_of(1000, *first, spans))["next difference"]
    assert second[0] <= 500 < 549 <= second[1]
    assert "previous difference" in zooms(drawing_of(1000, *second, spans))
    back = zooms(drawing_of(1000, *second, spans))["previous difference"]
    assert back[0] <= 100 < 109 <= back[1]
    last = zooms(drawing_of(1000, *second, spans))["next difference"]
    assert "next difference" not in zooms(drawing_of(1000, *last, spans))


@given(st.integers(1, 10**6), st.data())
def test_marks_lie_within_the_strip(rows: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first, rows - 1))
    begin = data.draw(st.integers(0, rows - 1))
    end = data.draw(st.integers(begin, rows - 1))
    drawing = drawing_of(rows, first, last, [])
    for x, width in [*marks([(begin, end)], drawing), *marks([(begin, end)], drawing, whole=True)]:
        assert x >= 0
        assert x + width <= 100.01


def test_a_million_segments_are_a_bounded_number_of_bars() -> None:
    drawing = drawing_of(10**6, 0, 10**6 - 1, [])
    pieces = [DrawnSegment(first=row, last=row, label="N", score=1.0, instant=True) for row in range(0, 10**6, 20)]
    assert len(bars(pieces, drawing)) <= 1001
