"""Times as d3 writes and reads them, in UTC: milliseconds since 1970 ◄► text in a format such as `%Y-%m-%d %H:%M:%S`.

The page that draws time series reads and writes its times with d3, whose formats are neither C's nor Python's. Reading
works on all rows at once: a cursor (one number while all rows stand at the same character) walks over columns of bytes.
Source: https://d3js.org/d3-time-format; fractions of a second as Label Studio's page prepares them (`TimeSeries.jsx`).
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.digits import read_digits

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
PADS = {"-": "", "_": " ", "0": "0"}
COMPOUND = {"c": "%x, %X", "x": "%-m/%-d/%Y", "X": "%-I:%M:%S %p"}  # d3's default locale, en-US
# Most characters that d3 reads of a number; it has no limit for its two counts since 1970.
DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "e": 2, "j": 3, "H": 2, "I": 2, "M": 2, "S": 2, "L": 3, "f": 6, "q": 1,
          "u": 1, "w": 1, "Q": 18, "s": 18}  # fmt: skip
WORDS = {"B": MONTHS, "b": tuple(name[:3] for name in MONTHS), "A": DAYS, "a": tuple(name[:3] for name in DAYS),
         "p": ("AM", "PM")}  # fmt: skip
LONGEST_TEXT = 80  # bytes of the longest time plus one; longer texts match no format
DAY = 86_400_000  # ms
LAST = 8.64e15  # ms: the latest time of a JavaScript Date
EPOCH = date(1970, 1, 1)

Numbers = NDArray[np.int64]


class Directive(NamedTuple):
    """A directive (`letter`, with its pad) or one literal character (`letter` empty)."""

    letter: str
    pad: str
    literal: str

    @property
    def width(self) -> int:
        """Maximum length of its text in bytes."""
        words = max(map(len, WORDS.get(self.letter, ("±hh:mm",))))
        return DIGITS.get(self.letter, words) if self.letter else len(self.literal.encode())

    @property
    def has_digits(self) -> bool:
        """Whether the text of this piece may start with a digit."""
        return self.letter in DIGITS or read_digits(self.literal) is not None


@lru_cache(maxsize=256)
def split_format(time_format: str) -> tuple[Directive, ...]:
    """The pieces of a format. Raises ValueError, as a clause, on a directive that d3 does not know or cannot read."""
    pieces: list[Directive] = []
    characters = iter(time_format)
    for character in characters:
        if character != "%":
            pieces.append(Directive("", "", character))
            continue
        letter = next(characters, "")
        pad = " " if letter == "e" else "0"
        if letter in PADS:
            pad, letter = PADS[letter], next(characters, "")
        if letter == "%":
            pieces.append(Directive("", "", "%"))
        elif letter in COMPOUND:
            pieces.extend(split_format(COMPOUND[letter]))
        elif letter in DIGITS or letter in WORDS or letter == "Z":
            pieces.append(Directive(letter, pad, ""))
        else:
            known = " ".join(f"%{each}" for each in sorted([*DIGITS, *WORDS, *COMPOUND, "Z"], key=str.lower))
            raise ValueError(f"%{letter} is none of d3's directives that can be read: {known}")
    if not any(piece.letter for piece in pieces):
        raise ValueError("it holds no directive such as %Y")
    if sum(piece.width for piece in pieces) >= LONGEST_TEXT:
        raise ValueError(f"its times may have {LONGEST_TEXT} characters or more")
    return tuple(pieces)


@lru_cache(maxsize=256)
def reads_back(time_format: str) -> bool:
    """Whether parsing a formatted time returns the same time; not with `%I` without `%p`, nor with `%-d%-m`."""
    pieces = split_format(time_format)
    letters = {piece.letter for piece in pieces}
    bare = any(before.letter and not before.pad and after.has_digits for before, after in pairwise(pieces))
    month = letters & set("mbB")
    lost = {
        "I": "p" not in letters,
        "j": bool(month or letters & set("de")) or not letters & set("Yy"),
        "q": not month,
    }
    return not bare and not any(lost[letter] for letter in letters & set(lost))


def parse_times(texts: Sequence[str] | NDArray[np.bytes_], time_format: str) -> NDArray[np.float64]:
    """Milliseconds since 1970 of each text, as d3's `utcParse` reads it; NaN where it does not match the format.

    A fraction of a second after a dot may have 1 to 9 digits and is cut to milliseconds, as the page does. Fields may
    overflow, as in JavaScript (30 February is 1 March, or 2).
    """
    cells = texts if isinstance(texts, np.ndarray) else _encode(texts)
    if not cells.size:
        return np.zeros(0)
    cursor = _Cursor(cells)
    fields: dict[str, Numbers] = {}
    pieces = split_format(time_format)
    for index, piece in enumerate(pieces):
        point = index > 0 and pieces[index - 1].literal == "."
        ends = index + 1 == len(pieces) or not pieces[index + 1].has_digits
        if piece.letter in ("L", "f") and piece.pad == "0" and point and ends:
            fields["L"] = cursor.fraction()
        else:
            _read(piece, cursor, fields)
    times = _compose(fields, len(cells))
    times[~cursor.at_end() | ~(np.abs(times) <= LAST)] = np.nan
    return times


def format_time(time: float, time_format: str) -> str:
    """Text of a time [ms since 1970] as d3's `utcFormat` writes it. Raises OverflowError outside years 1…9999."""
    days, rest = divmod(int(time), DAY)
    seconds, millisecond = divmod(rest, 1000)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    day = EPOCH + timedelta(days)
    numbers = {
        "Y": day.year, "y": day.year % 100, "m": day.month, "d": day.day, "e": day.day, "H": hour, "I": hour % 12 or 12,
        "j": day.timetuple().tm_yday, "M": minute, "S": second, "L": millisecond, "q": (day.month + 2) // 3,
        "u": day.isoweekday(), "w": day.isoweekday() % 7, "Q": int(time), "s": int(time) // 1000,
    }  # fmt: skip
    words = {"B": day.month - 1, "b": day.month - 1, "A": numbers["w"], "a": numbers["w"], "p": hour // 12}
    parts: list[str] = []
    for letter, pad, literal in split_format(time_format):
        if letter in words:
            parts.append(WORDS[letter][words[letter]])
        elif letter == "Z":
            parts.append("+0000")
        elif letter == "f":
            parts.append(_pad(millisecond, pad, 3) + "000")
        elif letter in ("Q", "s", "q", "u", "w"):
            parts.append(str(numbers[letter]))
        else:
            parts.append(_pad(numbers[letter], pad, DIGITS[letter]) if letter else literal)
    return "".join(parts)


def _pad(number: int, pad: str, width: int) -> str:
    return str(number).rjust(width, pad) if pad else str(number)


def _encode(texts: Sequence[str]) -> NDArray[np.bytes_]:
    if max(map(len, texts), default=0) <= LONGEST_TEXT:
        with suppress(UnicodeEncodeError):
            return np.array(texts, dtype=np.bytes_)
    return np.array([text[:LONGEST_TEXT].encode(errors="replace")[:LONGEST_TEXT] for text in texts], dtype=np.bytes_)


class _Cursor:
    """All texts as columns of bytes, the read position in each, and which did not match so far (`wrong`)."""

    def __init__(self, cells: NDArray[np.bytes_]) -> None:
        self.lengths = np.char.str_len(cells)
        self.rows, self.width = len(cells), int(self.lengths.max())  # cells of a file are wider than what is in them
        self.columns = np.zeros((self.width + 1, self.rows), np.uint8)  # a row of zeros behind the end
        characters = np.ascontiguousarray(cells).view(np.uint8).reshape(self.rows, cells.dtype.itemsize)
        self.columns[:-1] = characters[:, : self.width].T
        self.wrong = self.lengths >= LONGEST_TEXT
        self.place: int | Numbers = 0
        self._each = np.arange(self.rows)

    def peek(self, offset: int) -> NDArray[np.uint8]:
        """The byte `offset` positions ahead in each text; 0 beyond its end."""
        if isinstance(self.place, int):
            return self.columns[min(self.place + offset, self.width), :]
        found: NDArray[np.uint8] = self.columns[np.minimum(self.place + offset, self.width), self._each]
        return found

    def advance(self, steps: Numbers) -> None:
        """Advance the position; texts that did not match move along, so that it stays one number if possible."""
        first = int(steps[np.argmin(self.wrong)])
        if (self.wrong | (steps == first)).all():
            self.place = self.place + first
        else:
            self.place = self.place + steps

    def at_end(self) -> NDArray[np.bool_]:
        """Which texts matched and were read to their end."""
        finished: NDArray[np.bool_] = ~self.wrong & (self.lengths == self.place)
        return finished

    def literal(self, character: str) -> None:
        """Read exactly this character."""
        for byte in character.encode():
            self.wrong |= self.peek(0) != byte
            self.place = self.place + 1

    def number(self, width: int) -> Numbers:
        """Read at most `width` characters: white space, then digits."""
        value: Numbers = np.zeros(self.rows, np.int64)
        steps: Numbers = np.zeros(self.rows, np.int64)
        seen: NDArray[np.bool_] = np.zeros(self.rows, bool)
        reading: NDArray[np.bool_] = np.ones(self.rows, bool)
        for offset in range(width):
            digits = self.peek(offset) - np.uint8(48)  # wraps: all else is above 9
            digit = digits < 10
            if digit.all() and reading.all():
                value, seen = value * 10 + digits, digit
            else:
                space = ~seen & np.isin(digits, (240, 217, 218, 219, 220, 221))  # blank, tab and line ends, less 48
                reading &= digit | space
                if not reading.any():
                    break
                value = np.where(reading & digit, value * 10 + digits, value)
                seen |= reading & digit
            steps += reading
        self.wrong |= ~seen
        self.advance(steps)
        return value

    def fraction(self) -> Numbers:
        """Read 1 to 9 digits behind a decimal point, as milliseconds."""
        value, reading, steps = np.zeros(self.rows, np.int64), np.ones(self.rows, bool), np.zeros(self.rows, np.int64)
        for offset in range(9):
            digits = self.peek(offset) - np.uint8(48)
            reading &= digits < 10
            if not reading.any():
                break
            if offset < 3:
                value += np.where(reading, digits, 0) * np.int64(10 ** (2 - offset))
            steps += reading
        self.wrong |= steps == 0
        self.advance(steps)
        return value

    def word(self, words: Sequence[str]) -> Numbers:
        """Read one of `words`, in any case; its index."""
        found, steps = np.zeros(self.rows, np.int64), np.zeros(self.rows, np.int64)
        for index, word in enumerate(words):
            hit = np.ones(self.rows, bool)
            for offset, letter in enumerate(word.lower().encode()):
                hit &= self.peek(offset) | 0x20 == letter
                if not hit.any():
                    break
            found[hit], steps[hit] = index, len(word)
        self.wrong |= steps == 0
        self.advance(steps)
        return found

    def zone(self) -> tuple[Numbers, Numbers]:
        """Read Z, ±hh, ±hhmm or ±hh:mm; hours and minutes to add."""
        first = self.peek(0)
        utc, minus = first == ord("Z"), first == ord("-")
        hours = self.peek(1) - np.uint8(48), self.peek(2) - np.uint8(48)
        signed = (minus | (first == ord("+"))) & (hours[0] < 10) & (hours[1] < 10)
        colon = (self.peek(3) == ord(":")).astype(np.int64)
        tens, ones = (np.where(colon, self.peek(4 + k), self.peek(3 + k)) - np.uint8(48) for k in (0, 1))
        minutes = signed & (tens < 10) & (ones < 10)
        self.wrong |= ~(utc | signed)
        self.advance(np.where(utc, 1, 3 + minutes * (2 + colon)))
        sign = np.where(minus, 1, -1) * signed
        return sign * (hours[0] * np.int64(10) + hours[1]), sign * minutes * (tens * np.int64(10) + ones)


def _read(piece: Directive, cursor: _Cursor, fields: dict[str, Numbers]) -> None:
    """Read one piece of a format into `fields` (named as d3's own: y m d H M S L p q Q s and the zone's two)."""
    letter = piece.letter
    if not letter:
        cursor.literal(piece.literal)
    elif letter == "Z":
        fields["ZH"], fields["ZM"] = cursor.zone()
    elif letter in WORDS:
        fields[{"B": "m", "b": "m"}.get(letter, letter)] = cursor.word(WORDS[letter])
    else:
        number = cursor.number(DIGITS[letter])
        if letter == "y":
            fields["y"] = number + np.where(number > 68, 1900, 2000)
        elif letter == "j":
            fields["m"], fields["d"] = np.zeros_like(number), number
        elif letter == "f":
            fields["L"] = number // 1000
        else:
            fields[{"Y": "y", "e": "d", "I": "H"}.get(letter, letter)] = number - 1 if letter == "m" else number


def _compose(fields: dict[str, Numbers], rows: int) -> NDArray[np.float64]:
    """Times [ms since 1970] of fields; a field that was not read is that of 1 January 1900, 00:00."""

    def field(name: str, otherwise: int = 0) -> Numbers:
        return fields[name] if name in fields else np.full(rows, otherwise, np.int64)

    if "Q" in fields:
        return fields["Q"].astype(np.float64)
    if "s" in fields:
        return (fields["s"] * 1000 + field("L")).astype(np.float64)
    hours = field("H") % 12 + field("p") * 12 if "p" in fields else field("H")
    month = fields["m"] if "m" in fields else field("q", 1) * 3 - 3
    months = ((field("y", 1900) - 1970) * 12 + month).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + field("d", 1) - 1
    seconds = (hours + field("ZH")) * 3600 + (field("M") + field("ZM")) * 60 + field("S")
    return (days * DAY + seconds * 1000 + field("L")).astype(np.float64)
