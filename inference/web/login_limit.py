"""How often credentials may be guessed: a few times a minute from one address, ten times a second from all.

Beyond that, credentials are not even compared, except those that an address has just used with success: Label Studio
and people who are logged in are not affected by the guesses of others.
"""

import hashlib
import ipaddress
import logging
import time
from collections.abc import Callable

from cachetools import TTLCache

WINDOW_SECONDS = 60.0
MOST_OF_ADDRESS = 10  # failed logins within the window; a person mistypes three times
MOST_OF_ALL = 600  # … of all addresses together: a botnet has many
EVERYBODY = "everybody"
MOST_REMEMBERED = 10_000  # addresses; about 300 bytes each
KNOWN_SECONDS = 3600.0  # for which credentials that worked are tried whatever else comes from their address

log = logging.getLogger(__name__)


class LoginLimit:
    """Counts failed logins. For one thread, that of the event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: TTLCache[tuple[str, int], int] = TTLCache(MOST_REMEMBERED, 2 * WINDOW_SECONDS, clock)
        self._known: TTLCache[tuple[str, bytes], None] = TTLCache(MOST_REMEMBERED, KNOWN_SECONDS, clock)

    def allows(self, address: str, credentials: str) -> bool:
        """Whether credentials from an address may be compared now."""
        if (_network(address), _digest(credentials)) in self._known:
            return True
        return self._count(_network(address)) < MOST_OF_ADDRESS and self._count(EVERYBODY) < MOST_OF_ALL

    def succeeded(self, address: str, credentials: str) -> None:
        """Credentials were right."""
        self._known[_network(address), _digest(credentials)] = None

    def failed(self, address: str) -> None:
        """Credentials were wrong: count it, and say so."""
        network = _network(address)
        for each in (network, EVERYBODY):
            self._failed[each, self._minute()] = self._count(each) + 1
        count = self._count(network)
        if count <= MOST_OF_ADDRESS:
            log.warning(
                "A login from %s failed, %d of %d within a minute.",
                address or "an unknown address",
                count,
                MOST_OF_ADDRESS,
            )
        if count == MOST_OF_ADDRESS:
            log.warning("No more logins from %s are tried within this minute.", address)

    def _count(self, network: str) -> int:
        return self._failed.get((network, self._minute()), 0)

    def _minute(self) -> int:
        return int(self._clock() // WINDOW_SECONDS)


def _digest(credentials: str) -> bytes:
    return hashlib.sha256(credentials.encode()).digest()


def _network(address: str) -> str:
    """What counts as one address: an IPv6 host has a whole /64 to itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False)) if parsed.version == 6 else address
