"""CSV bytes to the configured columns, with the same rows as on Label Studio's page.

The page reads line by line (a quoted line end does not exist) and skips blank lines. Here quotes are understood, and
cells without a number are missing. pandas parses blocks of lines straight into one array, so that memory stays at the
bytes, the values and a few blocks.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.errors import SeriesError
from shared.labelling.d3_time import LONGEST_TEXT
from shared.labelling.label_config import LabelConfig
from shared.recordings.cells import (
    BOOLEANS,
    boolean_cells,
    parse_number,
    parse_value,
    read_times,
    time_advice,
    unreadable_cells,
)
from shared.recordings.csv_header import MAX_LINE, CsvLayout, line_too_long, mend_quotes, read_layout, split_line
from shared.recordings.csv_numbers import read_numbers, read_timed_numbers
from shared.recordings.foreign_files import quote, second_header

MAX_CELLS = 2**27  # values of one recording: 1 GiB
BLANK_OR_QUOTE = ' \t"'
BLOCK = 1 << 20  # bytes parsed at once: fits the cache of a core; 4 MiB take a sixth longer
COUNTED = 1 << 16  # bytes looked at together: what a comparison gives stays in memory that is there already
COLUMN_BYTES = 1 << 10  # minimum block size for each column of a file: pandas takes some microseconds for each

NUMBERS, TEXTS = np.dtype(np.float64), np.dtype(object)
Cells = dict[int, NDArray[Any]]  # of the used columns of a block: numbers, texts or bytes


@dataclass(frozen=True)
class Table:
    """values float64 [rows, channels], NaN = missing; times float64 [rows] if a time column is configured."""

    values: NDArray[np.float64]
    times: NDArray[np.float64] | None
    doubts: tuple[Doubt, ...]


def read_table(data: memoryview, config: LabelConfig, max_cells: int) -> Table:
    """Parse a CSV. Raises SeriesError naming what is wrong, and the row where there is one (the first is 0)."""
    layout = read_layout(data, config)
    most = _count_lines(data, layout.start)
    if most * len(layout.channels) > max_cells:
        raise SeriesError(
            f"The recording has {most} rows of {len(layout.channels)} channels; at most {max_cells} cells are read."
        )
    values = np.empty((most, len(layout.channels)))
    times = None if layout.time is None else np.empty(most)
    reader = _BlockReader(layout, config)
    row = 0
    for block in _blocks(data, layout.start, min(max(BLOCK, layout.columns * COLUMN_BYTES), MAX_LINE)):
        row += reader.read(block, values[row:], None if times is None else times[row:], row)
    if not row:
        raise SeriesError("The recording has a header, but no rows below it.")
    reader.check_times()
    doubts = (*reader.doubts(values[:row]), *_unterminated(data, layout, row - 1))
    return Table(values[:row], None if times is None else times[:row], doubts)


def _unterminated(data: memoryview, layout: CsvLayout, row: int) -> Iterator[Doubt]:
    """A doubt about a file that ends without a line break; whether others do, their reader knows."""
    if bytes(data[-1:]) in (b"\n", b"\r"):
        return
    end = bytes(data[-MAX_LINE:])
    line = end[max(end.rfind(b"\n"), end.rfind(b"\r")) + 1 :].decode(errors="replace")
    cells = len(split_line(line, layout.separator)) if line.strip() else layout.columns
    short = f"holds {cells} of {layout.columns} cells and " if cells < layout.columns else ""
    yield Doubt(
        kind="unterminated",
        sentence=f"The last line, {quote(line)}, {short}does not end with a line break: is the file whole?",
        first_row=row,
    )


def _count_lines(data: memoryview, start: int) -> int:
    return 1 + _count(data[start:], b"\n")


def _count(data: memoryview | bytes, byte: bytes) -> int:
    view = np.frombuffer(data, np.uint8)
    parts = (view[first : first + COUNTED] for first in range(0, len(view), COUNTED))
    return sum(int(np.count_nonzero(part == byte[0])) for part in parts)


def _blocks(data: memoryview, start: int, size: int) -> Iterator[bytes]:
    while start < len(data):
        end = min(start + size, len(data))
        if end < len(data):
            end = _line_end(data, start, end)
        yield bytes(data[start:end])
        start = end


def _line_end(data: memoryview, start: int, end: int) -> int:
    """End of the last complete line between two bytes; if there is none, end of the line that starts at the first."""
    step = 1 << 16  # bytes looked at together: a block is copied once, not twice
    for last in range(end, start, -step):
        first = max(last - step, start)
        found = bytes(data[first:last]).rfind(b"\n")
        if found >= 0:
            return first + found + 1
    most = min(start + MAX_LINE, len(data))
    found = bytes(data[end:most]).find(b"\n")
    if found >= 0:
        return end + found + 1
    if most < len(data):
        raise line_too_long(bytes(data[start:most]))
    return most


class _BlockReader:
    """Parses block after block, and remembers which columns contain texts."""

    def __init__(self, layout: CsvLayout, config: LabelConfig) -> None:
        self.layout, self.config = layout, config
        self.separator = layout.separator.encode()
        self.values = frozenset(layout.channels)
        self.numeric = set(layout.channels)
        if layout.time is not None and not config.time_format:
            self.numeric.add(layout.time)
        self.textual: set[int] = set()
        self.bad: Counter[int] = Counter()
        self.booleans: Counter[int] = Counter()  # cells that are True or False
        self.first: dict[int, tuple[str, int]] = {}  # cell that holds no number, and its row

    def read(self, block: bytes, values: NDArray[np.float64], times: NDArray[np.float64] | None, row: int) -> int:
        """Write the values and times of a block of complete lines; returns the number of its rows."""
        block = self._plain(block)
        if not block or block.isspace():
            return 0
        if self.layout.time is None or self.layout.time in self.numeric:
            plain = read_numbers(block, self.separator, self.layout.columns)
            if plain is not None:
                values[: len(plain)] = plain[:, self.layout.channels]
                if times is not None and self.layout.time is not None:
                    times[: len(plain)] = plain[:, self.layout.time]
                return len(plain)
        elif times is not None:
            timed = read_timed_numbers(block, self.separator, self.layout.columns, self.layout.time)
            if timed is not None:
                texts, others = timed
                values[: len(texts)] = others[:, [column - 1 for column in self.layout.channels]]
                times[: len(texts)] = read_times(texts, self.config.time_format, row)
                return len(texts)
        cells = self._cells(block, row)
        rows = _rows(cells)
        numbers = {column: self._numbers(column, cells[column], row) for column in self.numeric}
        for index, column in enumerate(self.layout.channels):
            values[:rows, index] = numbers[column]
        if times is not None and self.layout.time is not None:
            times[:rows] = (
                read_times(cells[self.layout.time], self.config.time_format, row)
                if self.config.time_format
                else numbers[self.layout.time]
            )
        return rows

    def check_times(self) -> None:
        """Raise SeriesError where the numeric time column holds something else."""
        if self.layout.time in self.numeric and self.layout.time in self.first:
            text, row = self.first[self.layout.time]
            raise SeriesError(
                f"The time of row {row} (the first is 0) is {text[:60]!r}, which is no number; every row needs a time."
                f"{second_header(row, [text]) or time_advice(text, self.config.time_column)}"
            )

    def doubts(self, values: NDArray[np.float64]) -> Iterator[Doubt]:
        """What was not understood. values: all that was read."""
        for index, (name, column) in enumerate(zip(self.config.channels, self.layout.channels, strict=True)):
            bad, booleans = self.bad[column], self.booleans[column]
            if bad or booleans:
                filled = bad + int(np.count_nonzero(~np.isnan(values[:, index])))
                yield from unreadable_cells(name, bad, filled, *self.first.get(column, ("", 0)))
                yield from boolean_cells(name, booleans, filled)
        at_first = [self.first.get(column, ("", 1)) for column in self.layout.channels]
        hint = "" if any(row for _, row in at_first) else second_header(0, [text for text, _ in at_first])
        if hint:
            cells = ", ".join(repr(text[:20]) for text, _ in at_first[:5])
            yield Doubt(
                kind="unreadable-cells",
                sentence=f"Row 0 holds no number in any channel, but {cells}.{hint}",
                first_row=0,
            )

    def _plain(self, block: bytes) -> bytes:
        """The block with line feeds as the only line ends, without NUL, and without blanks that are not separators."""
        if b"\0" in block:
            block = block.replace(b"\0", b"?")  # makes its cell unreadable, as on the page
        if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b" ")
        if self.separator in b" \t":
            if self.separator == b" " and (block[:1] in b" \t" or b"\n " in block or b"\n\t" in block):
                block = re.sub(rb"(?m)^[ \t]+", b"", block)
            if any(end in block for end in (b" \n", b" \r", b"\t\n", b"\t\r")) or block[-1:] in b" \t":
                block = re.sub(rb"(?m)(?<![ \t\r])[ \t\r]++$", b"", block)
        return block

    def _cells(self, block: bytes, row: int) -> Cells:
        """The used columns of a block. Raises SeriesError on a row with more cells than the header."""
        block = self._pad(block.lstrip(b"\r\n"), row)
        cells = self._parse(block)
        if b'"' in block and (cells is None or _rows(cells) != sum(1 for line in block.split(b"\n") if line.strip())):
            block = b"\n".join(mend_quotes(line, self.separator) for line in block.split(b"\n"))
            block = self._pad(block, row)
            cells = self._parse(block)
        if cells is None:
            raise SeriesError(f"The recording cannot be read as CSV after row {row}: {block[:60]!r} …")
        if _count(block, self.separator) != _rows(cells) * (self.layout.columns - 1):
            self._check_widths(block, row)
        return cells

    def _pad(self, block: bytes, row: int) -> bytes:
        """The block with a first line that has all columns, which pandas requires."""
        line = block[: block.find(b"\n")] if b"\n" in block else block
        self._check_widths(line, row)
        missing = self.layout.columns - len(split_line(line.decode(errors="replace"), self.layout.separator))
        return line.rstrip(b"\r") + self.separator * missing + block[len(line) :] if missing > 0 else block

    def _check_widths(self, block: bytes, row: int) -> None:
        """Raise SeriesError on the first row with more cells than the header has names; fewer are missing cells."""
        for line in block.split(b"\n"):
            if not line.strip():
                continue
            if line.count(self.separator) >= self.layout.columns:
                cells = len(split_line(line.decode(errors="replace"), self.layout.separator))
                if cells == self.layout.columns + 1 and line.rstrip().endswith(self.separator):
                    raise SeriesError(
                        f"Row {row} (the first is 0) ends with a separator, {line[:60].decode(errors='replace')!r}, "
                        f"and so has {cells} cells where the first line has {self.layout.columns}: end the first line "
                        "with one, too, or no line."
                    )
                if cells > self.layout.columns:
                    raise SeriesError(
                        f"Row {row} (the first is 0) has {cells} cells where the first line has {self.layout.columns}: "
                        f"{line[:60].decode(errors='replace')!r}; is a comma decimal, or sep wrong?"
                    )
            row += 1

    def _parse(self, block: bytes) -> Cells | None:
        """Numbers, times and, in columns that held texts before, texts. None where the block is no CSV."""
        import pandas as pd

        types: dict[int, np.dtype[Any]] = {  # their names would be looked up among those of all extensions of pandas
            column: TEXTS if column in self.textual else NUMBERS for column in self.numeric
        }
        if self.layout.time is not None and self.layout.time not in self.numeric:
            types[self.layout.time] = np.dtype(f"S{LONGEST_TEXT}")
        columns = sorted(types)
        options: dict[str, Any] = {
            "sep": self.layout.separator, "header": None, "names": range(self.layout.columns), "index_col": False,
            "usecols": columns, "engine": "c", "low_memory": False, "encoding_errors": "replace",
        }  # fmt: skip
        for each in (types, types | dict.fromkeys(self.numeric, TEXTS)):
            plain = set(each.values()) == {NUMBERS}
            with suppress(ValueError):  # some cell holds no number, or a quote never closes
                frame: pd.DataFrame = pd.read_csv(BytesIO(block), dtype=NUMBERS if plain else each, **options)
                cells: Cells = (
                    dict(zip(columns, frame.to_numpy().T, strict=True))
                    if plain
                    else {column: frame[column].to_numpy() for column in columns}
                )
                bits = each is types and any(_all_bits(cells[column]) for column in self.numeric - self.textual)
                if not bits or not re.search(rb"true|false", block, re.IGNORECASE):
                    return cells  # else pandas has taken a column of such words for numbers, uncounted
        return None

    def _numbers(self, column: int, texts: NDArray[Any], row: int) -> NDArray[np.float64]:
        if texts.dtype != TEXTS:
            return texts
        import pandas as pd

        numbers: NDArray[np.float64] = np.array(pd.to_numeric(texts, errors="coerce"), np.float64)
        for index in np.flatnonzero(np.isnan(numbers)):
            text = texts[index]
            if isinstance(text, str) and text.strip():  # else empty, or a token for a missing value
                parse = parse_value if column in self.values else parse_number
                numbers[index] = parse(text.strip('"'))  # the page drops a quote that has no partner
                self.booleans[column] += text.strip(BLANK_OR_QUOTE).lower() in BOOLEANS
                if np.isnan(numbers[index]):
                    self.bad[column] += 1
                    self.first.setdefault(column, (text, row + int(index)))
        if self.bad[column]:
            self.textual.add(column)
        return numbers


def _rows(cells: Cells) -> int:
    return len(next(iter(cells.values())))


def _all_bits(numbers: NDArray[np.float64]) -> bool:
    """Whether a column consists of 0, 1 and missing values."""
    return all(bool(((part == 0) | (part == 1) | np.isnan(part)).all()) for part in (numbers[:100], numbers))
