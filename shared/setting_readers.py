"""How values of settings are read, and the descriptions of what is allowed."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Read = Callable[[str], Any]


class Reader(NamedTuple):
    """A description of the allowed values, and a parser that raises ValueError or KeyError on any other."""

    allowed: str
    read: Read


def integer(least: int, most: int) -> Reader:
    """Read a whole number from `least` to `most`."""

    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return Reader(f"a whole number from {least} to {most}", read)


def number(least: float, most: float) -> Reader:
    """Read a number from `least` to `most`."""

    def read(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return Reader(f"a number from {least:g} to {most:g}", read)


def one_of(*choices: str) -> Reader:
    """Read one of `words`, in any case."""

    def read(text: str) -> str:
        value = text.lower()
        if value not in choices:
            raise ValueError
        return value

    return Reader("one of " + ", ".join(choices), read)


def _read_flag(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}[
        text.lower()
    ]


def _read_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError
    _ = parts.port
    return text.rstrip("/")


def _read_secret_path(text: str) -> str:
    if text and not (len(text) >= 16 and all(c.isalnum() or c in "-_" for c in text)):
        raise ValueError
    return text


def _read_hosts(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


FLAG = Reader("true or false", _read_flag)
URL = Reader("an http:// or https:// address with a host", _read_url)
OPTIONAL_URL = Reader("an http:// or https:// address with a host", lambda text: _read_url(text) if text else text)
TEXT = Reader("any text", str)
HOSTS = Reader("host names, addresses or networks such as 10.0.0.0/8, separated by commas", _read_hosts)
HOST_NAMES = Reader("host names separated by commas", _read_hosts)
SECRET_PATH = Reader("at least 16 letters, digits, - or _ (it becomes part of a URL)", _read_secret_path)
