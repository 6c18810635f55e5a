"""Memory is bounded whatever is sent (promise 7): resident memory of a real server under one attack after the other."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.promises.hostile.costly import BODIES, BODY_MB, SERIES, SERIES_MB, script
from tests.promises.hostile.memory_peak import Peak
from tests.promises.hostile.messages import VALUES, label_config
from tests.support.server import MIB, Server, run_server
from tests.support.store import publish_model
from tests.support.waiting import NEVER_SECONDS
from tests.support.web_server import Web, serve

pytestmark = pytest.mark.slow

MOST = 450.0  # MiB above what a server takes when idle, for any one attack: 7 times the largest body or recording


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serve(script) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("store")
    publish_model(folder, 3)
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
    with (
        Peak(server) as memory,
        socket.create_connection(("127.0.0.1", server.port), timeout=NEVER_SECONDS) as connection,
    ):
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
    assert len(found["results"]) == 8
    assert any(found["results"])  # on a slow machine the last ones may find their time used up
    assert memory.grown < MOST


def test_memory_comes_back_after_all_that(server: Server) -> None:
    check_alive(server)
    print(f"after all attacks: {server.rss:.0f} MiB")
    assert server.rss < 2 * MOST
