"""Cells to numbers and times, as JavaScript on Label Studio's page reads them; but an empty cell is missing, not 0."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.errors import SeriesError
from shared.labelling.d3_time import parse_times
from shared.quoting import quoted
from shared.recordings.foreign_files import second_header

DECIMAL = re.compile(r"[+-]?(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?|Infinity)", re.ASCII)
PREFIXED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
MISSING_WORDS = frozenset(
    {
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    }
)  # of a cell that holds nothing: pandas' words, for JSON as well
BOOLEANS = {"true": 1.0, "false": 0.0}
LEAST_SHARE = 0.01  # of cells that are not empty: below, they are glitches that a channel has room for
COMMA_BEFORE_THREE = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)  # 1,234: one and a bit, or a thousand
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
THOUSANDS = re.compile(
    r"[+-]?\d{1,3}(?:[ '\u00a0\u202f]\d{3})+(?:[.,]\d+)?|[+-]?\d{1,3}(?:\.\d{3}){2,}|[+-]?\d{1,3}(?:\.\d{3})+,\d+"
    r"|[+-]?\d{1,3}(?:,\d{3})+\.\d+|[+-]?\d{1,3}(?:,\d{3}){2,}",
    re.ASCII,
)
WITH_UNIT = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s*[^\W\d_]*[°%µ/^²³]?[^\W\d_]+[²³]?|[+-]?\d+(?:[.,]\d+)?\s*[%°\ufffd]")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?!\d)|\d{1,2}:\d{2}")
LONGEST_EXPLAINED = 40  # characters of a cell whose kind is told
BLOCK = 1 << 16  # times read at once: their bytes stay within a few MiB


def parse_number(cell: Any) -> float:
    """The number in a cell of any kind: NaN for None, an empty text, or anything that is not a number."""
    if isinstance(cell, str):
        text = cell.strip().strip("\ufeff")
        if DECIMAL.fullmatch(text):
            return float(text)
        return float(int(text, 0)) if len(text) < 200 and PREFIXED.fullmatch(text) else math.nan
    try:
        return float(cell) if isinstance(cell, bool | int | float) else math.nan
    except OverflowError:
        return math.inf


def parse_value(cell: Any) -> float:
    """The number in a cell of a channel: True and False are 1 and 0, in any case, which the page draws as gaps."""
    number = parse_number(cell)
    return BOOLEANS.get(cell.strip().lower(), math.nan) if math.isnan(number) and isinstance(cell, str) else number


def unreadable_cells(channel: str, bad: int, filled: int, first: Any, row: int) -> Iterator[Doubt]:
    """A doubt about cells of a channel that hold no number, from LEAST_SHARE of those that are not empty on.

    first, row: the first of these cells.
    """
    if bad and bad >= LEAST_SHARE * filled:
        yield Doubt(
            kind="unreadable-cells",
            sentence=f"Channel {quoted(channel)}: {bad} of {filled} cells that are not empty hold no number and count "
            f"as missing, the first is {_brief(first)} in row {row}.{_advice(first)}",
            first_row=row,
            share=bad / filled,
        )


def boolean_cells(channel: str, count: int, filled: int) -> Iterator[Doubt]:
    """A doubt about cells that are True or False."""
    if count:
        yield Doubt(
            kind="boolean-cells",
            sentence=f"Channel {quoted(channel)}: {count} of {filled} cells that are not empty are True or False, read "
            "as the numbers 1 and 0.",
            share=count / filled,
        )


def _brief(cell: Any) -> str:
    return repr(cell[:40]) if isinstance(cell, str) else repr(cell)[:40]


def _advice(cell: Any) -> str:
    text = cell.strip() if isinstance(cell, str) and len(cell) <= LONGEST_EXPLAINED else ""
    if COMMA_BEFORE_THREE.fullmatch(text):
        return " It looks like a decimal comma or a thousands separator: write a decimal point, and no separators."
    if DECIMAL_COMMA.fullmatch(text):
        return " It looks like a decimal comma: write numbers with a point."
    if THOUSANDS.fullmatch(text):
        return " Write numbers without thousands separators, and with a decimal point."
    if text[:1] in ("\u2212", "\u2013") and DECIMAL.fullmatch(text[1:]):
        return " Its minus sign is that of typesetting: write the one of the keyboard, -."
    if WITH_UNIT.fullmatch(text):
        return " It looks like a number with a unit: write the number alone."
    return ""


def time_advice(text: str, name: str) -> str:
    """A sentence about a time that is no number, with a blank before it; name: of its column."""
    if text.strip().lower() == name:
        return " It is the header again: were files joined?"
    if len(text) <= LONGEST_EXPLAINED and DATE.match(text.strip()):
        return " It looks like a date or a time of day: say how to read it by timeFormat in the TimeSeries tag."
    return ""


def is_numeric(text: str) -> bool:
    """Whether JavaScript converts this text to a number; an empty text counts (it is 0 there)."""
    return not text.strip() or not math.isnan(parse_number(text))


def format_number(cell: Any) -> str:
    """A number as JavaScript writes it: 5.0 is "5"."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e21:
        return str(int(cell))
    return "" if cell is None else str(cell)


def read_times(texts: Sequence[str] | NDArray[np.bytes_], time_format: str, first: int = 0) -> NDArray[np.float64]:
    """Times [ms since 1970] of a column, block by block. Raises SeriesError naming the row (`first` + index) and value.

    A cell that does not match is tried again as the page sees it: without surrounding spaces, and, where
    it is a number, as JavaScript writes that.
    """
    times = np.empty(len(texts))
    for start in range(0, len(texts), BLOCK):
        block = texts[start : start + BLOCK]
        found = parse_times(block, time_format)
        wrong = np.flatnonzero(np.isnan(found))
        if wrong.size:
            again = [_as_seen(block[row]) for row in wrong]
            found[wrong] = parse_times(again, time_format)
            left = wrong[np.isnan(found[wrong])]
            if left.size:
                row = int(left[0])
                raise SeriesError(
                    f"The time of row {first + start + row} (the first is 0) is {_text(block[row])[:60]!r}, which does "
                    f"not fit timeFormat {time_format!r}.{second_header(first + start + row, [_text(block[row])])}"
                )
        times[start : start + BLOCK] = found
    return times


def _text(cell: str | bytes) -> str:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else cell


def _as_seen(cell: str | bytes) -> str:
    text = _text(cell).strip()
    number = parse_number(text)
    return text if math.isnan(number) else format_number(number)
