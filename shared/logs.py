"""Log lines: text on a terminal, otherwise one JSON object a line. Known secrets are replaced by ***."""

import json
import logging
import sys
import time
from collections.abc import Iterable
from typing import TextIO

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


class Redaction(logging.Filter):
    """Replace each known secret in a record's message and fields."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= 6]

    def add(self, secret: str) -> None:
        """Replace this secret, too, from now on. Shorter than 6 characters it would match ordinary text."""
        if len(secret) >= 6 and secret not in self._secrets:
            self._secrets.append(secret)

    def redact(self, text: str) -> str:
        """The text with *** in place of each secret."""
        for secret in self._secrets:
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
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = self._redaction.redact(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


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
        line = f"{clock} {level}{record.getMessage()}" + (f"  [{fields}]" if fields else "")
        if record.exc_info:
            line += "\n" + self._redaction.redact(self.formatException(record.exc_info))
        return line


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


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
