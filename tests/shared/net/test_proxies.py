import pytest

from shared.errors import SettingsError
from shared.net.proxies import HttpProxy, Proxies
from shared.net.urls import read_url

PROXY = HttpProxy("http://proxy.example:3128", "")


@pytest.mark.parametrize(
    ("excluded", "url", "address", "proxied"),
    [
        ("", "https://data.example.org/a", "", True),
        ("", "https://localhost/a", "", False),
        ("", "https://127.0.0.9/a", "", False),
        ("", "https://[::1]/a", "", False),
        ("", "https://name.example/a", "127.0.0.1", False),
        ("example.org", "https://data.example.org/a", "", False),
        (".example.org", "https://data.example.org/a", "", False),
        (".example.org", "https://example.org/a", "", False),
        ("*.svc", "https://label-studio.default.svc/a", "", False),
        ("ample.org", "https://data.example.org/a", "", True),
        ("other.org, example.org:8443", "https://data.example.org:8443/a", "", False),
        ("example.org:8443", "https://data.example.org/a", "", True),
        ("10.0.0.0/8", "https://10.1.2.3/a", "", False),
        ("10.0.0.0/8", "https://inside.example/a", "10.1.2.3", False),
        ("10.0.0.0/8", "https://outside.example/a", "93.184.216.34", True),
        ("*", "https://data.example.org/a", "", False),
    ],
)
def test_no_proxy_covers_subdomains_ports_addresses_and_networks(
    excluded: str, url: str, address: str, proxied: bool
) -> None:
    proxies = Proxies({"https": PROXY.url, "no": excluded})
    assert proxies.of(read_url(url), address) == (PROXY if proxied else None)


def test_each_scheme_has_its_proxy_and_all_stands_for_both() -> None:
    proxies = Proxies({"http": "proxy.example", "all": "https://all.example:8443"})
    assert proxies.of(read_url("http://a.example/"), "") == HttpProxy("http://proxy.example:80", "")
    assert proxies.of(read_url("https://a.example/"), "") == HttpProxy("https://all.example:8443", "")
    assert Proxies({"https": PROXY.url}).of(read_url("http://a.example/"), "") is None


def test_user_and_password_are_taken_out_of_the_address() -> None:
    proxies = Proxies({"https": "http://us%40er:p%3Aw@proxy.example:3128"})
    assert proxies.of(read_url("https://a.example/"), "") == HttpProxy(PROXY.url, "us@er:p:w")


@pytest.mark.parametrize("text", ["socks5://proxy.example:1080", "http://:3128", "http://secret@proxy.example:x"])
def test_a_proxy_that_cannot_be_used_is_refused_by_name_without_its_password(text: str) -> None:
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        Proxies({"https": text})
    assert "secret" not in str(caught.value)
