"""The URL to connect in Label Studio."""

import pytest

from inference.server_url import server_url
from shared.label_studio.webhook_address import accepts_webhook
from shared.net.urls import read_url
from shared.settings import Settings

NAMED = "http://server.internal:9090"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "http://localhost:9090"),
        ({"LABEL_STUDIO_HOST": "http://host.docker.internal:8080", "SERVER_URL": NAMED}, "http://localhost:9090"),
        ({"LABEL_STUDIO_HOST": "http://label-studio:8080", "SERVER_URL": NAMED}, NAMED),
        ({"LABEL_STUDIO_HOST": "http://192.0.2.7:8080", "HOST": "192.0.2.8"}, "http://192.0.2.8:9090"),
        ({"LABEL_STUDIO_HOST": "http://192.0.2.7:8080", "HOST": "fd00::1", "PORT": "80"}, "http://[fd00::1]:80"),
    ],
)
def test_it_is_where_label_studio_reaches_the_server(given: dict[str, str], expected: str) -> None:
    settings = Settings.from_environment(given)
    assert server_url(settings) == expected
    assert accepts_webhook(expected)
    secret = Settings.from_environment({**given, "WEBHOOK_SECRET": "0" * 16})
    assert server_url(secret) == f"{expected}/WEBHOOK_SECRET"


def test_without_a_name_it_is_an_address_of_this_machine() -> None:
    settings = Settings.from_environment({"LABEL_STUDIO_HOST": "http://192.0.2.7:8080", "HOST": "0.0.0.0"})
    host = read_url(server_url(settings)).host
    assert host not in ("localhost", "0.0.0.0")


def test_the_name_by_which_a_browser_came_is_shown_unless_another_is_set() -> None:
    far = {"LABEL_STUDIO_HOST": "http://192.0.2.7:8080"}
    assert server_url(Settings.from_environment(far), seen="https://a.example.com") == "https://a.example.com"
    assert server_url(Settings.from_environment({**far, "SERVER_URL": NAMED}), seen="https://a.example.com") == NAMED
