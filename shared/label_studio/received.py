"""Is a body that was received with status 200 a recording, and all of it? Asked before it is cached or parsed.

Login pages after a redirect, pages of maintenance, error objects and bodies that broke off come with status 200, too.
What may be a recording passes: whether its columns are those of the configuration is asked where it is parsed.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from shared.errors import NotDataError

LOOKED_AT = 1 << 16  # bytes at the beginning that show what a body is
LINES_LOOKED_AT = 200
SHOWN = 60  # bytes quoted in a message
LONGEST_ERROR = 20  # lines of words, or entries of a list, that a server's message may have

_START = rb"(?:\xef\xbb\xbf)?\s*"  # some servers write a byte order mark before pages, too
_PAGE = re.compile(_START + rb"<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
_ELEMENT = re.compile(_START + rb"<([A-Za-z][\w:.-]*+)")
_OBJECT = re.compile(_START + rb'\{\s*["}]')
_CELL = re.compile(rb'(?:^|[,;\t|])\s*"?[-+]?\.?\d')
_NUMBER = re.compile(rb'"?[-+]?\.?\d')
_SEPARATORS = (b",", b";", b"\t", b"|")


def check_received(body: bytes, headers: Mapping[str, str], source: str) -> None:
    """Raise NotDataError if `body` is no recording or broke off; `source` names it.

    A missing line break at the end is a sign of that only where the server did not announce a length.
    """
    if _OBJECT.match(body):
        _check_object(body, source)
        return
    if _is_page(body):
        raise _not_data(source, "a web page, perhaps of a login or of maintenance", body)
    if not _has_rows(body):
        raise _not_data(source, "a text or a header without rows", body)
    if not _is_announced(headers) and not body.endswith((b"\n", b"\r")) and b"\0" not in body[:LOOKED_AT]:
        end = body[-SHOWN:].rpartition(b"\n")[2]
        raise NotDataError(
            "truncated",
            f"{source} was not read whole, as it seems: it ends with {end!r} without a "
            "line break, and the server announced no length (Content-Length). It is requested again; if the file is "
            "complete, end its last line with a line break.",
        )


def _check_object(body: bytes, source: str) -> None:
    if not body.rstrip().endswith(b"}"):
        raise NotDataError(
            "truncated", f"{source} was not read whole: its JSON ends with {body[-SHOWN:]!r}. It is requested again."
        )
    if len(body) > LOOKED_AT:
        return  # no message is as long
    try:
        content: Any = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return  # explained where it is parsed
    if isinstance(content, dict) and not any(map(_is_column, content.values())):
        raise _not_data(source, "a JSON object without columns, perhaps an error message", body)


def _is_column(value: Any) -> bool:
    """Whether it is a list of cells: errors come in lists, too, but as objects or as words, and not many."""
    if not isinstance(value, list):
        return False
    numbers = (_NUMBER.match(cell.strip().encode(errors="replace")) for cell in value if isinstance(cell, str))
    return len(value) > LONGEST_ERROR or any(numbers) or any(not isinstance(cell, str | dict) for cell in value)


def _is_page(body: bytes) -> bool:
    """Whether it is HTML or XML, or a part of such a page; a header may begin with a bracket, too: <DATE>."""
    element = _ELEMENT.match(body)
    return bool(_PAGE.match(body)) or (element is not None and b"</" + element[1] in body[:LOOKED_AT])


def _has_rows(body: bytes) -> bool:
    """Whether at least half of the lines below the first look like rows: a cell with a number, or cells at all.

    Words between blanks are cells where most of them are numbers, or half of them in a long file.
    """
    lines = [line for line in body[:LOOKED_AT].splitlines()[: LINES_LOOKED_AT + 1] if line.strip()]
    if len(lines) < 2:
        return len(body) > LOOKED_AT  # one long line: explained where it is parsed
    separators = {each: lines[0].count(each) for each in _SEPARATORS}
    least = 0.5 if len(lines) > LONGEST_ERROR else 0.51
    rows = sum(
        bool(_CELL.search(line))
        or any(count and line.count(each) == count for each, count in separators.items())
        or _share_of_numbers(line.split()) >= least
        for line in lines[1:]
    )
    return 2 * rows >= len(lines) - 1


def _share_of_numbers(words: list[bytes]) -> float:
    return sum(1 for word in words if _NUMBER.match(word)) / len(words)


def _is_announced(headers: Mapping[str, str]) -> bool:
    """Whether the length of the body is known, so that a truncated one is noticed: by a header, or a last chunk."""
    names = {name.lower(): value.lower() for name, value in headers.items()}
    return "content-length" in names or "content-range" in names or "chunked" in names.get("transfer-encoding", "")


def _not_data(source: str, what: str, body: bytes) -> NotDataError:
    return NotDataError(
        "not-data",
        f"{source} answered with {what} in place of a recording: {body[:SHOWN].decode(errors='replace')!r}. It is "
        "requested again; open its address in a browser to see what it is.",
    )
