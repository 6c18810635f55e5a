"""Regressions of speed are caught by counting: forward passes, windows, blocks, parses. Never by a clock."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shared.labelling.time_axis import TimeAxis
from shared.recordings.csv_numbers import read_numbers
from shared.recordings.series import Series, read_series
from shared.segmentation.segmenter import Segmenter
from shared.segmentation.windows import BLOCK_WINDOWS
from tests.support.graphs import make_config, make_model

ROWS = 20_000
CHANNELS = ("a", "b")


class Passes:
    """Shapes of the blocks that a graph is given."""

    def __init__(self, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shapes: list[tuple[int, ...]] = []
        run = segmenter._run

        def counted(windows: Any, *others: Any) -> Any:
            self.shapes.append(windows.shape)
            return run(windows, *others)

        monkeypatch.setattr(segmenter, "_run", counted)


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


def allocated(work: Callable[[], object]) -> int:
    """Bytes that were held at most, beyond what was there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_segmenting_holds_does_not_grow_with_the_recording() -> None:
    segmenter = make_segmenter()
    short, long = (Series(np.zeros((rows, 2)), TimeAxis.of_rows(rows)) for rows in (8 * ROWS, 16 * ROWS))  # one segment
    assert allocated(lambda: segmenter.segment(long)) < 1.1 * allocated(lambda: segmenter.segment(short))


def test_what_reading_holds_beyond_the_values_does_not_grow_with_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.recordings.csv_reader.BLOCK", 1 << 16)
    line = b"0.12345,-1.5\n"

    def beyond(rows: int) -> int:
        data = b"a,b\n" + line * rows
        return allocated(lambda: read_series(data, make_config(channels=CHANNELS))) - rows * 3 * 8  # two values, time

    beyond(ROWS)  # what is imported and remembered for good
    assert beyond(8 * ROWS) < 1.2 * beyond(2 * ROWS) + (1 << 18)


def test_a_clean_csv_is_parsed_once_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    monkeypatch.setattr("shared.recordings.csv_reader.BLOCK", 1 << 18)
    lines = 20_000
    data = b"time,a,b\n" + b"".join(b"%d,0.%05d,-1.5\n" % (row, row) for row in range(lines))
    parsed: list[int] = []
    read_csv = pd.read_csv

    def counted(source: Any, **options: Any) -> Any:
        parsed.append(len(source.getvalue()))
        return read_csv(source, **options)

    def counted_numbers(block: bytes, separator: bytes, columns: int) -> Any:
        found = read_numbers(block, separator, columns)
        if found is not None:
            parsed.append(len(block))
        return found

    monkeypatch.setattr(pd, "read_csv", counted)
    monkeypatch.setattr("shared.recordings.csv_reader.read_numbers", counted_numbers)
    assert read_series(data, make_config(channels=CHANNELS)).rows == lines
    assert sum(parsed) == len(data) - len(b"time,a,b\n")
    assert len(parsed) <= 1 + len(data) // ((1 << 18) - 100)
