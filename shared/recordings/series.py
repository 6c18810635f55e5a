"""Recordings to `Series`: the rows that Label Studio's page draws, as numbers.

One deliberate difference from the page: a cell that is empty or not a number is missing (NaN), not 0.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.errors import SeriesError
from shared.json_decoding import decode_json
from shared.json_values import holds_more_values
from shared.labelling.label_config import LabelConfig
from shared.labelling.time_axis import TimeAxis
from shared.quoting import quoted
from shared.recordings.cells import (
    BOOLEANS,
    MISSING_WORDS,
    boolean_cells,
    format_number,
    parse_value,
    read_times,
    unreadable_cells,
)
from shared.recordings.csv_reader import MAX_CELLS, read_table

MAX_JSON_VALUES = 1 << 22  # of a recording in JSON: up to 300 MiB while it is decoded; a CSV needs no objects


# an object, and no header such as {time},{value}
JSON = re.compile(rb'\s*+\{(?![^{}"\'\[:\s][^{}"\'\[:\r\n]*\})')
PLAIN = frozenset((int, float))
LINES = re.compile(rb"\s*+\{[^\n]*\}\s*?\n\s*+\{")
INDEXED = "; it looks like a table that pandas wrote by column and row, write it with orient='list'"
JSON_NAMES = {
    dict: "an object",
    str: "a text",
    bool: "true or false",
    type(None): "null",
    int: "a number",
    float: "a number",
}
COLUMNS = 'expected an object of columns, such as {"time": [0, 1], "value": [3, null]}.'


@dataclass(frozen=True)
class Series:
    """One recording: values float64 [rows, channels in the configuration's order], NaN = missing, and its time axis."""

    values: NDArray[np.float64]
    axis: TimeAxis
    doubts: tuple[Doubt, ...] = ()  # what was not understood, such as cells that hold no number

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.values)


def cell_limit(max_series_mb: int) -> int:
    """Largest rows x channels: values of 8 bytes within MAX_SERIES_MB, at most MAX_CELLS."""
    return min(max_series_mb * 2**20 // 8, MAX_CELLS)


def read_series(
    data: bytes | bytearray | memoryview | str | Mapping[str, Any],
    config: LabelConfig,
    *,
    max_cells: int = MAX_CELLS,
    fetched: bool = False,
) -> Series:
    """Read a recording: CSV or JSON columns as bytes, the same as text, or a mapping of columns.

    `max_cells` bounds rows x channels, and so the memory for values (8 bytes each). fetched: the task named an address,
    which is a doubt under valueType="json". Raises SeriesError, a sentence, on
    a recording without the configured columns or rows, with unreadable or decreasing times, or beyond the bound.
    """
    if isinstance(data, Mapping):
        return _from_columns(data, config, max_cells)
    if isinstance(data, str) and data.lstrip().startswith("["):
        raise SeriesError(f"The task holds a JSON list, {data.strip()[:40]!r} …, {COLUMNS}")
    view = memoryview(data.encode(errors="replace") if isinstance(data, str) else data).cast("B")
    while bytes(view[:3]) == b"\xef\xbb\xbf":  # some programs write two
        view = view[3:]
    doubts = tuple(_value_type(config)) if fetched else ()
    if JSON.match(view):
        series = _from_columns(_decode(view), config, max_cells)
        return replace(series, doubts=(*doubts, *series.doubts))
    if isinstance(data, str) and config.value_type == "json":
        raise SeriesError(
            f'The task holds {data[:60]!r} where an object of columns such as {{"time": [0, 1]}} belongs.'
        )
    table = read_table(view, config, max_cells)
    axis = TimeAxis.of_rows(len(table.values)) if table.times is None else TimeAxis(table.times, config.time_format)
    return Series(table.values, axis, (*doubts, *table.doubts))


def is_address(value: Any) -> bool:
    """Whether a task's value names where its recording is, and does not hold it."""
    return isinstance(value, str) and not value.lstrip().startswith(("{", "["))


def _value_type(config: LabelConfig) -> Iterator[Doubt]:
    if config.value_type == "json":
        yield Doubt(
            kind="value-type",
            sentence='The task names an address, but valueType="json" means columns in the task itself: it is read all '
            'the same, while the page of Label Studio draws nothing; set valueType="url".',
        )


def _decode(data: memoryview) -> Mapping[str, Any]:
    if holds_more_values(data, MAX_JSON_VALUES):
        raise SeriesError(f"The recording is JSON of more than {MAX_JSON_VALUES} values; save it as CSV.")
    try:
        columns: dict[str, Any] = decode_json(data, dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SeriesError(
            f"The recording starts with {{ but is no JSON object of columns ({error}); expected one such as "
            f'{{"time": [0, 1], "value": [3, null]}}.{_other_json(data)}'
        ) from None
    return columns


def _from_columns(columns: Mapping[str, Any], config: LabelConfig, max_cells: int) -> Series:
    names = {str(name).lower(): name for name in columns}
    wanted = [*config.channels, *([config.time_column] if config.time_column else [])]
    lists: dict[str, Sequence[Any]] = {}
    for name in wanted:
        if name not in columns and name not in names:
            raise SeriesError(
                f"The recording has no column {quoted(name)}; it has "
                f"{', '.join(map(quoted, list(columns)[:20])) or 'none'}."
                f"{_split_table(columns)}"
            )
        column = columns[name] if name in columns else columns[names[name]]
        if not isinstance(column, list | tuple):
            raise SeriesError(
                f"Column {quoted(name)} of the recording is {JSON_NAMES.get(type(column), type(column).__name__)}, but "
                f"must be a list of values{INDEXED if isinstance(column, Mapping) else ''}."
            )
        lists[name] = column
    lengths = {name: len(column) for name, column in lists.items()}
    rows = next(iter(lengths.values()))
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{quoted(name)} {length}" for name, length in list(lengths.items())[:20])
        raise SeriesError(f"The recording's columns differ in length ({listed} rows); each row needs a cell in each.")
    if not rows:
        raise SeriesError("The recording has no rows.")
    if rows * len(config.channels) > max_cells:
        raise SeriesError(
            f"The recording has {rows} rows of {len(config.channels)} channels, more than {max_cells} cells."
        )
    values = np.empty((rows, len(config.channels)))
    doubts: list[Doubt] = []
    for index, name in enumerate(config.channels):
        found = _numbers(lists[name])
        values[:, index] = found.values
        if found.bad or found.booleans:
            filled = len(found.bad) + int(np.count_nonzero(~np.isnan(found.values)))
            doubts += boolean_cells(name, found.booleans, filled)
            if found.bad:
                doubts += unreadable_cells(name, len(found.bad), filled, lists[name][found.bad[0]], found.bad[0])
    if not config.time_column:
        return Series(values, TimeAxis.of_rows(rows), tuple(doubts))
    times = lists[config.time_column]
    if config.time_format:
        texts = [each if isinstance(each, str) else format_number(each) for each in times]
        return Series(values, TimeAxis(read_times(texts, config.time_format), config.time_format), tuple(doubts))
    return Series(values, TimeAxis(_numbers(times).values), tuple(doubts))


def _other_json(data: memoryview) -> str:
    """What a text that starts with a brace looks like."""
    start = bytes(data[: 1 << 16])
    if LINES.match(start):
        return " It looks like an object for each row (JSON lines): write columns, or a CSV."
    if re.match(rb"\s*+\{\s*'", start):
        return " It looks like Python's own notation: write JSON, with double quotes and null."
    return " NaN and None are no JSON: a missing value is null." if re.search(rb"\b(?:NaN|None)\b", start) else ""


def _split_table(columns: Mapping[str, Any]) -> str:
    """What an object without the wanted columns looks like."""
    if "columns" in columns and "data" in columns:
        return f" It looks like a table that pandas wrote with orient='split' or 'table'; {COLUMNS}"
    if columns and all(isinstance(each, Mapping) for each in columns.values()):
        return f" It looks like a table that pandas wrote row by row (orient='index'); {COLUMNS}"
    return ""


class _Numbers(NamedTuple):
    """Numbers of cells, NaN where there is none; rows of cells neither empty nor a number; count of True and False."""

    values: NDArray[np.float64]
    bad: list[int]
    booleans: int


def _numbers(cells: Sequence[Any]) -> _Numbers:
    if set(map(type, cells)) <= PLAIN:
        try:
            return _Numbers(np.array(cells, dtype=np.float64), [], 0)
        except OverflowError:  # a whole number above 1e308
            pass
    values = np.array([parse_value(cell) for cell in cells])
    bad = [int(row) for row in np.flatnonzero(np.isnan(values)) if not _is_empty(cells[row])]
    return _Numbers(values, bad, sum(map(_is_boolean, cells)))


def _is_boolean(cell: Any) -> bool:
    return isinstance(cell, bool) or (isinstance(cell, str) and cell.strip().lower() in BOOLEANS)


def _is_empty(cell: Any) -> bool:
    """Whether a cell is missing, as in a CSV: null, a blank text, a token for a missing value."""
    return cell is None or (isinstance(cell, str) and cell.strip() in MISSING_WORDS)
