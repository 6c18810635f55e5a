"""The proxy for a request: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as curl, Go and the store's client read
them.

Loopback is never reached through a proxy. Names in NO_PROXY cover their subdomains; addresses and networks are compared
with the address that is connected to.
"""

import ipaddress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from shared.errors import SettingsError
from shared.net.urls import Url

EXPECTED = "expected http://HOST:PORT or https://HOST:PORT, with user and password before the host where it asks"


class HttpProxy(NamedTuple):
    """A proxy, as urllib3 takes it."""

    url: str  # without user and password
    credentials: str  # "user:password", or ""


class Proxies:
    """The proxies of this process's environment."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        """`environment`: scheme, `all` or `no` ► value. Raises SettingsError on a proxy that cannot be used."""
        found = getproxies_environment() if environment is None else environment
        self._by_scheme: dict[str, HttpProxy] = {}
        for scheme in ("http", "https"):
            text = found.get(scheme) or found.get("all", "")
            if text:
                self._by_scheme[scheme] = _read_proxy(text, scheme)
        self._excluded = [each.strip().lower() for each in found.get("no", "").split(",") if each.strip()]

    def of(self, url: Url, address: str) -> HttpProxy | None:
        """The proxy through which `url` is requested, None if there is none; `address` is its host's, if known."""
        proxy = self._by_scheme.get(url.scheme)
        if proxy is None or any(_matches(each, url, address) for each in ("localhost", *_LOOPBACK, *self._excluded)):
            return None
        return proxy


_LOOPBACK = ("127.0.0.0/8", "::1")


def _read_proxy(text: str, scheme: str) -> HttpProxy:
    name = f"{scheme.upper()}_PROXY"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise SettingsError(f"{name} cannot be read; {EXPECTED}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{name} (or ALL_PROXY) is a {parts.scheme}: address; {EXPECTED}.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return HttpProxy(f"{parts.scheme}://{host}:{port}", credentials)


def _matches(excluded: str, url: Url, address: str) -> bool:
    if excluded == "*":
        return True
    try:
        network = ipaddress.ip_network(excluded.strip("[]"), strict=False)
    except ValueError:
        name, _, port = excluded.partition(":")
        name = name.lstrip("*").lstrip(".")
        return (url.host == name or url.host.endswith(f".{name}")) and port in ("", str(url.port))
    for text in (url.host, address):
        try:
            if ipaddress.ip_address(text) in network:
                return True
        except ValueError:
            continue
    return False
