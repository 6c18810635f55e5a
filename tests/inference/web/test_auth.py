import base64
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from inference.web.auth import Authentication
from shared.settings import Settings

SECRET = "0123456789abcdef-secret"
BASIC = {"Authorization": "Basic " + base64.b64encode(b"ann:pass:word").decode()}


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"path": request.url.path, "authorized": request.state.authorized})


def client(**settings: Any) -> TestClient:
    routes = [
        Route(path, echo, methods=["GET", "POST"])
        for path in ("/health", "/predict", "/webhook", "/setup", "/versions")
    ]
    return TestClient(Authentication(Starlette(routes=routes), Settings(**settings)))


def test_everything_is_open_without_credentials() -> None:
    for path in ("/health", "/predict", "/webhook"):
        assert client().post(path).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/setup", "/versions", "/anything"])
def test_basic_auth_guards_what_reveals_or_costs_something(path: str) -> None:
    guarded = client(basic_auth_user="ann", basic_auth_pass="pass:word")
    refused = guarded.post(path)
    assert refused.status_code == 401
    assert "BASIC_AUTH_USER" in refused.json()["error"]
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert guarded.post(path, headers=BASIC).status_code != 401


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"ann").decode(), "Bearer abc", "Basic YW5uOnBhc3M6d29yZA"],
)
def test_a_malformed_or_wrong_header_is_refused(header: str) -> None:
    guarded = client(basic_auth_user="ann", basic_auth_pass="pass:word")
    assert guarded.post("/predict", headers={"Authorization": header}).status_code == 401


def test_events_and_health_pass_without_credentials_and_are_distinguished() -> None:
    guarded = client(basic_auth_user="ann", basic_auth_pass="pass:word")
    assert guarded.get("/health").status_code == 200
    assert guarded.post("/webhook").json()["authorized"] is False
    assert guarded.post("/webhook", headers=BASIC).json()["authorized"] is True


def test_with_a_secret_events_are_accepted_under_its_path_only() -> None:
    secret = client(webhook_secret=SECRET)
    assert secret.post("/webhook").status_code == 403
    assert secret.post("/wrong-0123456789abc/webhook").status_code in (403, 404)
    assert secret.post(f"/{SECRET}/webhook").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/predict", "/setup", "/versions"])
def test_the_secret_path_works_for_every_route(path: str) -> None:
    secret = client(webhook_secret=SECRET)
    assert secret.post(f"/{SECRET}{path}").status_code == 200
    assert secret.post(path).status_code == 200


def test_the_secret_path_does_not_replace_credentials() -> None:
    both = client(webhook_secret=SECRET, basic_auth_user="ann", basic_auth_pass="pass:word")
    assert both.post(f"/{SECRET}/predict").status_code == 401
    assert both.post(f"/{SECRET}/predict", headers=BASIC).status_code == 200
    assert both.post(f"/{SECRET}/webhook").status_code == 200


def test_a_longer_path_with_the_secret_at_its_start_is_not_the_secret_path() -> None:
    assert client(webhook_secret=SECRET).post(f"/{SECRET}x/webhook").status_code in (403, 404)


def test_a_password_beyond_ascii_is_accepted_as_label_studio_and_as_browsers_send_it() -> None:
    guarded = client(basic_auth_user="jörg", basic_auth_pass="pässword")
    for encoding in ("latin-1", "utf-8"):
        header = "Basic " + base64.b64encode("jörg:pässword".encode(encoding)).decode()
        assert guarded.post("/predict", headers={"Authorization": header}).status_code == 200
    wrong = "Basic " + base64.b64encode(b"j?rg:p?ssword").decode()
    assert guarded.post("/predict", headers={"Authorization": wrong}).status_code == 401


def test_question_marks_do_not_stand_for_what_latin_1_lacks() -> None:
    guarded = client(basic_auth_user="ann", basic_auth_pass="пароль")
    header = "Basic " + base64.b64encode(b"ann:??????").decode()
    assert guarded.post("/predict", headers={"Authorization": header}).status_code == 401
