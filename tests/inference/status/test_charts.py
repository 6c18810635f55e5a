"""Drawings keep what is in the numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference import formatting as words
from inference.monitoring.diagnosis import COLUMNS, Channel, Drawing, envelope
from inference.status.charts import limits, signal, zooms
from shared.labelling.colors import PALETTE, colors
from shared.model_file.card import Estimate


@given(st.integers(1, 5000), st.integers(0, 2**31))
def test_thinning_keeps_every_spike_and_bounds_the_points(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    column = rng.normal(size=rows)
    column[rng.integers(rows)] = 100.0
    column[rng.random(rows) < 0.1] = np.nan
    low, high = envelope(column)
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
    assert found == {"a": "#ff0000", "b": "red", "c": PALETTE[2], "d": PALETTE[3]}


@given(st.integers(1, 10**7), st.data())
def test_every_zoom_stays_within_the_recording(rows: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first, rows - 1))
    drawing = Drawing(rows=rows, first=first, last=last, start=0, end=0, channels=[], strips={})
    for begin, end in zooms(drawing).values():
        assert 0 <= begin <= end < rows


def test_numbers_are_told_as_people_read_them() -> None:
    assert words.ago(0.0, 7300.0) == "2 hours ago"
    assert words.ago(10.0, 5.0) == "now"
    assert words.ago(None, 5.0) == ""
    assert words.figure(Estimate(0.5, None)) == "0.500"
    assert words.size(3 * 2**20) == "3.0 MiB"
    assert words.iso(0.0) == "1970-01-01T00:00:00Z"
