"""A task's address leads a real server nowhere inside, and its token goes to Label Studio's host only (promise 11)."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.promises.hostile.messages import label_config
from tests.shared.net.test_urls import REFUSED
from tests.support.server import Server, run_server
from tests.support.store import VERSION, publish_model
from tests.support.tokens import TOKEN
from tests.support.web_server import Answer, Asked, Web, answer, serve

PASSWORD, SECRET, IMPORTED = (
    "a-password-of-nobody",
    "0123456789abcdef-secret-path",
    "feedfacefeedfacefeedfacefeedfacefeedface",
)
CSV = b"value\n1\n2\n"


@pytest.fixture(scope="module")
def inside() -> Iterator[Web]:
    """A server of the internal network: nobody may ask it anything."""
    with serve(lambda asked: answer(b"internal")) as web:
        yield web


@pytest.fixture(scope="module")
def outside() -> Iterator[Web]:
    """A server that task data may come from, and that leads astray."""

    def script(asked: Asked) -> Answer:
        place = asked.target.partition("?to=")[2]
        return answer(status=302, Location=bytes.fromhex(place).decode()) if place else answer(CSV)

    with serve(script) as web:
        yield web


@pytest.fixture(scope="module")
def home() -> Iterator[Web]:
    """Label Studio."""

    def script(asked: Asked) -> Answer:
        place = asked.target.partition("?to=")[2]
        if place:
            return answer(status=302, Location=bytes.fromhex(place).decode())
        return answer(CSV) if asked.headers.get("authorization") == f"Token {TOKEN}" else answer(b"no", 401)

    with serve(script) as web:
        yield web


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, home: Web, outside: Web) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("store")
    publish_model(folder, 3)
    with run_server(
        folder,
        LABEL_STUDIO_HOST=home.url,
        LABEL_STUDIO_API_KEY=TOKEN,
        DATA_HOSTS_ALLOWED=f"127.0.0.1:{outside.port}",
        FETCH_TIMEOUT_SECONDS="5",
        LOG_LEVEL="debug",
    ) as running:
        yield running


def predict(server: Server, *urls: str) -> list[Any]:
    """Results of one task for each address."""
    tasks = [{"id": number, "data": {"csv_url": url}} for number, url in enumerate(urls, 1)]
    status, found = server.json(
        "POST", "/predict", {"project": "3", "label_config": label_config("url"), "tasks": tasks}
    )
    assert status == 200
    results: list[Any] = found["results"]
    return results


def disguises(port: int) -> list[str]:
    """The table of addresses that are refused, those on this machine with the port of a server that is there."""
    return [*REFUSED, *(url.replace("/a.csv", f":{port}/a.csv") for url in REFUSED if url.endswith("/a.csv"))]


def redirect(web: Web, place: str) -> str:
    return f"{web.url}/a.csv?to={place.encode().hex()}"


def is_nothing(result: Any) -> bool:
    return bool(result == [] or (result["result"] == [] and result["model_version"] == VERSION))


def test_a_hundred_addresses_that_lead_inside_are_not_followed(server: Server, inside: Web) -> None:
    urls = disguises(inside.port)
    found = predict(server, *urls)
    print(f"{len(urls)} addresses, {len(inside.asked)} arrived")
    assert len(urls) > 150
    assert all(map(is_nothing, found))
    assert not inside.asked


def test_no_redirect_leads_inside(server: Server, inside: Web, outside: Web, home: Web) -> None:
    places = [url for url in disguises(inside.port) if url.isascii() and not set("\r\n\t\\") & set(url)]
    places += [f"http://127.0.0.1:{inside.port}/", f"//127.0.0.1:{inside.port}/", f"http://localhost:{inside.port}/"]
    for web, path in ((outside, ""), (home, "/data/upload/3/8687c5c4-two.csv")):
        urls = [f"{home.url}{path}?to={place.encode().hex()}" if path else redirect(web, place) for place in places]
        found = predict(server, *urls)
        print(f"{len(urls)} redirects, {len(inside.asked)} arrived")
        assert sum(map(is_nothing, found)) > 100  # a few are relative, and lead back to where they came from
    assert not inside.asked


@pytest.mark.parametrize(
    "path", ["/proc/self/environ", "/etc/passwd", "/data/../../etc/passwd", "/data/upload/../../api/users/"]
)
def test_the_servers_own_files_are_never_read(server: Server, home: Web, path: str) -> None:
    for value in (path, f"file://{path}", f"file:{path}", f"local:{path}", f"netdoc://{path}", f"\\\\127.0.0.1{path}"):
        (found,) = predict(server, value)
        assert is_nothing(found)
    assert not any(
        "authorization" in asked.headers for asked in home.asked if not asked.path.startswith("/data/upload/3")
    )


def test_the_token_goes_to_label_studios_host_only(server: Server, home: Web, outside: Web, inside: Web) -> None:
    upload = "/data/upload/3/8687c5c4-two.csv"
    back = redirect(outside, home.url + upload)
    away = f"{upload}?to={f'{outside.url}/b.csv'.encode().hex()}"
    found = predict(
        server, upload, away, f"{outside.url}/a.csv", back, f"http://{TOKEN}@127.0.0.1:{outside.port}/a.csv"
    )
    assert found[0]["model_version"] == VERSION
    assert any(TOKEN in asked.headers.get("authorization", "") for asked in home.asked)
    for web in (outside, inside):
        assert web.asked or web is inside
        assert not any(TOKEN in str(asked) for asked in web.asked)


def test_a_token_that_setup_carries_from_elsewhere_is_not_adopted(tmp_path: Path, home: Web, inside: Web) -> None:
    with run_server(tmp_path, LABEL_STUDIO_HOST="http://label-studio.example.org") as server:
        for host in (inside.url, f"http://label-studio.example.org@127.0.0.1:{inside.port}", "http://LOCALHOST"):
            body = {"project": "3", "schema": label_config("url"), "hostname": host, "access_token": IMPORTED}
            assert server.json("POST", "/setup", body)[0] == 200
        predict_body = {"project": "3", "tasks": [{"id": 1, "data": {"csv_url": f"{inside.url}/data/upload/1/a.csv"}}]}
        server.json("POST", "/predict", predict_body)
        assert IMPORTED not in server.log
    assert not any(IMPORTED in str(asked) for asked in (*inside.asked, *home.asked))


def test_no_secret_is_in_any_log_line_page_or_error(tmp_path: Path, home: Web) -> None:
    publish_model(tmp_path, 3)
    secrets = [TOKEN, PASSWORD, SECRET, base64.b64encode(f"ann:{PASSWORD}".encode()).decode()]
    settings = {
        "LABEL_STUDIO_HOST": home.url, "LABEL_STUDIO_API_KEY": TOKEN, "BASIC_AUTH_USER": "ann",
        "BASIC_AUTH_PASS": PASSWORD, "WEBHOOK_SECRET": SECRET, "LOG_LEVEL": "debug",
    }  # fmt: skip
    reported = []
    with run_server(tmp_path, **settings) as server:
        setup = {
            "project": "3",
            "schema": label_config("url"),
            "hostname": f"http://u:{PASSWORD}@x.example",
            "access_token": TOKEN,
        }
        reported.append(server.ask("POST", f"/{SECRET}/setup", json.dumps(setup).encode()))
        for place in ("", f"/{SECRET}"):
            for path in ("/ui/", "/ui/index.json", "/ui/projects/3", "/ui/projects/3.json", "/versions", "/metrics"):
                reported.append(server.ask("GET", place + path, None, {"Accept": "text/html"}))
            task = "/ui/projects/3/task?number=1"
            reported.append(server.ask("GET", place + task, None, {"Accept": "text/html"}))
            for body in (b"{", TOKEN.encode(), json.dumps({"project": TOKEN}).encode()):
                answers = [server.ask("POST", place + path, body) for path in ("/predict", "/webhook", "/train")]
                reported += answers if TOKEN.encode() not in body else []
        urls = ["/data/upload/3/none.csv", f"http://u:{PASSWORD}@127.0.0.1/a.csv", f"{home.url}/a?token={TOKEN}"]
        for url in urls:
            asked = json.dumps({"project": "3", "tasks": [{"id": 1, "data": {"csv_url": url}}]})
            reported.append(server.ask("POST", "/predict", asked.encode()))
        log = server.log
    assert len(log.splitlines()) > 5
    for text in (log, *(found.decode(errors="replace") for _, found in reported)):
        assert not [secret for secret in secrets if secret in text], text[:3000]
