"""Bodies and recordings that are small, or allowed in size, and costly if they are read carelessly."""

import gzip
import json
from collections.abc import Callable, Iterator

from shared.labelling.label_config import LONGEST_CONFIG
from tests.support.server import MIB
from tests.support.web_server import Answer, Asked, answer

BODY_MB = 64  # MAX_BODY_MB's default
SERIES_MB = 64


def filled(head: str, unit: str, tail: str, size: int = BODY_MB * MIB) -> bytes:
    """`unit` over and over between head and tail."""
    return (head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail).encode()


def inline(value: str) -> str:
    """A batch of one task with a recording in it."""
    return f'{{"project":"3","tasks":[{{"id":1,"data":{{"csv_url":{value}}}}}]}}'


def config(xml: str) -> bytes:
    return json.dumps({"config": xml}).encode()


NEST = LONGEST_CONFIG // 8
BODIES: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "an event of empty lists": ("/webhook", lambda: filled('{"action":"X","a":[', "[],", "0]}"), 400),
    "an event of empty objects": ("/webhook", lambda: filled('{"action":"X","a":[', "{},", "0]}"), 400),
    "an event as deep as it goes": ("/webhook", lambda: filled('{"action":"X","a":', "[", ""), 400),
    "an event of 10^5 levels": ("/webhook", lambda: filled('{"action":"X","a":', "[", "", 10**5), 400),
    "an event of 10^6 annotations": (
        "/webhook",
        lambda: filled('{"action":"ANNOTATIONS_CREATED","annotations":[', "{},", "0]}", 3 * 10**6),
        201,
    ),
    "a batch of millions of tasks": ("/predict", lambda: filled('{"tasks":[', "0,", "0]}", 4 * MIB), 400),
    "a batch of 32,000 tasks": ("/predict", lambda: filled('{"tasks":[', "0,", "0]}", 64_000), 200),
    "a batch that breaks off": ("/predict", lambda: filled('{"project":"3","tasks":[', "[],", ""), 400),
    "a batch with half a character": (
        "/predict",
        lambda: filled('{"x":"\\ud800","tasks":[],"y":[', "[],", "0]}", 3 * MIB),
        200,
    ),
    "a recording of lists in a batch": (
        "/predict",
        lambda: inline('{"value":[' + "[]," * 2 * 10**7 + "0]}").encode(),
        400,
    ),
    "a recording of 10^6 numbers in a batch": (
        "/predict",
        lambda: inline('{"value":[' + "0.5," * 10**6 + "0]}").encode(),
        200,
    ),
    "a schema of tags": ("/setup", lambda: filled('{"project":"3","schema":"', "<a/>", '"}'), 400),
    "a configuration of tags": ("/validate", lambda: filled('{"config":"<View>', "<a/>", '</View>"}'), 200),
    "a configuration of nested tags": ("/validate", lambda: config("<a>" * NEST + "</a>" * NEST), 200),
    "a configuration of labels": ("/validate", lambda: config("<a>" + "<Label value='x'/>" * 58_000 + "</a>"), 200),
    "a billion laughs": ("/validate", lambda: config(laughs()), 200),
}


def laughs() -> str:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    return f'<!DOCTYPE View [<!ENTITY l0 "ha">{entities}]><View>&l11;</View>'


def columns(count: int) -> bytes:
    names = b",".join(b"c%d" % index for index in range(count))
    return names + b"\n" + b"1," * (count - 1) + b"1\n"


SERIES: dict[str, Callable[[], bytes]] = {
    "one line": lambda: b"1" * (SERIES_MB * MIB),
    "one line of cells": lambda: b"1," * (SERIES_MB * MIB // 2),
    "a million columns": lambda: columns(10**6),
    "20,000 columns": lambda: columns(20_000),
    "a row in two bytes": lambda: b"value\n" + b"1\n" * (SERIES_MB * MIB // 2 - 3),
    "as many rows as go in": lambda: b"value\n" + b"1\n" * (SERIES_MB * MIB // 8 - 8),
    "more rows than are held twice": lambda: b"value\n" + b"0.00001\n" * 5_000_000,
    "more segments than anybody can look through": lambda: b"value\n" + b"9\n9\n9\n9\n0\n0\n0\n0\n" * (10**6),
    "NUL": lambda: b"value\n" + b"\0" * (SERIES_MB * MIB - 6),
    "blank lines": lambda: b"value\n" + b"\n" * (SERIES_MB * MIB - 6),
    "blanks": lambda: b"value\n" + b" " * (SERIES_MB * MIB - 6),
    "quotes": lambda: b"value\n" + b'"\n' * (SERIES_MB * MIB // 2 - 3),
    "words": lambda: b"value\n" + b"x\n" * 10**6,
    "UTF-16": lambda: ("value\n" + "1\n" * 10**6).encode("utf-16"),
    "JSON of lists": lambda: filled('{"value":[', "[],", "0]}", SERIES_MB * MIB),
    "JSON of names": lambda: b"{" + b",".join(b'"%d":0' % index for index in range(2 * 10**6)) + b"}",
    "JSON of numbers": lambda: b'{"value":[' + b"0.5," * (4 * 10**6) + b"0]}",
    "deep JSON": lambda: filled('{"value":', "[", "", SERIES_MB * MIB),
    "random bytes": lambda: bytes(range(256)) * (SERIES_MB * MIB // 256),
}
BOMB = gzip.compress(b"\0" * 2**28)  # 256 KiB that unpack to 256 MiB


def large(mib: int, unit: bytes, head: bytes = b"") -> Iterator[bytes]:
    """An answer whose body is `unit` over and over, made as it is sent; `head` stands in its first bytes."""
    piece = unit * (MIB // len(unit))
    yield f"HTTP/1.1 200 OK\r\nContent-Length: {mib * MIB}\r\nConnection: close\r\n\r\n".encode()
    yield head + piece[len(head) :]
    for _ in range(mib - 1):
        yield piece


def script(asked: Asked) -> Answer:
    """What a server that holds them answers: by name, and two that are too large to be held here."""
    name = asked.path.removeprefix("/").replace("%20", " ")
    if name == "1023 MiB of one line":
        return large(1023, b"1")
    if name == "255 MiB of rows":
        return large(255, b"0.12345\n", b"value\n1\n")
    if name == "bomb":
        return answer(BOMB, Content_Encoding="gzip")
    return answer(SERIES[name]())
