"""Memory is bounded whatever is sent (promise 7): resident memory of a real server under one attack after the other."""

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.label_config import LONGEST_CONFIG
from tests.hostile.server import MIB, Peak, Server, run_server
from tests.hostile.store import VALUES, label_config, publish
from tests.shared.web_server import Asked, Web, answer, serve

BODY_MB = 64  # MAX_BODY_MB's default
SERIES_MB = 64
MOST = 450.0  # MiB above what a server takes when idle, for any one attack: 7 times the largest body or recording


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


def script(asked: Asked) -> bytes:
    name = asked.path.removeprefix("/").replace("%20", " ")
    if name == "bomb":
        return answer(BOMB, Content_Encoding="gzip")
    return answer(SERIES[name]())


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serve(script) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("store")
    publish(folder, 3)
    settings = {"DATA_HOSTS_ALLOWED": "127.0.0.1", "MAX_SERIES_MB": str(SERIES_MB), "LOG_LEVEL": "error"}
    with run_server(folder, **settings) as running:
        yield running


def check_alive(server: Server) -> None:
    """The good model answers as ever."""
    batch = {
        "project": "3",
        "label_config": label_config(),
        "tasks": [{"id": 1, "data": {"csv_url": {"value": VALUES}}}],
    }
    status, found = server.json("POST", "/predict", batch)
    assert status == 200
    assert len(found["results"][0]["result"]) == 1


@pytest.mark.parametrize("name", BODIES)
def test_a_body_never_costs_more_than_the_bound(server: Server, name: str) -> None:
    path, make, expected = BODIES[name]
    body = make()
    with Peak(server) as memory:
        status, found = server.ask("POST", path, body)
    print(f"{name}: {len(body) / MIB:.1f} MiB, answered {status}, {memory.before:.0f} + {memory.grown:.0f} MiB")
    assert status == expected, found[:300]
    assert isinstance(json.loads(found), dict)
    assert memory.grown < MOST
    check_alive(server)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_answered_before_it_is_whole(server: Server, chunked: bool) -> None:
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {BODY_MB * MIB + 1}"
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    with Peak(server) as memory, socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(f"POST /predict HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
        for _ in range(BODY_MB + 1 if chunked else 0):
            connection.sendall(chunk)
        found = connection.recv(4096)
    print(f"a body beyond the limit: {memory.before:.0f} + {memory.grown:.0f} MiB")
    assert found.startswith(b"HTTP/1.1 413"), found
    assert memory.grown < MOST
    check_alive(server)


@pytest.mark.parametrize("name", [*SERIES, "bomb"])
def test_a_recording_never_costs_more_than_the_bound(server: Server, web: Web, name: str) -> None:
    tasks: list[Any] = [{"id": 1, "data": {"csv_url": f"{web.url}/{name}".replace(" ", "%20")}}]
    with Peak(server) as memory:
        status, found = server.json(
            "POST", "/predict", {"project": "3", "label_config": label_config("url"), "tasks": tasks}
        )
    print(f"{name}: {memory.before:.0f} + {memory.grown:.0f} MiB, {str(found)[:120]}")
    assert status == 200
    assert len(found["results"]) == 1
    assert memory.grown < MOST
    check_alive(server)


def test_large_recordings_are_held_one_at_a_time(server: Server, web: Web) -> None:
    name = "more rows than are held twice"
    url = f"{web.url}/{name}".replace(" ", "%20")
    tasks = [{"id": number, "data": {"csv_url": f"{url}?{number}"}} for number in range(8)]
    batch = {"project": "3", "label_config": label_config("url"), "tasks": tasks}
    with Peak(server) as memory:
        status, found = server.json("POST", "/predict", batch)
    print(f"8 recordings of {len(SERIES[name]()) / MIB:.0f} MiB: + {memory.grown:.0f} MiB")
    assert status == 200
    assert all(each["model_version"] for each in found["results"])
    assert memory.grown < MOST


def test_memory_comes_back_after_all_that(server: Server) -> None:
    check_alive(server)
    print(f"after all attacks: {server.rss:.0f} MiB")
    assert server.rss < 2 * MOST
