"""Who may reach what, over the routing table of the app itself; names that lead elsewhere; secrets (promise 11)."""

import base64
import re
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from inference.web.app import create_app
from shared.settings import Settings

OPEN = {"/health", "/livez", "/readyz"}  # README: always open
EVENTS = "/webhook"  # Label Studio sends events without credentials; its button needs them
FILLED = {"project": "3", "version": "20260101T000000Z-aaaaaa", "name": "style.css", "action": "train"}
USER, PASSWORD = "ann", "a password"
DISGUISES = [
    "//predict", "/predict/", "/%70redict", "/health/../predict", "/health/%2e%2e/predict", "/health;/predict",
    "/./predict", "/webhook/../train", "/webhook%2f..%2ftrain", "/health?/../predict", "/health%00/predict",
    "/ui/../health/../metrics", "/HEALTH", "/health ", "/health/", "/livez/../metrics", "/webhook/x", "/ui//index.json",
]  # fmt: skip


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """One for each test, as wrong passwords are counted; its background threads are not started."""
    settings = Settings(
        model_dir=str(tmp_path_factory.mktemp("store")), train_launcher="none", reconcile_seconds=0,
        basic_auth_user=USER, basic_auth_pass=PASSWORD,
    )  # fmt: skip
    return TestClient(create_app(settings), "http://localhost", raise_server_exceptions=False, follow_redirects=False)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def table() -> list[tuple[str, str]]:
    """Every method and path that the app routes, with plausible values in the place of parameters."""
    app = create_app(Settings(train_launcher="none", reconcile_seconds=0))
    found = []
    for route in app.routes:
        assert isinstance(route, Route), "a mount or a socket is not looked at here"
        path = re.sub(r"{(\w+)(?::\w+)?}", lambda match: FILLED[match[1]], route.path)
        found += [(method, path) for method in sorted(route.methods or ())]
    return found


@pytest.mark.parametrize(("method", "path"), table())
@pytest.mark.parametrize("headers", [{}, basic(USER, "a passwore"), basic("bob", PASSWORD), basic("", "")])
def test_every_route_but_the_listed_ones_asks_for_credentials(
    guarded: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = guarded.request(method, path, headers=headers)
    if path in OPEN:
        assert answer.status_code in (200, 503)
    elif path == EVENTS:
        assert answer.status_code == 400  # asked for its body, which is empty
    else:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(("method", "path"), table())
def test_with_credentials_every_route_answers(guarded: TestClient, method: str, path: str) -> None:
    assert guarded.request(method, path, headers=basic(USER, PASSWORD)).status_code not in (401, 500)


@pytest.mark.parametrize("path", DISGUISES)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "TRACE"])
def test_no_disguise_of_a_path_gets_past(guarded: TestClient, method: str, path: str) -> None:
    answer = guarded.request(method, f"http://localhost{path}", content=b"{}")
    if answer.status_code == 200:
        assert answer.request.url.path in OPEN
    assert answer.status_code in (200, 400, 401, 403, 404, 405)
    assert b"tss_" not in answer.content


def test_the_comparison_takes_the_same_time_wherever_a_password_is_wrong(
    guarded: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bytes, bytes]] = []
    verdicts = [False]

    def compare(given: bytes, expected: bytes) -> bool:
        asked.append((given, expected))
        return verdicts[0]

    monkeypatch.setattr("inference.web.auth.hmac.compare_digest", compare)
    assert guarded.get("/versions", headers=basic(USER, PASSWORD)).status_code == 401
    verdicts[0] = True
    assert guarded.get("/versions", headers=basic("x", "y")).status_code == 200
    assert {given for given, _ in asked} == {f"{USER}:{PASSWORD}".encode(), b"x:y"}


NAMES = [
    "..", "../../etc/passwd", "%2e%2e", "..%2f..%2fetc%2fpasswd", "..%5c..", "%00", "20260101T000000Z-aaaaaa%00",
    "20260101T000000Z-aaaaaa/../../x", "20260101T000000Z-AAAAAA", "٢٠٢٦٠١٠١T000000Z-aaaaaa", "a" * 5000, "con",
    "-", "~", "%s", "{{7*7}}", "$(id)", "'", '"', "<b>", "C:%5C", "file:%2f%2f%2fetc%2fpasswd",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_lead_nowhere(guarded: TestClient, name: str) -> None:
    allowed = basic(USER, PASSWORD)
    origin = {"Origin": "http://localhost", **allowed}
    for path in (f"/ui/projects/3/versions/{name}/report.html", f"/ui/static/{name}", f"/ui/projects/{name}.json"):
        answer = guarded.get(path, headers=allowed)
        assert answer.status_code in (400, 404, 405, 307)
        assert b"root:" not in answer.content
    for field in ({"version": name}, {"version": f"20260101T000000Z-{name}"}):
        answer = guarded.post("/ui/projects/3/promote", data=field, headers=origin)
        assert answer.status_code in (404, 409, 413)
    answers: list[Any] = [
        guarded.post("/train", json={"project": name}, headers=allowed),
        guarded.post("/setup", json={"project": name, "schema": ""}, headers=allowed),
        guarded.post("/predict", json={"project": name, "tasks": []}, headers=allowed),
        guarded.post("/webhook", json={"action": "START_TRAINING", "project": {"id": name}}, headers=allowed),
        guarded.get("/versions", params={"project": name}, headers=allowed),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert len(answer.json()["error"]) < 400
