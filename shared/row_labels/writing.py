"""A CSV with a row for each row of a recording."""

import csv
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from shared.labelling.label_config import LabelConfig
from shared.labelling.time_axis import TimeAxis

ROW = "row"  # column of a recording without times
ROWS_AT_ONCE = 1 << 12


def write_rows(out: TextIO, axis: TimeAxis, config: LabelConfig, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write the times of a recording, as they are in it, and beside them columns of as many cells."""
    writer = csv.writer(out, lineterminator="\n")
    rows = len(axis.times)
    writer.writerow([config.time_column or ROW, *columns])
    for first in range(0, rows, ROWS_AT_ONCE):
        some = range(first, min(first + ROWS_AT_ONCE, rows))
        times = axis.values(some)
        cells = [each[first : some.stop] for each in columns.values()]
        writer.writerows(zip(times, *cells, strict=True))
