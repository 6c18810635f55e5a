import numpy as np
import pytest
from numpy.typing import NDArray

from inference.monitoring.drawing import CHANNELS, HELD_OUT, Window, draw
from shared.errors import RefusedError
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series


def series(rows: int = 1000, channels: int = 3, times: NDArray[np.float64] | None = None) -> Series:
    values = np.arange(rows * channels, dtype=np.float64).reshape(rows, channels)
    return Series(values, TimeAxis(np.arange(rows, dtype=np.float64) if times is None else times))


def test_channels_are_drawn_in_the_order_asked_for() -> None:
    drawing = draw(series(), "abc", {}, Window(channels=(2, 0, 7, 2)))
    assert [(each.name, each.number) for each in drawing.channels] == [("c", 2), ("a", 0)]
    assert drawing.names == ["a", "b", "c"]
    assert drawing.channels[1].high[-1] == 2997


def test_many_channels_have_fewer_points_each_and_the_first_are_shown() -> None:
    names = [str(each) for each in range(64)]
    first = draw(series(5000, 64), names, {}, Window())
    assert len(first.channels) == CHANNELS
    everything = draw(series(5000, 64), names, {}, Window(channels=tuple(range(64))))
    assert sum(len(each.low) for each in everything.channels) <= 64 * 250


def test_ticks_are_round_times_within_the_window() -> None:
    times = np.arange(1000, dtype=np.float64) * 0.25 + 17.3
    drawing = draw(series(times=times), "abc", {}, Window(first=100, last=499))
    shown = [float(time) for _, time in drawing.ticks]
    assert 3 <= len(shown) <= 9
    assert all(17.3 + 25 <= each <= 17.3 + 125 for each in shown)


def test_what_is_compared_is_the_annotation_and_what_a_network_that_had_not_seen_it_found() -> None:
    strips = {
        "annotated": [Segment(10, 19, "Run")],
        HELD_OUT: [Segment(10, 24, "Run")],
        "predicted": [Segment(10, 19, "Run")],
    }
    drawing = draw(series(), "abc", strips, Window(first=0, last=12))
    assert drawing.compared == ["annotated", HELD_OUT]
    assert drawing.differences == [(20, 24)], "of the whole recording"
    assert draw(series(), "abc", {"annotated": [], "predicted": []}, Window()).compared == []


def test_a_recording_of_no_rows_is_refused() -> None:
    with pytest.raises(RefusedError, match="no rows"):
        draw(series(0), "abc", {}, Window())
