"""Fuzzed requests against a real server: every one gets a 2xx or 4xx with a sentence, memory stays flat.

python -m tests.promises.hostile requests 100000
"""

import json
import os
import random
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from inference.web.openapi import document
from tests.promises.hostile.inputs import Request, batches, mangled, odd_requests, others, raw_requests
from tests.support.server import Server
from tests.support.store import VERSION
from tests.support.waiting import NEVER_SECONDS
from tests.support.web_server import Answer, Asked, Script, answer

POSTS = [
    "/predict",
    "/setup",
    "/webhook",
    "/train",
    "/job_status",
    "/validate",
    "/versions",
    "/delete",
    "/duplicate_model",
]
CHUNK = 50  # examples that hypothesis draws before it is restarted: it remembers all that it drew
ROUTES = 0.25  # share of the requests that schemathesis draws from the described API
MANGLED = 2  # damaged copies sent after each request


@dataclass
class Counts:
    """What came of a storm."""

    sent: Counter[str] = field(default_factory=Counter)  # by where they come from
    statuses: Counter[int] = field(default_factory=Counter)
    results: int = 0  # of batches, one a task
    passing: int = 0  # tasks with a temporary error, answered []
    sane: int = 0  # tasks that nothing is wrong with, answered with their region
    problems: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MiB resident, each thousand requests

    @property
    def requests(self) -> int:
        return self.sent.total()


def recordings(served: dict[str, bytes]) -> Script:
    """What the web server of the tasks answers: recordings by path, and temporary errors."""

    def script(asked: Asked) -> Answer:
        path = asked.path
        if path in served:
            return answer(served[path])
        if path in ("/500", "/503", "/404"):
            return answer(b"later", int(path[1:]))
        if path == "/half":
            return (answer(b"value\n1\n2\n", Content_Length="1000"),)
        if path == "/loop":
            return answer(status=302, Location="/loop")
        return () if path == "/drop" else answer()

    return script


def storm(server: Server, url: str, served: dict[str, bytes], total: int, start: int = 0) -> Counts:
    """Send `total` requests and look at each answer. `served` is what the web server at `url` gives."""
    counts = Counts()
    counts.memory.append(server.rss)
    described = schemathesis.openapi.from_dict(document())
    operations = [each.ok() for each in described.get_all_operations() if isinstance(each, Ok)]
    for number in range(start, start + 10**9):
        if counts.requests >= total or not server.alive:
            break
        if random.Random(number).random() < ROUTES:
            operation = operations[number % len(operations)]
            _each(operation.as_strategy().map(_as_request), CHUNK, number, server, counts, "described API")
            continue
        served.clear()
        match number % 8:
            case 0:
                _each(odd_requests(), CHUNK, number, server, counts, "odd ids and headers")
            case 1:
                _each_raw(CHUNK, number, server, counts)
            case 2 | 3:
                _each(others(POSTS), CHUNK, number, server, counts, "any JSON, any route")
            case _:
                _each(batches(url, served), CHUNK, number, server, counts, "batches")
    counts.memory.append(server.rss)
    return counts


def examples(count: int) -> settings:
    """So many new examples, each sent once."""
    return settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def _each(
    drawn: st.SearchStrategy[Request], count: int, number: int, server: Server, counts: Counts, kind: str
) -> None:
    chance = random.Random(number)

    @seed(number)
    @examples(count)
    @given(drawn)
    def send(request: Request) -> None:
        look(server, request, counts, kind)
        for _ in range(MANGLED if request.body else 0):
            look(server, mangled(request, chance), counts, "damaged bytes")

    send()


def _each_raw(count: int, number: int, server: Server, counts: Counts) -> None:
    @seed(number)
    @examples(count)
    @given(raw_requests())
    def send(sent: bytes) -> None:
        counts.sent["odd framing"] += 1
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=NEVER_SECONDS) as connection:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                found = connection.recv(65536)
        except ConnectionError:  # closed while the rest was sent
            return
        if found:
            counts.statuses[int(found[9:12])] += 1
        if found and not found.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")):
            counts.problems.append(f"answered {found[:200]!r} to {sent[:300]!r}")

    send()


def plant(folder: Path) -> None:
    """Records of project 3's neighbours that block, lead away or never end."""
    for place in ("projects/5.json", "runs/6/active", "runs/7/ended/00000001.json", "model_project_8.onnx"):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
    (folder / "projects" / "9.json").symlink_to("/dev/zero")


def look(server: Server, request: Request, counts: Counts, kind: str) -> None:
    """Send one request and compare its answer with what is promised."""
    counts.sent[kind] += 1
    if counts.requests % 1000 == 0:
        counts.memory.append(server.rss)
    try:
        status, body = server.ask(request.method, request.path, request.body, request.headers)
    except OSError as error:
        counts.problems.append(f"no answer: {error} to {request.path} {(request.body or b'')[:300]!r}")
        return
    counts.statuses[status] += 1
    counts.problems += [
        f"{why}: {request.path} {(request.body or b'')!r}"[:2000] for why in wrong(request, status, body, counts)
    ]


def wrong(request: Request, status: int, body: bytes, counts: Counts) -> Iterator[str]:
    """What is not as promised in an answer."""
    if status == 303 and request.path.startswith("/ui"):  # a button: back to the page
        return
    if not (200 <= status < 300 or 400 <= status < 500):
        yield f"answered {status} {body[:300]!r}"
        return
    try:
        found: Any = json.loads(body)
    except ValueError:
        if not request.path.startswith(("/metrics", "/ui")):
            yield f"answered no JSON, {body[:100]!r}"
        return
    if status >= 400:
        sentence = found.get("error") if isinstance(found, dict) else None
        if not isinstance(sentence, str) or len(sentence) < 8:
            yield f"answered {status} without a sentence, {body[:100]!r}"
        if request.tasks >= 0:
            yield f"a well-formed batch was answered {status} {body[:300]!r}"
        return
    if request.tasks < 0:
        return
    results = found["results"]
    counts.results += len(results)
    if len(results) != request.tasks:
        yield f"{len(results)} results for {request.tasks} tasks"
        return
    for each in results:
        if each != [] and not (isinstance(each.get("result"), list) and each.get("model_version") == VERSION):
            yield f"a result is {str(each)[:200]}"
    if request.passing >= 0:
        counts.passing += results[request.passing] == []
        if results[request.passing] != []:
            yield f"a temporary error was stored as {str(results[request.passing])[:200]}"
    if request.sane >= 0:
        good = results[request.sane] != [] and len(results[request.sane]["result"]) == 1
        counts.sane += good
        if not good:
            yield f"the sane task was answered {str(results[request.sane])[:200]}"


def _as_request(case: Any) -> Request:
    """A case of schemathesis."""
    body = (
        None
        if case.method == "GET" or not isinstance(case.body, dict | list | str | int | float | bool | None)
        else case.body
    )
    query = urlencode(case.query or {}, doseq=True, errors="replace")
    path = case.formatted_path + (f"?{query}" if query else "")
    return Request(case.method, path, None if case.method == "GET" else json.dumps(body).encode())
