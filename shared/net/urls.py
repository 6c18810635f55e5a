"""URLs, and which hosts task data may come from: internal addresses are refused unless the operator allows them.

The connection goes to the address that was checked, so that a second DNS lookup cannot return another one.
Special networks: IANA's IPv4 and IPv6 special-purpose address registries (RFC 6890 and successors).
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from shared.errors import FetchError, ForbiddenError, RefusedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_URL = 8192  # characters; presigned addresses have about 1500

INTERNAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and the metadata service of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public address that one cloud answers on inside its machines
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo, ORCHID and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)
PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that is handed out as global unicast
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]*)(?::([0-9]{0,5}))?", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


class Url(NamedTuple):
    """An http or https URL, parsed once, so that no two parsers can disagree about it."""

    scheme: str  # "http" or "https"
    host: str  # lower case, ASCII, without brackets and final dot
    port: int
    target: str  # path and query, percent-encoded, starts with "/"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def display(self) -> str:
        """The URL for messages, without its query, which may hold a signature."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def read_url(text: str) -> Url:
    """Parse an absolute http(s) URL. Raises RefusedError, which says what is wrong with it."""
    display = _short(text)
    if len(text) > LONGEST_URL:
        raise RefusedError(f"The URL {display} has {len(text)} characters; at most {LONGEST_URL} are allowed.")
    if re.search(r"[\x00-\x1f\x7f\\]", text):
        raise RefusedError(f"The URL {display} holds a control character or a backslash; percent-encode it.")
    found = _URL.fullmatch(text.partition("#")[0])
    if not found:
        raise RefusedError(f"{display} is not an http:// or https:// URL with a host.")
    scheme, authority, target = found[1].lower(), found[2], found[3]
    if "@" in authority:
        raise RefusedError(f"The URL {_short(target)} carries a user name before its host; leave it out.")
    parts = _AUTHORITY.fullmatch(authority)
    if not parts or not parts[1]:
        raise RefusedError(f"The URL {display} has no readable host.")
    port = int(parts[2]) if parts[2] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise RefusedError(f"The URL {display} names port {port}, which does not exist.")
    if not target.startswith("/"):
        target = "/" + target
    return Url(scheme, _read_host(parts[1], display), port, quote(target, safe="/?%:@!$&'()*+,;=-._~[]|"))


def _read_host(text: str, display: str) -> str:
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise RefusedError(f"The URL {display} has no readable IPv6 address as host.") from None
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            raise RefusedError(f"The URL {display} has a host name that cannot be looked up.") from None
    host = text.lower().removesuffix(".")
    if not _NAME.fullmatch(host):
        raise RefusedError(f"The URL {display} has a host name that cannot be looked up.")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise RefusedError(
                f"The URL {display} has a host that ends in a number but is no IPv4 address; write four numbers."
            ) from None
    return host


def _short(text: str) -> str:
    """A URL for messages: no query, no user name, at most 200 characters."""
    head, at, tail = text.partition("?")[0].partition("://")
    return repr((head + at + tail.rpartition("@")[2])[:200])


def system_resolve(host: str, port: int) -> Sequence[str]:
    """Addresses of a name from the resolver of this machine. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_internal(address: Address) -> bool:
    """Whether an address is not public unicast; for an IPv4 address within an IPv6 one, the IPv4 address decides."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_internal(address.ipv4_mapped)
        if address in NAT64:
            return is_internal(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in PUBLIC_IPV6:
            return True
    return any(address in network for network in INTERNAL if network.version == address.version)


class HostPolicy:
    """Decides whether a URL may be read, and which addresses to connect to."""

    def __init__(self, allowed: Sequence[str] = (), resolve: Resolve = system_resolve) -> None:
        """`allowed`: host names, name:port, addresses and networks as in DATA_HOSTS_ALLOWED."""
        self._resolve = resolve
        self._networks: list[Network] = []
        self._names: set[str] = set()
        for text in allowed:
            try:
                self._networks.append(ipaddress.ip_network(text.strip("[]"), strict=False))
            except ValueError:
                self._names.add(text.lower().removesuffix("."))

    def check(self, url: Url, trusted: Url | None = None) -> tuple[str, ...]:
        """Addresses to connect to for `url`, none internal unless allowed or at the host and port of `trusted`.

        Raises RefusedError for an internal address, FetchError for a name that cannot be looked up.
        """
        addresses = self._look_up(url)
        if self.is_named(url, trusted):
            return tuple(str(address) for address in addresses)
        for address in addresses:
            if is_internal(address) and not self._is_allowed(address):
                place = f"{url.host} ({address})" if str(address) != url.host else url.host
                raise ForbiddenError(
                    f"{url.display} was not read: {place} is an internal address. "
                    f"If task data may come from there, add {url.host} to DATA_HOSTS_ALLOWED."
                )
        return tuple(str(address) for address in addresses)

    def is_named(self, url: Url, trusted: Url | None = None) -> bool:
        """Whether the operator allows the host of `url` by name, or it is that of `trusted`."""
        is_trusted = trusted is not None and (url.host, url.port) == (trusted.host, trusted.port)
        return is_trusted or url.host in self._names or f"{url.host}:{url.port}" in self._names

    def _look_up(self, url: Url) -> list[Address]:
        try:
            return [ipaddress.ip_address(url.host)]
        except ValueError:
            pass
        try:
            found = [ipaddress.ip_address(text) for text in self._resolve(url.host, url.port)]
        except (OSError, UnicodeError) as error:
            raise FetchError(
                f"{url.display} was not read: the name {url.host} cannot be looked up ({error})."
            ) from error
        if not found:
            raise FetchError(f"{url.display} was not read: the name {url.host} has no address.")
        return found

    def _is_allowed(self, address: Address) -> bool:
        inner = getattr(address, "ipv4_mapped", None)
        return any(
            each in network
            for each in (address, inner)
            for network in self._networks
            if each is not None and each.version == network.version
        )
