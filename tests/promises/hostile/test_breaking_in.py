"""What an outsider tries first, byte by byte on a socket, and what comes back (promise 13)."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, run_server
from tests.support.store import publish_model
from tests.support.waiting import NEVER_SECONDS

SECRET, PASSWORD, TOKEN = "s" * 20, "correct horse", "k" * 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("models")
    publish_model(folder, 3)
    with run_server(folder, LOG_FORMAT="text") as found:
        yield found
        assert "Traceback" not in found.log


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("models")
    settings = {"BASIC_AUTH_USER": "ann", "BASIC_AUTH_PASS": PASSWORD, "WEBHOOK_SECRET": SECRET}
    with run_server(folder, LOG_FORMAT="text", LABEL_STUDIO_API_KEY=TOKEN, **settings) as found:
        yield found
        assert not [each for each in (SECRET, PASSWORD, TOKEN) if each in found.log]


def ask(server: Server, line: str, *headers: str, body: str = "") -> list[int]:
    """The statuses of all responses that come back."""
    head = "".join(f"{each}\r\n" for each in (line, *headers, "Connection: close"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=NEVER_SECONDS) as connection:
        connection.sendall(f"{head}\r\n{body}".encode("latin-1"))
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    return [int(each[:3]) for each in found.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "path",
    [
        "/ui/static/../../../../etc/passwd",
        "/ui/static/..%2f..%2f..%2fetc%2fpasswd",
        "/ui/static/%2e%2e%2fpages.py",
        "/ui/static/style.css%00.js",
        "//etc/passwd",
        "/ui/projects/3/versions/..%2f..%2fx/report.html",
        "/ui/../metrics",
    ],
)
def test_no_path_leads_out_of_its_folder(server: Server, path: str) -> None:
    assert ask(server, f"GET {path} HTTP/1.1", "Host: localhost") == [404]


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 6", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Content-Length: 4"),
        ("Content-Length: 0", "Content-Length: 44"),
        ("Content-Length : 5",),
        ("Content-Length: +5",),
        ("Transfer-Encoding: xchunked", "Content-Length: 5"),
    ],
)
def test_no_second_request_is_smuggled_in_by_an_odd_framing(server: Server, headers: tuple[str, ...]) -> None:
    inner = "0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert ask(server, "POST /validate HTTP/1.1", "Host: localhost", *headers, body=inner) == [400]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("[::1]:9090", 200), ("[::ffff:7f00:1]", 200), ("LOCALHOST.", 200), ("10.1.2.3", 200),
        ("evil.example", 403), ("evil.example:localhost", 403), ("localhost.evil.example", 403),
        ("localhost@evil.example", 403), ("127.0.0.1.nip.io", 403), ("0x7f000001", 403), ("2130706433", 403),
        ("127.1", 403), ("localhost\tevil", 403), ("", 403), ("localhost, evil.example", 403),
    ],
)  # fmt: skip
def test_only_its_own_names_are_answered(server: Server, host: str, status: int) -> None:
    assert ask(server, "GET /ui/index.json HTTP/1.1", f"Host: {host}") == [status]


def test_of_two_hosts_each_has_to_be_its_own(server: Server) -> None:
    assert ask(server, "GET /ui/index.json HTTP/1.1", "Host: localhost", "Host: evil.example") == [403]


@pytest.mark.parametrize("path", ["/train?project=3", "/webhook?action=START_TRAINING", "/ui/projects/3/train"])
def test_reading_changes_nothing(server: Server, path: str) -> None:
    assert ask(server, f"GET {path} HTTP/1.1", "Host: localhost", "X-HTTP-Method-Override: POST") == [405]


def test_nobody_writes_lines_of_their_own_into_the_log(server: Server) -> None:
    forged = "\n12:00:00 error: forged\x1b[31m"
    server.post("/webhook", {"action": f"X{forged}", "project": {"id": 3}})
    setup = {"project": "3", "schema": f"<View>{forged}</View>", "hostname": f"http://x{forged}", "access_token": "t"}
    server.post("/setup", setup)
    tasks = [{"id": f"a{forged}", "data": {"csv_url": f"http://a{forged}/"}}]
    server.post("/predict", {"tasks": tasks, "project": "3"})
    ask(server, "POST /train%0aerror:%20forged HTTP/1.1", "Host: evil", "Origin: http://e\x0b\x1b[31m")
    assert "forged" in server.log
    assert not [line for line in server.log.splitlines() if line.startswith(("12:00:00 error", "error: forged"))]
    assert "\x1b" not in server.log


@pytest.mark.parametrize(
    "path",
    [
        "/health/../ui/", "/%75i/", "/ui/%2e%2e/metrics", "/HEALTH", "/health;/ui/", "/readyz/..;/metrics",
        f"/{SECRET}/ui/", f"/{SECRET}/metrics",
    ],
)  # fmt: skip
def test_no_spelling_of_a_path_needs_no_credentials(guarded: Server, path: str) -> None:
    assert ask(guarded, f"GET {path} HTTP/1.1", "Host: x") == [401]


@pytest.mark.parametrize("given", ["Basic", "Basic " + "A" * 9000, "basic YW5uOg==", "Bearer x", "Basic \xff"])
def test_odd_credentials_are_none(guarded: Server, given: str) -> None:
    assert ask(guarded, "GET /ui/ HTTP/1.1", "Host: x", f"Authorization: {given}") == [401]
    assert guarded.alive


def test_the_secret_path_alone_starts_no_training(guarded: Server) -> None:
    body = '{"action":"START_TRAINING","project":{"id":3}}'
    line = f"POST /{SECRET}/webhook HTTP/1.1"
    assert ask(guarded, line, "Host: x", f"Content-Length: {len(body)}", body=body) == [401]
