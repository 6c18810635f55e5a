"""Tests of shared.label_studio.credentials: both kinds of token, the one of /setup, and the reason for a refusal."""

import base64
import json
import logging
import threading

import pytest

from shared.errors import LabelStudioError, SettingsError
from shared.label_studio.credentials import Credentials, is_loopback, token_kind
from shared.net.connections import Connections
from shared.settings import Settings
from tests.support.web_server import Asked, Script, answer, answer_json, serve

LEGACY = "0123456789abcdef0123456789abcdef01234567"


def jwt(**claims: object) -> str:
    """A token in the shape of Label Studio's, unsigned."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({"alg": "HS256"}, claims)
    ]
    return ".".join([*parts, "c2lnbmF0dXJl"])


PAT = jwt(token_type="refresh", exp=8102690273, jti="a")


def token_server(issued: list[str], lifetime: int = 300) -> Script:
    """Label Studio's exchange of tokens: a new access token each time."""

    def script(asked: Asked) -> bytes:
        assert asked.target.endswith("/api/token/refresh/")
        if json.loads(asked.body) != {"refresh": PAT}:
            return answer_json({"status_code": 401, "detail": "Token is invalid"}, 401)
        issued.append(jwt(token_type="access", iat=1000, exp=1000 + lifetime, jti=str(len(issued))))
        return answer_json({"access": issued[-1]})

    return script


def credentials(host: str = "http://localhost:8080", key: str = "", clock: list[float] | None = None) -> Credentials:
    now = clock or [0.0]
    settings = Settings(label_studio_host=host, label_studio_api_key=key)
    return Credentials(settings, Connections(), lambda: now[0])


def test_a_token_is_recognized_by_its_shape() -> None:
    assert [token_kind(token) for token in ("", LEGACY, PAT, "something else")] == [
        "none",
        "legacy",
        "personal",
        "legacy",
    ]


def test_a_legacy_token_is_sent_as_it_is() -> None:
    assert credentials(key=LEGACY).headers() == {"Authorization": f"Token {LEGACY}"}
    assert credentials().headers() == {}


def test_a_personal_token_is_exchanged_and_renewed_before_its_access_token_ends() -> None:
    issued: list[str] = []
    clock = [0.0]
    with serve(token_server(issued)) as web:
        ours = credentials(web.url + "/prefix", PAT, clock)
        for now, count in ((0.0, 1), (1.0, 1), (239.0, 1), (240.0, 2), (479.0, 2), (481.0, 3)):
            clock[0] = now
            assert ours.headers() == {"Authorization": f"Bearer {issued[count - 1]}"}
            assert len(issued) == count
        assert web.asked[0].target == "/prefix/api/token/refresh/"


def test_many_threads_exchange_a_token_once() -> None:
    issued: list[str] = []
    with serve(token_server(issued)) as web:
        ours = credentials(web.url, PAT)
        threads = [threading.Thread(target=ours.headers) for _ in range(20)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert len(issued) == 1


def test_a_refused_access_token_is_forgotten_only_once() -> None:
    issued: list[str] = []
    with serve(token_server(issued)) as web:
        ours = credentials(web.url, PAT)
        first = ours.headers()
        assert ours.discard_access_token(first)
        second = ours.headers()
        assert ours.discard_access_token(first)
        assert ours.headers() == second
    assert not credentials(key=LEGACY).discard_access_token({"Authorization": f"Token {LEGACY}"})


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (answer_json({"detail": "Token is invalid"}, 401), "it was revoked, or personal access tokens are disabled"),
        (
            answer(b"<html>", 404, Content_Type="text/html"),
            "expected a Label Studio that supports personal access tokens",
        ),
        (answer_json({"access": 5}), "answered 200 to POST /api/token/refresh/, without an access token"),
        (answer_json({"access": "a\r\nX: y"}), "answered 200 to POST /api/token/refresh/, without an access token"),
        (answer(status=301, Location="https://other.example.org/api/"), "redirects to https://other.example.org/api/"),
    ],
)
def test_a_personal_token_that_gets_nothing_says_why(reply: bytes, sentence: str) -> None:
    with serve(lambda asked: reply) as web, pytest.raises(LabelStudioError, match=sentence):
        credentials(web.url, PAT).headers()


def accepting(asked: Asked) -> bytes:
    """A Label Studio that accepts every token."""
    return answer_json({"id": 1, "email": "ann@example.org"})


def test_the_token_of_setup_is_used_for_the_configured_host_and_port_only() -> None:
    assert credentials().may_adopt("http://localhost:8080", LEGACY)
    assert credentials().may_adopt("http://127.0.0.1:8080/", LEGACY)
    assert not credentials().may_adopt("http://127.0.0.1:8081/", LEGACY)
    assert credentials("http://studio.example.org").may_adopt("http://studio.example.org/", LEGACY)
    assert not credentials().may_adopt("http://studio.example.org", LEGACY)
    assert not credentials().may_adopt("http://localhost.example.org:8080", LEGACY)
    assert not credentials("http://studio.example.org").may_adopt("http://localhost:8080", LEGACY)
    assert not credentials("http://studio.example.org").may_adopt("https://studio.example.org", LEGACY)


@pytest.mark.parametrize("reply", [answer(status=302, Location="/login"), answer(b"<html>"), answer(b"no", 500), ()])
def test_a_token_is_not_used_before_label_studio_has_accepted_it(reply: bytes) -> None:
    with serve(lambda asked: reply) as web:
        ours = credentials(web.url)
        assert not ours.adopt(web.url, LEGACY)
        assert ours.kind == "none"


@pytest.mark.parametrize(
    ("hostname", "token"),
    [("", LEGACY), ("localhost:8080", LEGACY), ("http://localhost:8080", ""), ("http://localhost:8080", "a\r\nb")],
)
def test_what_is_no_address_or_no_token_is_not_adopted(hostname: str, token: str) -> None:
    assert not credentials().adopt(hostname, token)


def test_a_configured_key_is_never_replaced() -> None:
    ours = credentials(key=LEGACY)
    assert not ours.adopt("http://localhost:8080", "f" * 40)
    assert ours.headers() == {"Authorization": f"Token {LEGACY}"}


def test_an_adopted_token_goes_to_children_and_leaves_the_address_alone() -> None:
    with serve(accepting) as web:
        ours = credentials(web.url)
        assert ours.adopt(f"http://localhost:{web.port}", LEGACY)
        assert not ours.adopt(web.url, "f" * 40), "it works, so it stays"
        assert ours.environment() == {"LABEL_STUDIO_HOST": web.url, "LABEL_STUDIO_API_KEY": LEGACY}


def test_a_refusal_names_the_remedy() -> None:
    disabled = (
        "Authentication token no longer valid: legacy token authentication has been disabled for this organization"
    )
    with serve(accepting) as web:
        adopted = credentials(web.url)
        assert adopted.adopt(web.url, LEGACY)
    assert "set LABEL_STUDIO_API_KEY to one" in credentials().explain_refusal(401, "")
    assert "does not know the token in LABEL_STUDIO_API_KEY" in credentials(key=LEGACY).explain_refusal(
        401, "Invalid token."
    )
    for ours in (adopted, credentials(key=LEGACY)):
        sentence = ours.explain_refusal(401, disabled)
        assert "personal access token" in sentence
        assert "enable legacy tokens" in sentence
    assert "connect the model again" in adopted.explain_refusal(401, "Invalid token.")
    assert "a user who may" in credentials(key=LEGACY).explain_refusal(403, "")


def test_no_token_is_ever_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    issued: list[str] = []
    with serve(token_server(issued)) as web:
        ours = credentials(web.url, PAT)
        ours.headers()
        seen = caplog.text + repr(ours) + str(ours) + ours.explain_refusal(401, "Invalid token.")
    assert PAT not in seen
    assert issued[0] not in seen


def test_an_address_that_cannot_be_used_is_a_setting_to_correct() -> None:
    with pytest.raises(SettingsError, match="LABEL_STUDIO_HOST"):
        credentials("http://user:secret@localhost:8080")


def test_loopback_has_many_names() -> None:
    assert all(is_loopback(host) for host in ("localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "::1"))
    assert not any(is_loopback(host) for host in ("localhost.org", "10.0.0.1", "studio"))
