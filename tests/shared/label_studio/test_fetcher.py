"""The fetcher against real servers on sockets: what arrives, what is refused, who sees the token."""

import gzip
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse

from shared.errors import FetchError, HostBusyError, RefusedError
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.net.connections import Connections
from shared.net.urls import Url
from shared.settings import Settings
from tests.support.waiting import NEVER_SECONDS, wait_until
from tests.support.web_server import CERTIFICATE, Answer, Asked, Script, Web, answer, answer_json, serve

TOKEN = "0123456789abcdef0123456789abcdef01234567"
CSV = b"time,value\n0,1\n1,2\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
UPLOAD = "/data/upload/3/8687c5c4-two.csv"


def fetcher(host: str, *, key: str = TOKEN, resolve: dict[str, str] | None = None, **settings: object) -> Fetcher:
    names = resolve or {}

    def look_up(name: str, port: int) -> Sequence[str]:
        return [names.get(name, "127.0.0.1")]

    chosen = Settings(label_studio_host=host, label_studio_api_key=key, **settings)  # type: ignore[arg-type]
    connections = Connections()
    return Fetcher(chosen, Credentials(chosen, connections), connections, look_up)


def media(asked: Asked) -> bytes:
    """Label Studio's answers for uploaded files, as recorded from 1.23.2."""
    if "authorization" not in asked.headers:
        return answer_json({"status_code": 401, "detail": "Authentication credentials were not provided."}, 401)
    if asked.target == UPLOAD:
        if asked.headers.get("range") == "bytes=0-":
            return answer(CSV, 206, Content_Range=f"bytes 0-{len(CSV) - 1}/{len(CSV)}")
        return answer(CSV, Content_Length="")
    return answer_json({"status_code": 500, "detail": "'NoneType' object has no attribute 'has_permission'"}, 500)


def always(reply: bytes) -> Script:
    return lambda asked: reply


def dripping(head: bytes, stop: threading.Event) -> Callable[[Asked], Iterator[bytes]]:
    """An answer that does not end by itself: a byte each few milliseconds."""

    def drip(asked: Asked) -> Iterator[bytes]:
        yield head
        while not stop.wait(0.01):
            yield b"x"

    return drip


def test_a_relative_upload_is_read_from_label_studio_with_the_token() -> None:
    with serve(media) as web:
        assert fetcher(web.url).fetch(UPLOAD) == CSV
        assert web.asked[0].headers["authorization"] == f"Token {TOKEN}"
        assert web.asked[0].headers["host"] == f"127.0.0.1:{web.port}"


@pytest.mark.parametrize("value", ["/data/local-files/?d=d/a%20b.csv", "/ls/data/local-files/?d=d/a%20b.csv"])
def test_a_path_prefix_of_label_studio_is_put_in_front_once(value: str) -> None:
    with serve(always(answer(CSV))) as web:
        assert fetcher(web.url + "/ls/").fetch(value) == CSV
        assert web.asked[0].target == "/ls/data/local-files/?d=d/a%20b.csv"
        assert "authorization" in web.asked[0].headers


def test_an_absolute_address_of_label_studio_gets_the_token_and_another_does_not() -> None:
    with serve(media) as home, serve(always(answer(CSV))) as other:
        reader = fetcher(home.url, data_hosts_allowed=("127.0.0.1",))
        assert reader.fetch(home.url + UPLOAD) == CSV
        assert reader.fetch(other.url + UPLOAD) == CSV
        assert "authorization" in home.asked[0].headers
        assert "authorization" not in other.asked[0].headers


@pytest.mark.parametrize(
    "path",
    [
        "/api/projects/",
        "/data/../api/projects/",
        "/data/upload/%2e%2e/%2e%2e/api/",
        "/user/logout",
        "/database/upload/",
    ],
)
def test_the_token_opens_media_routes_only(path: str) -> None:
    with serve(always(answer(CSV))) as web:
        fetcher(web.url).fetch(path)
        assert "authorization" not in web.asked[0].headers


def test_a_cloud_storage_address_goes_through_label_studios_resolve_route() -> None:
    with serve(always(answer(CSV))) as web:
        for value in ("s3://bucket/a b.csv", "gs://bucket/a.csv", "azure-blob://container/a.csv"):
            assert fetcher(web.url).fetch(value, task_id=7) == CSV
        assert web.asked[0].target == "/tasks/7/resolve/?fileuri=czM6Ly9idWNrZXQvYSBiLmNzdg=="
        assert all("authorization" in asked.headers for asked in web.asked)
        with pytest.raises(RefusedError, match="through its task"):
            fetcher(web.url).fetch("s3://bucket/a.csv")


def test_a_resolve_address_under_label_studios_own_idea_of_its_name_is_read_from_its_host() -> None:
    with serve(always(answer(CSV))) as web:
        value = "http://localhost:8080/tasks/7/resolve/?fileuri=czM6Ly9iL2EuY3N2"
        assert fetcher(web.url).fetch(value) == CSV
        assert web.asked[0].target == "/tasks/7/resolve/?fileuri=czM6Ly9iL2EuY3N2"


def test_inline_columns_pass_through() -> None:
    reader = fetcher("http://localhost:1")
    assert reader.fetch({"time": [0, 1]}) == {"time": [0, 1]}
    assert reader.fetch(' {"time": [0, 1]}') == '{"time": [0, 1]}'


@pytest.mark.parametrize(
    "value", [None, "", "  ", 5, ["a"], "csv/a.csv", "../a.csv", "//h/a.csv", "C:\\a.csv", "file:///a"]
)
def test_anything_else_is_refused_with_what_was_found(value: object) -> None:
    with pytest.raises(RefusedError):
        fetcher("http://localhost:1").fetch(value)


def test_a_redirect_to_another_origin_is_followed_without_the_token() -> None:
    with serve(always(answer(CSV))) as store:
        with serve(lambda asked: answer(status=303, Location=f"{store.url}/b/a.csv?X-Sig=1")) as home:
            reader = fetcher(home.url, data_hosts_allowed=("127.0.0.1",))
            assert reader.fetch("s3://bucket/a.csv", task_id=1) == CSV
        assert store.asked[0].target == "/b/a.csv?X-Sig=1"
        assert "authorization" not in store.asked[0].headers


def test_a_refusal_of_the_storage_is_not_taken_for_one_of_label_studio() -> None:
    with (
        serve(always(answer(b"<Error>", 403))) as store,
        serve(lambda asked: answer(status=303, Location=f"{store.url}/b/a.csv?X-Sig=secret")) as home,
        pytest.raises(FetchError, match=r"s3://bucket/a\.csv was not read: the server answered 403"),
    ):
        fetcher(home.url, data_hosts_allowed=("127.0.0.1",)).fetch("s3://bucket/a.csv", task_id=1)


def test_the_token_does_not_come_back_when_a_redirect_leads_home_again() -> None:
    with serve(always(answer(CSV))) as home:
        with serve(lambda asked: answer(status=302, Location=home.url + UPLOAD)) as other:
            fetcher(home.url, data_hosts_allowed=("127.0.0.1",)).fetch(other.url + "/a.csv")
        assert "authorization" not in home.asked[0].headers


def test_each_step_of_a_redirect_is_checked() -> None:
    with serve(lambda asked: answer(status=302, Location="http://metadata.internal/latest/")) as home:
        reader = fetcher(home.url, resolve={"metadata.internal": "169.254.169.254"})
        with pytest.raises(RefusedError, match=r"metadata\.internal to DATA_HOSTS_ALLOWED"):
            reader.fetch(UPLOAD)
    with serve(lambda asked: answer(status=302, Location="file:///etc/passwd")) as home, pytest.raises(RefusedError):
        fetcher(home.url).fetch(UPLOAD)
    with serve(lambda asked: answer(status=302, Location="/data/upload/1/again")) as home:
        with pytest.raises(FetchError, match="redirects more than 5 times"):
            fetcher(home.url).fetch(UPLOAD)
        assert len(home.asked) == 6


def test_a_name_that_changes_its_address_is_read_where_it_was_checked() -> None:
    answers = iter(["8.8.8.8", "127.0.0.1", "127.0.0.1"])
    chosen = Settings(label_studio_host="http://localhost:1", fetch_timeout_seconds=1.0)
    connections = Connections()
    connected: list[str] = []
    opened = connections.open

    def note(url: Url, address: str, **more: Any) -> BaseHTTPResponse:
        connected.append(address)
        return opened(url, address, **more)

    connections.open = note  # type: ignore[method-assign]
    reader = Fetcher(chosen, Credentials(chosen, connections), connections, lambda host, port: [next(answers)])
    with serve(always(answer(CSV))) as web, pytest.raises(FetchError):
        reader.fetch(f"http://rebinding.example.org:{web.port}/a.csv")
    assert connected == ["8.8.8.8"]
    assert not web.asked


def test_https_checks_the_certificate_of_the_name_and_not_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE / "ca.pem"))
    with serve(always(answer(CSV)), secure=True) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",))
        assert reader.fetch(f"https://data.example.org:{web.port}/a.csv") == CSV
        assert web.asked[0].headers["host"] == f"data.example.org:{web.port}"
        for name in ("other.example.org", "127.0.0.1"):
            with pytest.raises(FetchError, match="encrypted connection failed"):
                reader.fetch(f"https://{name}:{web.port}/a.csv")


def test_a_missing_upload_a_missing_file_and_a_refused_token_are_distinguished() -> None:
    with serve(media) as web:
        with pytest.raises(FetchError, match="500, which it does for an upload that does not exist"):
            fetcher(web.url).fetch("/data/upload/3/none.csv")
        with pytest.raises(FetchError, match="asks for a token; set LABEL_STUDIO_API_KEY"):
            fetcher(web.url, key="").fetch(UPLOAD)
    with serve(always(answer(status=404))) as web:
        with pytest.raises(FetchError, match="LOCAL_FILES_SERVING_ENABLED"):
            fetcher(web.url).fetch("/data/local-files/?d=a.csv")
        with pytest.raises(FetchError, match="the server answered 404"):
            fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",)).fetch(web.url + "/a.csv")


def test_a_server_that_is_not_there_is_a_temporary_error() -> None:
    with serve(always(b"")) as web:
        gone = web.url
    with pytest.raises(FetchError, match="nothing answers there"):
        fetcher(gone).fetch(UPLOAD)


@pytest.mark.parametrize(
    "reply",
    [
        answer(CSV, Content_Length="1000"),
        CHUNKED + b"400\r\n" + CSV,
        CHUNKED + b"13\r\n" + CSV + b"\r\n",
        answer(CSV, 206, Content_Range="bytes 0-18/400"),
        answer(gzip.compress(CSV, mtime=0)[:-9], Content_Encoding="gzip", Content_Length=""),
        answer(b"not gzip", Content_Encoding="gzip"),
        answer(b"", Content_Encoding="gzip"),
        answer(gzip.compress(gzip.compress(CSV, mtime=0), mtime=0), Content_Encoding="gzip, gzip"),
        answer(CSV, Content_Encoding="br"),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
        b"nonsense\r\n\r\n",
    ],
)
def test_a_body_that_breaks_off_is_never_taken_for_whole(reply: bytes) -> None:
    with serve(lambda asked: (reply,)) as web, pytest.raises(FetchError):
        fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",)).fetch(web.url + "/a.csv")


def test_an_upload_that_breaks_off_is_noticed_though_label_studio_tells_no_size_of_whole_files() -> None:
    def script(asked: Asked) -> Answer:
        whole = media(asked)
        assert isinstance(whole, bytes)
        return (whole[:-1],)

    with serve(script) as web, pytest.raises(FetchError, match="broke off"):
        fetcher(web.url).fetch(UPLOAD)


def test_a_gzipped_body_is_decoded() -> None:
    with serve(always(answer(gzip.compress(CSV, mtime=0), Content_Encoding="gzip"))) as web:
        assert fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",)).fetch(web.url + "/a.csv") == CSV


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"", Content_Length=str(2**20 + 1)),
        answer(b"x" * (2**20 + 1), Content_Length=""),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n100001\r\n"
        + b"x" * (2**20 + 1)
        + b"\r\n0\r\n\r\n",
        answer(gzip.compress(b"x" * (2**20 + 1), mtime=0), Content_Encoding="gzip"),
        answer(gzip.compress(b"", mtime=0) + gzip.compress(b"x" * (2**20 + 1), mtime=0), Content_Encoding="gzip"),
    ],
)
def test_a_recording_over_the_limit_is_refused_with_the_setting(reply: bytes) -> None:
    with serve(always(reply)) as web, pytest.raises(RefusedError, match=r"larger than 1 MiB.*MAX_SERIES_MB"):
        fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",), max_series_mb=1).fetch(web.url + "/a.csv")


def test_of_large_recordings_one_is_held_at_a_time_and_small_ones_pass_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.label_studio.fetcher.SMALL_BYTES", 1000)
    with serve(lambda asked: answer(b"a\n" + b"1\n" * (999 if asked.path == "/large.csv" else 4))) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",))

        def hold(name: str, seconds: float) -> int:
            with reader.held(f"{web.url}/{name}.csv", task_id=None, deadline=time.monotonic() + seconds) as data:
                return len(data)

        with reader.held(f"{web.url}/large.csv", task_id=None, deadline=time.monotonic() + 60) as held:
            assert len(held) == 2000
            assert hold("small", 60) == 10
            asked = len(web.asked)
            for _ in range(3):
                with pytest.raises(HostBusyError, match="Another large recording"):
                    hold("large", 60)
            assert len(web.asked) == asked, "it is known to be large: nothing of it is read to find out"
        assert hold("large", 60) == 2000


def test_a_source_that_gives_no_large_recording_does_not_keep_the_place_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.label_studio.fetcher.SMALL_BYTES", 1000)
    monkeypatch.setattr("shared.label_studio.fetcher.SLOW_SECONDS", 0.1)
    stop = threading.Event()
    endless = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99000\r\n\r\n" + b"1\n" * 1000, stop)
    with serve(endless) as slow, serve(lambda asked: answer(b"1\n" * 1000)) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",))

        def hold(url: str, seconds: float) -> int:
            with reader.held(url, task_id=None, deadline=time.monotonic() + seconds) as data:
                return len(data)

        def is_left_alone() -> bool:
            with pytest.raises(FetchError) as found:
                hold(slow.url + "/a.csv", 0.5)
            return "asked again in a minute" in str(found.value)

        try:
            assert not is_left_alone()
            wait_until(is_left_alone)  # a busy machine may need several tries to see that it is large
            asked = len(slow.asked)
            assert is_left_alone()
            assert len(slow.asked) == asked
            assert hold(web.url + "/b.csv", NEVER_SECONDS) == 2000
        finally:
            stop.set()


def test_a_large_recording_that_fails_at_once_keeps_no_others_of_its_host_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.label_studio.fetcher.SMALL_BYTES", 1000)
    broken, whole = answer(b"1\n" * 1000, Content_Length="9000"), answer(b"1\n" * 1000)
    with serve(lambda asked: broken if asked.path == "/broken.csv" else whole) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",))
        deadline = time.monotonic() + 60
        with pytest.raises(FetchError), reader.held(f"{web.url}/broken.csv", task_id=None, deadline=deadline):
            pass
        with reader.held(f"{web.url}/whole.csv", task_id=None, deadline=deadline) as data:
            assert len(data) == 2000


def test_a_recording_of_just_the_limit_is_read() -> None:
    with serve(always(answer(b"1\n" * 2**19, Content_Length=""))) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",), max_series_mb=1)
        assert len(reader.fetch(web.url + "/a.csv")) == 2**20


def test_a_bomb_is_never_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 2**27, mtime=0)
    with serve(always(answer(bomb, Content_Encoding="gzip"))) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",), max_series_mb=1)
        tracemalloc.start()
        try:
            with pytest.raises(RefusedError):
                reader.fetch(web.url + "/a.csv")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 2**23


def test_memory_holds_a_recording_once() -> None:
    with serve(always(answer(b"x" * 2**24))) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",))
        reader.fetch(web.url + "/warm.csv")
        tracemalloc.start()
        try:
            body = reader.fetch(web.url + "/a.csv")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(body) == 2**24
    assert peak < 1.25 * 2**24


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_a_drip_of_bytes_ends_at_the_deadline_in_head_and_body(head: bytes) -> None:
    stop = threading.Event()
    with serve(dripping(head, stop)) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",), fetch_timeout_seconds=0.5)
        try:
            with pytest.raises(FetchError, match=r"not complete after 0\.5 s"):
                reader.fetch(web.url + "/a.csv")
        finally:
            stop.set()


def test_a_callers_deadline_that_has_passed_asks_nobody() -> None:
    with serve(always(answer(CSV))) as web:
        with pytest.raises(FetchError, match="time limit was reached"):
            fetcher(web.url).fetch(UPLOAD, deadline=time.monotonic() - 1)
        assert not web.asked


def test_the_next_address_of_a_name_is_tried_when_the_first_refuses() -> None:
    with serve(always(answer(CSV))) as web:
        chosen = Settings(label_studio_host="http://localhost:1", data_hosts_allowed=("127.0.0.0/8",))
        connections = Connections()
        reader = Fetcher(
            chosen, Credentials(chosen, connections), connections, lambda host, port: ["127.0.0.2", "127.0.0.1"]
        )
        assert reader.fetch(f"http://two.example.org:{web.port}/a.csv") == CSV


def test_connections_are_kept_open_between_recordings() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + CSV
    with serve(always(body)) as web:
        reader = fetcher("http://localhost:1", data_hosts_allowed=("127.0.0.1",))
        for number in range(5):
            assert reader.fetch(f"{web.url}/{number}.csv") == CSV
        assert web.connections == 1


def conditional(state: dict[str, bytes]) -> Script:
    """A server that knows ETags."""

    def script(asked: Asked) -> bytes:
        tag = f'W/"{hash(state["body"])}"'
        if asked.headers.get("if-none-match") == tag:
            return answer(status=304, ETag=tag)
        return answer(state["body"], ETag=tag)

    return script


def cached(web: Web, folder: Path) -> Fetcher:
    return fetcher(web.url, cache_dir=str(folder))


def test_an_upload_is_asked_for_once_for_its_name_never_means_another_file(tmp_path: Path) -> None:
    with serve(media) as web:
        assert cached(web, tmp_path).fetch(UPLOAD) == CSV
        assert cached(web, tmp_path).fetch(UPLOAD) == CSV
        assert len(web.asked) == 1


def test_a_changed_file_is_seen_and_an_unchanged_one_is_not_sent_again(tmp_path: Path) -> None:
    state = {"body": CSV}
    with serve(conditional(state)) as web:
        reader = cached(web, tmp_path)
        for body in (CSV, CSV, CSV + b"2,3\n", CSV + b"2,3\n", CSV):
            state["body"] = body
            assert reader.fetch("/data/local-files/?d=a.csv") == body
        assert len(web.asked) == 5


def test_a_body_that_nobody_can_date_is_never_kept(tmp_path: Path) -> None:
    replies = iter([b"a\n1\n", b"a\n2\n"])

    def script(asked: Asked) -> bytes:
        if asked.headers.get("if-none-match") == '"11"':  # Label Studio's tag of a user, if the storage has none
            return answer(status=304)
        return answer(next(replies), ETag='"11"')

    with serve(script) as web:
        reader = cached(web, tmp_path)
        assert [reader.fetch("s3://bucket/a.csv", task_id=1) for _ in range(2)] == [b"a\n1\n", b"a\n2\n"]


def test_a_damaged_entry_is_fetched_again(tmp_path: Path) -> None:
    state = {"body": CSV}
    with serve(conditional(state)) as web:
        reader = cached(web, tmp_path)
        reader.fetch("/data/local-files/?d=a.csv")
        (entry,) = tmp_path.iterdir()
        entry.write_bytes(entry.read_bytes()[:-1] + b"!")
        assert reader.fetch("/data/local-files/?d=a.csv") == CSV


def test_an_error_is_never_kept(tmp_path: Path) -> None:
    replies = iter([answer(b"late", 503, ETag='"a-1"'), answer(CSV, ETag='"a-2"')])
    with serve(lambda asked: next(replies)) as web:
        reader = cached(web, tmp_path)
        with pytest.raises(FetchError, match="503"):
            reader.fetch(UPLOAD)
        assert reader.fetch(UPLOAD) == CSV


def test_an_expired_access_token_is_renewed_once() -> None:
    from tests.shared.label_studio.test_credentials import PAT, token_server

    issued: list[str] = []

    def script(asked: Asked) -> Answer:
        if asked.path == "/api/token/refresh/":
            return token_server(issued)(asked)
        if asked.headers["authorization"] != f"Bearer {issued[-1]}" or len(issued) < 2:
            return answer_json({"detail": "Authentication credentials were not provided."}, 401)
        return answer(CSV)

    with serve(script) as web:
        assert fetcher(web.url, key=PAT).fetch(UPLOAD) == CSV
        assert len(issued) == 2
