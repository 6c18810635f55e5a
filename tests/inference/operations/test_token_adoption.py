from collections.abc import Callable

import pytest

from inference.operations.token_adoption import WAITING, TokenAdoption
from shared.label_studio.credentials import Credentials
from shared.logs import Redaction
from shared.net.connections import Connections
from shared.settings import Settings
from tests.support.waiting import NEVER_SECONDS, wait_until
from tests.support.web_server import Asked, Script, answer_json, serve


@pytest.fixture(autouse=True)
def any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.label_studio.credentials.ADOPT_SECONDS", NEVER_SECONDS)


GOOD, LATER, BAD = "a" * 40, "b" * 40, "ANNOTATION"


def label_studio(known: set[str]) -> Script:
    def script(asked: Asked) -> bytes:
        token = asked.headers.get("authorization", "").removeprefix("Token ")
        return answer_json({"id": 1, "email": "a@b"}) if token in known else answer_json({"detail": "no"}, 401)

    return script


def adoption(
    credentials: Credentials, redaction: Redaction, adopted: Callable[[], None] = lambda: None
) -> TokenAdoption:
    return TokenAdoption(credentials, redaction, adopted)


def test_a_token_is_used_once_label_studio_accepts_it_and_is_not_replaced_while_it_works() -> None:
    known = {GOOD, LATER}
    seen: list[str] = []
    with serve(label_studio(known)) as web:
        credentials = Credentials(Settings(label_studio_host=web.url), Connections())
        redaction = Redaction(())
        tokens = adoption(credentials, redaction, lambda: seen.append("adopted"))
        tokens.offer(web.url, BAD)
        wait_until(lambda: "does not accept" in tokens.sentence)
        assert credentials.kind == "none"
        assert redaction.redact(f"{BAD}_CREATED") == f"{BAD}_CREATED"
        tokens.offer(web.url, GOOD)
        wait_until(lambda: credentials.kind == "legacy")
        wait_until(lambda: seen == ["adopted"])
        assert redaction.redact(GOOD) == "***"
        assert tokens.sentence == ""
        before = len(web.asked)
        tokens.offer(web.url, LATER)
        wait_until(lambda: len(web.asked) > before and not tokens._waiting)
        assert credentials.headers() == {"Authorization": f"Token {GOOD}"}
        known.discard(GOOD)
        tokens._refused.clear()
        tokens.offer(web.url, LATER)
        wait_until(lambda: credentials.headers() == {"Authorization": f"Token {LATER}"})
        tokens.close()


def test_a_setup_never_names_another_host_or_port() -> None:
    with serve(label_studio({GOOD})) as web, serve(label_studio({GOOD})) as inside:
        credentials = Credentials(Settings(label_studio_host=web.url), Connections())
        tokens = adoption(credentials, Redaction(()))
        for host in (
            inside.url,
            f"http://a:hush-hush@127.0.0.1:{inside.port}",
            "http://label-studio:8080",
            "http://[",
            "",
        ):
            tokens.offer(host, GOOD)
            assert "not LABEL_STUDIO_HOST" in tokens.sentence
            assert "hush-hush" not in tokens.sentence
        assert not tokens._waiting
        tokens.close()
        assert (inside.asked, web.asked) == ([], [])
        assert credentials.environment()["LABEL_STUDIO_HOST"] == web.url


def test_a_flood_of_tokens_waits_in_a_bounded_line() -> None:
    with serve(label_studio(set())) as web:
        credentials = Credentials(Settings(label_studio_host=web.url), Connections())
        tokens = adoption(credentials, Redaction(()))
        for number in range(1000):
            tokens.offer(web.url, f"{number:040d}")
            assert len(tokens._waiting) <= WAITING
        tokens.close()
        assert len(web.asked) < 1000
