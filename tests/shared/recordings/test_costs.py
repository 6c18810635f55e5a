"""Regressions of speed and memory are found by counting what is parsed and held, never by a clock."""

from typing import Any

import pytest

from shared.recordings.csv_numbers import read_numbers
from shared.recordings.series import read_series
from tests.support.allocation import allocated
from tests.support.graphs import make_config

ROWS = 20_000
CHANNELS = ("a", "b")


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
