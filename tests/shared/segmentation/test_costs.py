"""Regressions of speed are found by counting forward passes, windows and blocks, never by a clock."""

from typing import Any

import numpy as np
import pytest

from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.segmentation.segmenter import Segmenter
from shared.segmentation.windows import BLOCK_WINDOWS
from tests.support.allocation import allocated
from tests.support.graphs import make_model

ROWS = 20_000
CHANNELS = ("a", "b")


class Passes:
    """Shapes of the blocks that a graph is given."""

    def __init__(self, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shapes: list[tuple[int, ...]] = []
        run = segmenter.run

        def counted(windows: Any, *others: Any) -> Any:
            self.shapes.append(windows.shape)
            return run(windows, *others)

        monkeypatch.setattr(segmenter, "run", counted)


def make_segmenter(**changes: Any) -> Segmenter:
    return Segmenter.load(make_model(channels=CHANNELS, **{"window": 200, "stride": 148, "downsampling": 4, **changes}))


def make_series(rows: int = ROWS) -> Series:
    return Series(np.sin(np.arange(rows * 2).reshape(rows, 2) / 30), TimeAxis.of_rows(rows))


def test_the_network_sees_each_row_little_more_than_once(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = make_segmenter()
    passes = Passes(segmenter, monkeypatch)
    segmenter.segment(make_series())
    seen = sum(windows * length for windows, length, _ in passes.shapes)
    assert ROWS <= seen <= 1.37 * ROWS  # 200 / 148, and the last window


def test_windows_go_through_the_network_in_blocks_of_sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = make_segmenter()
    passes = Passes(segmenter, monkeypatch)
    segmenter.segment(make_series())
    assert {windows for windows, _, _ in passes.shapes[:-1]} == {BLOCK_WINDOWS}
    assert len(passes.shapes) == -(-sum(windows for windows, _, _ in passes.shapes) // BLOCK_WINDOWS)


def test_a_check_that_raises_ends_a_long_series_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = make_segmenter()
    passes = Passes(segmenter, monkeypatch)
    segmenter.segment(make_series())
    whole, turns = len(passes.shapes), iter(range(2))
    passes.shapes.clear()

    def check() -> None:
        if next(turns) == 1:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        segmenter.segment(make_series(), check=check)
    assert 0 < len(passes.shapes) < whole


def test_what_segmenting_holds_does_not_grow_with_the_recording() -> None:
    segmenter = make_segmenter()
    short, long = (Series(np.zeros((rows, 2)), TimeAxis.of_rows(rows)) for rows in (8 * ROWS, 16 * ROWS))  # one segment
    assert allocated(lambda: segmenter.segment(long)) < 1.1 * allocated(lambda: segmenter.segment(short))
