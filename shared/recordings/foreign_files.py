"""What a file is that is no CSV, by more than its first byte, and what the lines above a header look like."""

import re
from collections.abc import Sequence
from statistics import median

from shared.labelling.label_config import LabelConfig

START = 1 << 10  # bytes that show a format, blank lines before it included
LOOKED_AT = 1 << 16  # bytes that show whether it is a page, and hold the lines above a header
LINES_LOOKED_AT = 200
LONGEST_QUOTE = 60  # characters
MOST_NAMES = 20  # of channels that are looked for
SEPARATORS = (",", ";", "\t", "|")

FORMATS = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x1f\x8b": "gzip: unpack it",
    b"PK\x03\x04": "a zip or Excel file: save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file: save it as CSV",
    b"\x89HDF": "an HDF5 file: save it as CSV",
    b"\x93NUMPY": "a NumPy array: save it as CSV",
    b"MATLAB 5.0": "a MATLAB file: save it as CSV",
    b"ARROW1\0": "a Feather file: save it as CSV",
    b"\x28\xb5\x2f\xfd": "zstd: unpack it",
    b"BZh9": "bzip2: unpack it",
    b"%PDF-": "a PDF",
    b"SQLite format 3\0": "an SQLite database: save a table as CSV",
}
PARQUET = re.compile(rb"PAR1[^\n]*[\x00-\x08\x0e-\x1f]")
PAGE = re.compile(rb"\s*+<(?:!doctype|!--|\?xml|(?:html|script)[\s/>])", re.IGNORECASE)
ELEMENT = re.compile(rb"\s*+<([A-Za-z][\w:.-]*+)")
LIST_OF_ROWS = re.compile(rb"\s*+\[\s*+[\[{]")
UTF16 = re.compile(rb"(?:[\x09\x0a\x0d\x20-\x7e]\0){8}|(?:\0[\x09\x0a\x0d\x20-\x7e]){8}")

SINGLE_QUOTES = re.compile(r"\s*'[^']*'\s*[,;\t]")
COMMENT = re.compile(r"\s*(?:#|//|%|;|--|')")
UNIT = re.compile(r"\s*[^\W\d_]|\s*[\[(°%µ]")
INFLUX = re.compile(r"\s*#(?:group|datatype|default)\b", re.IGNORECASE)
SEPARATOR_LINE = re.compile(r"\s*\"?sep=", re.IGNORECASE)


def foreign_format(data: memoryview) -> str:
    """What a file is that is no CSV, and what to do; "" for what may be one."""
    start = bytes(data[:START])
    for magic, what in FORMATS.items():
        if start.startswith(magic):
            return what
    if PARQUET.match(start) or (start.startswith(b"PAR1") and bytes(data[-4:]) == b"PAR1"):
        return "a Parquet file: save it as CSV"
    if UTF16.match(start):
        return "UTF-16 text: save it as UTF-8"
    if LIST_OF_ROWS.match(start):
        return 'a JSON list of rows: write an object of columns, such as {"time": [0, 1], "value": [3, null]}'
    element = ELEMENT.match(start)
    closed = element and b"</" + element[1] in bytes(data[:LOOKED_AT])
    return (
        "a web page or XML, perhaps of a login or an error: open its address in a browser"
        if (closed or PAGE.match(start))
        else ""
    )


def explain_header(data: memoryview, begin: int, config: LabelConfig) -> str:
    """A sentence about the line at `begin`, taken for the header although it does not hold the configured names.

    Starts with a blank; shows the line, what it looks like, and where the header seems to be.
    """
    lines = bytes(data[begin : begin + LOOKED_AT]).decode(errors="replace").splitlines()[:LINES_LOOKED_AT] or [""]
    shown = f" The line taken for the header is {quote(lines[0])}"
    if b"\r" in data[begin : begin + LOOKED_AT].tobytes() and b"\n" not in data[begin : begin + LOOKED_AT].tobytes():
        return f"{shown}; the lines end with a carriage return alone, as on old Macs: save it with line feeds."
    wanted = [name for name in (config.time_column, *config.channels[:MOST_NAMES]) if name and not name.isdigit()]
    others = [each for each in SEPARATORS if each != (config.separator or ",")]
    separator = next((each for each in others if wanted and _splits(lines[0], each, wanted)), None)
    if separator:
        return f"{shown}; its names are separated by {separator!r}: set sep to it in the TimeSeries tag."
    header = next((place for place, line in enumerate(lines) if place and wanted and _holds(line, wanted)), 0)
    looks = _what(lines, header > 0)
    if header:
        return (
            f"{shown}{looks}; the names are in line {header + 1}, {quote(lines[header])}: remove the lines above it, "
            "which Label Studio's page cannot read either."
        )
    return f"{shown}{looks}."


def quote(line: str) -> str:
    """A line as it is shown."""
    return repr(line[:LONGEST_QUOTE]) + (" …" if len(line) > LONGEST_QUOTE else "")


def second_header(row: int, cells: Sequence[str]) -> str:
    """A sentence about a row of cells that are no numbers or times, if it looks like a second header; else ""."""
    if row or not all(UNIT.match(cell) or cell.strip() in ("", "-", "1") for cell in cells):
        return ""
    return " It looks like a line of units or a second header line: remove it."


def _holds(line: str, wanted: Sequence[str]) -> bool:
    lowered = line.lower()
    return all(name in lowered for name in wanted)


def _splits(line: str, separator: str, wanted: Sequence[str]) -> bool:
    """Whether this separator gives the cells of this line the wanted names."""
    cells = {cell.strip().strip('"') for cell in line.lower().split(separator)}
    return len(cells) > 1 and cells.issuperset(wanted)


def _what(lines: Sequence[str], above: bool) -> str:
    """What the first of these lines looks like. above: the header is found below it."""
    first = lines[0]
    if "\ufffd" in first:
        return (
            ", which is not UTF-8 text: the encoding is perhaps that of Windows (cp1252), as in Excel's plain CSV; "
            "save it as UTF-8"
        )
    if first.count('"') == 2 and first.strip()[:1] == first.strip()[-1:] == '"' and any(map(first.count, SEPARATORS)):
        return ", which stands in quotes as a whole and so is one cell: write the lines without quotes around them"
    if SINGLE_QUOTES.match(first):
        return ", whose names stand in single quotes: write them without"
    if INFLUX.match(first):
        return ", which looks like an annotation of InfluxDB: export without annotations (#group, #datatype, #default)"
    if SEPARATOR_LINE.match(first):
        return ", which looks like Excel's line that names the separator"
    if COMMENT.match(first):
        return ", which looks like a comment above the header"
    usual = median(max(line.count(each) for each in SEPARATORS) for line in lines)
    fewer = max(first.count(each) for each in SEPARATORS) < usual
    return ", which looks like text above the header" if above or fewer else ""
