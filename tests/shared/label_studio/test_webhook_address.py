"""Django's rule for URLs, by which Label Studio 1.23 takes or drops the webhook of a backend.

Verdicts are those of `django.core.validators.URLValidator` in Label Studio's own environment.
"""

import pytest

from shared.label_studio.webhook_address import accepts_webhook, webhook_objection

TAKEN = [
    "http://localhost:9090/webhook",
    "http://LOCALHOST:9090",
    "http://127.0.0.1:9090/webhook",
    "http://[::1]:9090/webhook",
    "https://10.1.2.3",
    "http://host.docker.internal:9090",
    "http://server.internal:9090/secret-secret-secret/webhook",
    "http://segmenter.time-series-segmenter:9090",
    "http://segmenter.time-series-segmenter.svc.cluster.local:9090",
    "https://a.example.com./x?y=z",
    "http://b\u00fccher.example",
    "http://a.xn--p1ai",
]
DROPPED = [
    "http://server:9090",
    "http://segmenter:9090/webhook",
    "http://segmenter.team2:9090",
    "http://segmenter.ml-2:9090",
    "http://a.b.c1",
    "http://a_b.example.com",
    "http://-a.example.com",
    "http://a-.example.com",
    "http://a.-b.com",
    "http://a.example.c",
    "http://localhost.",
    "http://a.example.com:port",
    "http://a.example.com/x y",
    "ftp://a.example.com",
    "http://[::1",
    "http://",
    "",
    "http://" + "a." * 130 + "com",
    "http://a.example.com/" + "x" * 2048,
]


@pytest.mark.parametrize("url", TAKEN)
def test_these_get_a_webhook(url: str) -> None:
    assert accepts_webhook(url)
    assert webhook_objection(url) == ""


@pytest.mark.parametrize("url", DROPPED)
def test_these_get_none_and_what_to_do_is_named(url: str) -> None:
    assert not accepts_webhook(url)
    sentence = webhook_objection(url)
    assert "server.internal" in sentence
    assert "svc.cluster.local" in sentence
    assert len(sentence) < 500
