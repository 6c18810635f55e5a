"""Log lines: text on a terminal, otherwise one JSON object a line. Known secrets are replaced by ***.

What a line quotes may come from strangers: lines are cut, and in text no control character is written as it is, so that
nobody forges a second line or drives a terminal.
"""

import json
import logging
import re
import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import TextIO

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


LONGEST_LINE = 8000  # characters, and bytes, as lines are ASCII or escaped
LONGEST_FIELD = 500  # of a field beside the message
LEAST_SECRET = 6  # characters; shorter ones match ordinary text
LONGEST_SECRET = 4096
MOST_ADDED = 16
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Redaction(logging.Filter):
    """Replace each known secret in a record's message and fields."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= LEAST_SECRET]
        self._added: deque[str] = deque(maxlen=MOST_ADDED)

    def add(self, secret: str) -> None:
        """Replace this secret, too, from now on; beyond MOST_ADDED the oldest added one is given up.

        For tokens that are in use only: whatever strangers send would blind the log to words of their choice.
        """
        if LEAST_SECRET <= len(secret) <= LONGEST_SECRET and secret not in (*self._secrets, *self._added):
            self._added.append(secret)

    def redact(self, text: str) -> str:
        """The text with *** in place of each secret."""
        for secret in (*self._secrets, *self._added):
            text = text.replace(secret, "***")
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; every record passes."""
        record.msg = self.redact(record.getMessage())
        record.args = None
        for key, value in record.__dict__.items():
            if key not in _STANDARD and isinstance(value, str):
                record.__dict__[key] = self.redact(value)
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the fields of `extra`."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = self._redaction.redact(self.formatException(record.exc_info))
        text = json.dumps(line, default=str)
        share = LONGEST_LINE // 2
        while len(text) > LONGEST_LINE and share > 1:  # a character takes up to 12 when it is escaped
            text = json.dumps({key: _shortened(value, share) for key, value in line.items()}, default=str)
            share //= 2
        return text


class TextLines(logging.Formatter):
    """Time, level, message and fields, for people."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, followed by the traceback if there is one."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        fields = " ".join(f"{key}={value}" for key, value in _extra(record).items())
        line = _cut(escaped(f"{clock} {level}{record.getMessage()}"), LONGEST_LINE // 2)
        line += f"  [{_cut(escaped(fields), LONGEST_LINE // 8)}]" if fields else ""
        if record.exc_info:
            trace = self._redaction.redact(self.formatException(record.exc_info))
            lines = [f"  | {escaped(each)}" for each in trace.split("\n")]
            line += "\n" + _cut_middle("\n".join(lines), LONGEST_LINE // 4)
        return line


def escaped(text: str) -> str:
    """Text on one line: control characters, line ends and marks of direction as escapes."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _shortened(value: object, most: int) -> object:
    text = value if isinstance(value, str) else str(value)
    return value if len(text) <= most else _cut_middle(text, most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _cut_middle(text: str, most: int) -> str:
    """Beginning and end: those of a traceback say most."""
    return text if len(text) <= most else f"{text[: most // 3]} … {text[-most // 2 :]}"


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: _shortened(value, LONGEST_FIELD) for key, value in record.__dict__.items() if key not in _STANDARD}


def start_logging(level: str, form: str, secrets: Iterable[str], stream: TextIO | None = None) -> Redaction:
    """Send all log lines to `stream` (default: stderr) and return the redaction, which takes later secrets."""
    stream = sys.stderr if stream is None else stream
    redaction = Redaction(secrets)
    handler = logging.StreamHandler(stream)
    as_text = form == "text" or (form == "auto" and stream.isatty())
    handler.setFormatter(TextLines(redaction) if as_text else JsonLines(redaction))
    handler.addFilter(redaction)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("urllib3", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return redaction
