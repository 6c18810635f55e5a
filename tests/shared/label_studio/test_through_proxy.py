"""Label Studio and recordings through a proxy: the rule about internal addresses holds there, too (promise 13)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from shared.errors import FetchError, ForbiddenError, LabelStudioError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.net.authorities import VARIABLE
from shared.net.connections import Connections
from shared.settings import Settings
from tests.support.forward_proxy import ForwardProxy, forward_proxy
from tests.support.label_studio import LabelStudioDouble
from tests.support.tokens import TOKEN
from tests.support.web_server import CERTIFICATE, Asked, answer, serve

CSV = b"time,value\n0,1\n1,2\n"
PUBLIC, INTERNAL = "93.184.216.34", "10.1.2.3"
NAMES = {"data.example.org": PUBLIC, "inside.example.org": INTERNAL}


def reader(host: str = "https://ls.example.org", **settings: object) -> Fetcher:
    def look_up(name: str, port: int) -> list[str]:
        if name not in NAMES:
            raise OSError("unknown")
        return [NAMES[name]]

    chosen = Settings(label_studio_host=host, label_studio_api_key=TOKEN, **settings)  # type: ignore[arg-type]
    connections = Connections()
    return Fetcher(chosen, Credentials(chosen, connections), connections, look_up)


@contextmanager
def through(
    monkeypatch: pytest.MonkeyPatch, hosts: Mapping[str, int], *, authorization: str = "", user: str = ""
) -> Iterator[ForwardProxy]:
    monkeypatch.setenv(VARIABLE, str(CERTIFICATE / "ca.pem"))
    with forward_proxy(hosts, authorization=authorization) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url.replace("//", f"//{user}", 1))
        monkeypatch.setenv("no_proxy", "")
        yield proxy


def recording(asked: Asked) -> bytes:
    return answer(CSV)


def test_https_is_tunnelled_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(recording, secure=True) as web, through(monkeypatch, {f"{PUBLIC}:443": web.port}) as proxy:
        assert reader().fetch("https://data.example.org/a.csv") == CSV
        assert proxy.asked == [f"CONNECT {PUBLIC}:443"]
        assert web.asked[0].headers["host"] == "data.example.org"


def test_an_internal_address_is_refused_before_the_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(recording, secure=True) as web, through(monkeypatch, {f"{INTERNAL}:443": web.port}) as proxy:
        for url in ("https://inside.example.org/a.csv", f"https://{INTERNAL}/a.csv", f"http://{INTERNAL}/a.csv"):
            with pytest.raises(ForbiddenError, match="internal address"):
                reader().fetch(url)
        with pytest.raises(FetchError, match=r"The proxy looks names up itself for hosts in DATA_HOSTS_ALLOWED\."):
            reader().fetch("https://only-the-proxy-knows.example.org/a.csv")
        assert proxy.asked == []


def test_plain_http_by_name_is_left_to_a_proxy_only_for_hosts_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serve(recording) as web,
        through(monkeypatch, {"data.example.org:80": web.port, f"{PUBLIC}:80": web.port}) as proxy,
    ):
        with pytest.raises(ForbiddenError, match=r"Use https, or add data\.example\.org to DATA_HOSTS_ALLOWED"):
            reader().fetch("http://data.example.org/a.csv")
        assert proxy.asked == []
        assert reader(data_hosts_allowed=("data.example.org",)).fetch("http://data.example.org/a.csv") == CSV
        assert reader().fetch(f"http://{PUBLIC}/b.csv") == CSV, "an address is not looked up"
        assert proxy.asked == ["GET http://data.example.org/a.csv", f"GET http://{PUBLIC}/b.csv"]


def test_a_redirect_to_an_internal_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def redirect(asked: Asked) -> bytes:
        return answer(status=302, Location=f"https://{INTERNAL}/secret.csv")

    with (
        serve(redirect, secure=True) as web,
        through(monkeypatch, {f"{PUBLIC}:443": web.port}),
        pytest.raises(ForbiddenError, match="internal address"),
    ):
        reader().fetch("https://data.example.org/a.csv")


def test_named_hosts_are_asked_for_by_name_and_need_no_dns_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(recording, secure=True) as web, through(monkeypatch, {"data.example.org:443": web.port}) as proxy:
        monkeypatch.delitem(NAMES, "data.example.org")
        assert reader(data_hosts_allowed=("data.example.org",)).fetch("https://data.example.org/a.csv") == CSV
        assert proxy.asked == ["CONNECT data.example.org:443"]


def test_label_studio_is_reached_through_the_proxy_with_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    label_studio = LabelStudioDouble()
    with (
        serve(label_studio, secure=True) as web,
        through(monkeypatch, {"data.example.org:443": web.port}, authorization="Basic dTpw", user="u:p@") as proxy,
    ):
        settings = Settings(label_studio_host="https://data.example.org", label_studio_api_key=TOKEN)
        connections = Connections()
        assert LabelStudio(Credentials(settings, connections), connections).version() == "1.23.2"
        assert proxy.asked == ["CONNECT data.example.org:443"]
        assert "proxy-authorization" not in web.asked[0].headers, "the proxy's password is the proxy's"


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with through(monkeypatch, {}):
        with pytest.raises(FetchError, match=r"the proxy did not connect .*403 Forbidden"):
            reader().fetch("https://data.example.org/a.csv")
        settings = Settings(label_studio_host="https://data.example.org", label_studio_api_key=TOKEN)
        connections = Connections()
        with pytest.raises(LabelStudioError, match=r"the proxy did not connect .*403 Forbidden"):
            LabelStudio(Credentials(settings, connections), connections).version()


def test_hosts_in_no_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(recording, secure=True) as web, through(monkeypatch, {}) as proxy:
        monkeypatch.setenv("no_proxy", "example.org")
        monkeypatch.setitem(NAMES, "data.example.org", "127.0.0.1")
        url = f"https://data.example.org:{web.port}/a.csv"
        assert reader(data_hosts_allowed=("127.0.0.1",)).fetch(url) == CSV
        assert proxy.asked == []
