"""The first lines of a CSV: separator, whether there is a header, and which column is which.

The page takes the first line for data if its cells are numeric in the same places as those of the second, lower-cases
names, and reads digits in a channel as an index. Source: `parseCSV` in its front end, utils/data.js.
"""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from shared.digits import read_digits
from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig
from shared.quoting import quoted
from shared.recordings.cells import is_numeric
from shared.recordings.foreign_files import explain_header, foreign_format

MAX_COLUMNS = 20_000  # of a file; each costs pandas some microseconds a block
MAX_LINE = 4 << 20  # bytes: 20,000 columns of 200
BLANK = re.compile(rb"[ \t\r\f\v\n]*+")


class MissingColumnError(SeriesError):
    """The header does not hold a configured name."""


@dataclass(frozen=True)
class CsvLayout:
    """Layout of a file: byte of the first row, number of columns, columns of channels and time."""

    separator: str
    start: int
    columns: int
    channels: tuple[int, ...]
    time: int | None


def split_line(line: str, separator: str) -> list[str]:
    """Cells of a line, without the quotes around them."""
    line = line.strip(" \r\n" if separator == "\t" else None)
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([mend_quotes(line.encode(), separator.encode()).decode()], delimiter=separator))
    except csv.Error as error:
        raise SeriesError(f"The line {line[:60]!r} cannot be split into cells: {error}.") from None


def mend_quotes(line: bytes, separator: bytes) -> bytes:
    """The line, rewritten into the cells that the page sees where a quote is unclosed or within a cell."""
    if b'"' not in line:
        return line
    good, page = _patterns(separator)
    return line if good.fullmatch(line) else separator.join(page.findall(line.strip()) or [b"?"])


@lru_cache(maxsize=16)
def _patterns(separator: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    between = re.escape(separator)
    cell = rb'(?:"(?:[^"]|"")*+"|[^"%s]*+)' % between
    good = rb"\s*+%s(?:%s%s)*+\s*+" % (cell, between, cell)
    page = rb'"(?:""|[^"])*"|[^"%s]+|(?=%s(?:%s|$))|^(?=%s)' % (between, between, between, between)
    return re.compile(good), re.compile(page)


def line_too_long(start: bytes) -> SeriesError:
    """The error for a line that is longer than any row."""
    return SeriesError(
        f"The recording has a line of more than {MAX_LINE >> 20} MiB, starting with {start[:40]!r}; a CSV has "
        "a line for each row."
    )


def read_layout(data: memoryview, config: LabelConfig) -> CsvLayout:
    """Read the first lines. Raises SeriesError if it is no CSV, or if a configured column is missing or ambiguous."""
    foreign = foreign_format(data)
    if foreign:
        raise SeriesError(f"The recording is no CSV but {foreign}.")
    begin, first, after = _line(data, 0)
    if not first:
        raise SeriesError("The recording is empty.")
    _, second, _ = _line(data, after)
    separator = config.separator or ","
    if separator == "auto":
        separator = _guess_separator(second)
    names = split_line(first, separator)
    if len(names) > MAX_COLUMNS:
        raise SeriesError(f"The recording has {len(names)} columns; at most {MAX_COLUMNS} are read.")
    wanted = [*config.channels, *([config.time_column] if config.time_column else [])]
    lowered = [name.lower() for name in names]
    present = frozenset(lowered)
    header = _has_header(names, split_line(second, separator) if second else None) or (
        # only text in both lines: the page would miss the configured names, although they are there
        all(name in present for name in wanted) and any(read_digits(name) is None for name in wanted)
    )
    known = lowered if header else [str(index) for index in range(len(names))]
    columns = _Columns(known, header)
    try:
        channels = [columns.find(name, index_first=True) for name in config.channels]
        time = columns.find(config.time_column, index_first=False) if config.time_column else None
    except MissingColumnError as error:
        raise SeriesError(f"{error}{explain_header(data, begin, config)}") from None
    if config.time_format and time in channels:
        raise SeriesError(
            f"Column {quoted(config.time_column)} holds the recording's times and cannot be a channel as well."
        )
    return CsvLayout(separator, after if header else begin, len(names), tuple(channels), time)


def _line(data: memoryview, position: int) -> tuple[int, str, int]:
    """The first line from `position` on that is not blank: where it starts, its text, where the next one starts."""
    blank = BLANK.match(data, position)
    begin = blank.end() if blank else position
    indent = bytes(data[max(position, begin - MAX_LINE) : begin])
    begin -= len(indent) - indent.rfind(b"\n") - 1
    end = _line_feed(data, begin)
    text = bytes(data[begin:end])
    if len(text) == MAX_LINE:
        raise line_too_long(text)
    return begin, "" if text.isspace() else text.decode(errors="replace"), begin + len(text) + 1


def _line_feed(data: memoryview, begin: int) -> int:
    """Where the next line feed is, at most MAX_LINE bytes on: the end of them without one."""
    end = min(begin + MAX_LINE, len(data))
    for first in range(begin, end, 1 << 12):
        found = bytes(data[first : min(first + (1 << 12), end)]).find(b"\n")
        if found >= 0:
            return first + found
    return end


def _has_header(names: list[str], cells: list[str] | None) -> bool:
    if cells is None:  # a single line: the page reads none
        return not all(is_numeric(name) for name in names)
    cells = [*cells, *["-"] * (len(names) - len(cells))]
    return any(is_numeric(name) != is_numeric(cell) for name, cell in zip(names, cells, strict=False))


def _guess_separator(line: str) -> str:
    found = Counter(re.findall(r"[,;\s]", line.strip()))
    if len(found) > 1:
        listed = " ".join(repr(each) for each in found)
        raise SeriesError(
            f'sep="auto" finds several separators ({listed}) in {line[:60]!r}; name one in the TimeSeries tag.'
        )
    return next(iter(found), ",")


class _Columns:
    """A file's columns by name: looked up in one step each, as there may be 20,000, and as many channels."""

    def __init__(self, known: list[str], header: bool) -> None:
        self._known = known
        self._header = header
        self._exact = _places(known)
        self._stripped = _places([name.strip() for name in known])

    def find(self, wanted: str, *, index_first: bool) -> int:
        """Index of a column by name or index. The page tries digits in a channel as an index before it tries names."""
        known = self._known
        index = read_digits(wanted)
        if index is not None and index >= len(known):
            index = None
        if index_first and index is not None:
            return index
        places = self._exact.get(wanted) or self._stripped.get(wanted.strip(), [])
        if len(places) > 1:
            raise SeriesError(
                f"Column {quoted(wanted)} stands {len(places)} times in the recording's header; names must differ."
            )
        if places:
            return places[0]
        if index is not None:
            return index
        what = "are" if self._header else "have no names, as its first line looks like the second; they are"
        listed = ", ".join(map(quoted, known[:20])) + (" …" if len(known) > 20 else "")
        hint = " There is one only: the separator may be wrong, set sep." if len(known) == 1 else ""
        raise MissingColumnError(f"The recording has no column {quoted(wanted)}; its columns {what}: {listed}.{hint}")


def _places(names: list[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(name, []).append(index)
    return found
