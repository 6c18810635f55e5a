"""Tests of shared.label_studio.received: what passes for a recording, and what is something else with status 200."""

from pathlib import Path

import pytest

from shared.errors import NotDataError
from shared.label_studio.received import check_received
from tests.shared.label_studio.test_fetcher import CSV, cached
from tests.support.web_server import Asked, answer, serve

ANNOUNCED = {"Content-Length": "1"}
LOGIN = b"<!DOCTYPE html>\n<html><body>1,2\n3,4\nPlease log in</body></html>\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("not-data", LOGIN),
        ("not-data", b"\n\n  <html><body>Down for maintenance"),
        ("not-data", b'{"error": "storage unavailable", "details": []}'),
        ("not-data", b"{}"),
        ("not-data", b'{"errors": ["token expired"]}'),
        ("not-data", b'\xef\xbb\xbf{"errors": [{"code": 401, "message": "token expired"}]}'),
        ("not-data", b"\xef\xbb\xbf<!DOCTYPE html>" + b"x" * 2**17),
        ("not-data", b"<h1>503 Service Unavailable</h1>\n<p>Back at 10:00</p>\n<p>, 12:00 at the latest</p>"),
        ("not-data", b"Service Unavailable\nError 503\nRetry in 5 minutes\n"),
        ("not-data", b"error: 1\ncode: 404\n"),
        ("not-data", b"upstream connect error"),
        ("not-data", b"Sorry.\nWe are back soon.\nYour team\n"),
        ("not-data", b"time,a,b\n"),
        ("truncated", b'{"time": [0, 1, 2], "a": [1, 2'),
    ],
)
def test_something_else_is_reported(kind: str, body: bytes) -> None:
    with pytest.raises(NotDataError, match=r"x\.csv") as caught:
        check_received(body, ANNOUNCED, "x.csv")
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "body",
    [
        CSV,
        CSV.rstrip(),
        b"0;1;2\n1;2;3\n",
        b"value\n.5\n-1\n",
        b"<DATE>\tvalue\n2024.01.01\t1\n",
        b"<h1>,a\n0,1\n",
        b"time a b\n0 1 2\n1 2 nan\n2 3 .5\n",
        b"2024-01-01 10:00:00 1 OK\n2024-01-01 10:00:01 2 OK\n",
        b'{"time": ["0", "1"], "a": [[1], {"v": 2}]}',
        b'{"a": ["0,5", "n/a"]}',
        b"activity effort\n" + b"walk 1\n" * 20,
        b'{"a": [' + b'"x", ' * 20 + b'"x"]}',
        b'{"a": [null, null]}',
        b"{time},a\n0,1\n",
        b"time,a,b\n,,\n,,\n0,1,2\n",
        b"day,a\nMon,1\nTue,2\n",
        b'time,"a"\n"0","1"\n',
        b'{"time": [0, 1], "a": [null, 2]}',
        "\ufefftime,a\n0,1\n".encode(),
        b"# comment\n# another\ntime,a\n0,1\n1,2\n2,3\n",
    ],
)
def test_recordings_pass(body: bytes) -> None:
    check_received(body, ANNOUNCED, "x.csv")


@pytest.mark.parametrize("headers", [{"content-length": "9"}, {"Transfer-Encoding": "chunked"}, {"Content-Range": "x"}])
def test_a_missing_line_break_is_no_sign_where_the_length_was_announced(headers: dict[str, str]) -> None:
    check_received(CSV.rstrip(), headers, "x.csv")
    with pytest.raises(NotDataError, match="without a line break") as caught:
        check_received(CSV.rstrip(), {}, "x.csv")
    assert caught.value.kind == "truncated"


def test_nothing_of_it_enters_the_cache(tmp_path: Path) -> None:
    replies = iter(
        [answer(LOGIN, ETag='"a"'), answer(CSV[:-3], ETag='"a"', Content_Length=""), answer(CSV, ETag='"a"')]
    )

    def script(asked: Asked) -> bytes:
        assert "if-none-match" not in asked.headers
        return next(replies)

    with serve(script) as web:
        reader = cached(web, tmp_path)
        for _ in range(2):
            with pytest.raises(NotDataError):
                reader.fetch("/data/local-files/?d=a.csv")
            assert not list(tmp_path.iterdir())
        assert reader.fetch("/data/local-files/?d=a.csv") == CSV


def test_a_login_page_after_a_redirect_is_no_recording(tmp_path: Path) -> None:
    def script(asked: Asked) -> bytes:
        if asked.path == "/login":
            return answer(LOGIN, Content_Type="text/html")
        return answer(status=302, Location="/login")

    with serve(script) as web, pytest.raises(NotDataError, match="a web page, perhaps of a login"):
        cached(web, tmp_path).fetch(f"{web.url}/a.csv")


def test_a_large_object_is_not_decoded_to_find_out() -> None:
    check_received(b'{"a": [' + b"1," * 2**16 + b"1]}", ANNOUNCED, "x.csv")
