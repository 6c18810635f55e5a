from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from inference.web.origins import OriginCheck
from inference.web.probes import PROBES
from shared.settings import Settings


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


def client(**settings: Any) -> TestClient:
    paths = ["/predict", "/ui/", *PROBES]
    routes = [Route(path, answer, methods=["GET", "POST"]) for path in paths]
    return TestClient(OriginCheck(Starlette(routes=routes), Settings(**settings)), "http://localhost")


OWN = ["localhost:9090", "LOCALHOST", "tss.localhost", "127.0.0.1:9090", "10.1.2.3:9090", "[::1]:9090", "[fe80::1]"]
FOREIGN = ["evil.example", "evil.example:9090", "127.0.0.1.evil.example", "localhost.evil.example", "0x7f.1", "", "[x]"]


@pytest.mark.parametrize("host", OWN)
def test_addresses_and_loopback_names_are_answered(host: str) -> None:
    assert client().get("/ui/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_host_name_is_refused_without_credentials(host: str, method: str) -> None:
    refused = client().request(method, "/ui/", headers={"Host": host})
    assert refused.status_code == 403
    assert "ALLOWED_HOSTS" in refused.json()["error"]


@pytest.mark.parametrize("path", sorted(PROBES))
def test_probes_answer_under_any_name(path: str) -> None:
    assert client().get(path, headers={"Host": "node-3.cluster"}).status_code == 200


def test_names_that_the_operator_allows_are_answered() -> None:
    allowed = client(allowed_hosts=("segmenter.team.svc",), host="sensors.lan")
    assert allowed.get("/ui/", headers={"Host": "Segmenter.team.svc:9090"}).status_code == 200
    assert allowed.get("/ui/", headers={"Host": "sensors.lan"}).status_code == 200
    assert allowed.get("/ui/", headers={"Host": "team.svc"}).status_code == 403


def test_with_credentials_the_host_name_does_not_matter() -> None:
    guarded = client(basic_auth_user="ann", basic_auth_pass="secret")
    assert guarded.get("/ui/", headers={"Host": "evil.example"}).status_code == 200


FOREIGN_PAGES = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": "http://localhost:9091"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost"},
]


@pytest.mark.parametrize("headers", FOREIGN_PAGES)
@pytest.mark.parametrize("settings", [{}, {"basic_auth_user": "ann", "basic_auth_pass": "secret"}])
def test_a_page_of_another_origin_changes_nothing(headers: dict[str, str], settings: dict[str, str]) -> None:
    assert client(**settings).post("/predict", headers=headers).status_code == 403


OWN_CALLERS = [
    {},
    {"Origin": "http://localhost"},
    {"Origin": "http://localhost:80"},
    {"Origin": "https://localhost"},  # a proxy in front speaks TLS
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://sensors.example"},  # a proxy in front rewrites Host
]


@pytest.mark.parametrize("headers", OWN_CALLERS)
def test_programs_and_pages_of_this_server_are_answered(headers: dict[str, str]) -> None:
    assert client().post("/predict", headers=headers).status_code == 200


def test_a_link_from_another_page_may_be_followed() -> None:
    assert client().get("/ui/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
