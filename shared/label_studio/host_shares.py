"""How many downloads one host may have at a time, and how many large recordings are held. No thread waits here."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cachetools import TTLCache

from shared.errors import FetchError, HostBusyError

REMEMBERED = 1000  # values of tasks, and hosts
KNOWN_SECONDS = 600.0  # for which a recording is known to be large: its first part is not read again to find out
LEFT_ALONE_SECONDS = 60.0  # for which no large recording is read from a source that took the place and gave none


class HostShares:
    """Counts downloads by host. Thread-safe, and never blocks."""

    def __init__(self, share: int | None) -> None:
        """`share`: downloads of one host at a time; None: any number."""
        self._share = share
        self._lock = threading.Lock()
        self._downloads: Counter[str] = Counter()

    @contextmanager
    def place(self, host: str) -> Iterator[None]:
        """One download. Raises HostBusyError if the host has its share already."""
        with self._lock:
            if self._share is not None and self._downloads[host] >= self._share:
                raise HostBusyError(f"{host} is read {self._share} times at once already: later.")
            self._downloads[host] += 1
        try:
            yield
        finally:
            with self._lock:
                self._downloads[host] -= 1
                if not self._downloads[host]:
                    del self._downloads[host]


class LargePlace:
    """The place for the one large recording that is in memory. Thread-safe, and never blocks."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._lock = threading.Lock()
        self._known: TTLCache[str, None] = TTLCache(REMEMBERED, KNOWN_SECONDS)
        self._slow: TTLCache[str, None] = TTLCache(REMEMBERED, LEFT_ALONE_SECONDS)

    def is_known(self, value: str) -> bool:
        """Whether a task's value named a large recording before."""
        with self._lock:
            return value in self._known

    def remember(self, value: str) -> None:
        """A task's value names a large recording."""
        with self._lock:
            self._known[value] = None

    @contextmanager
    def taken(self, source: str) -> Iterator[None]:
        """The place, for a recording of `source`. Raises HostBusyError while another recording has it, FetchError
        where the same source was too slow within LEFT_ALONE_SECONDS: it would keep the place from all others.
        """
        with self._lock:
            if source in self._slow:
                raise FetchError(f"{source[:200]} did not give a large recording in time: asked again in a minute.")
        if not self._busy.acquire(blocking=False):
            raise HostBusyError("Another large recording is in memory: later.")
        try:
            yield
        finally:
            self._busy.release()

    def too_slow(self, source: str) -> None:
        """A source had the place for long and gave no recording."""
        with self._lock:
            self._slow[source] = None
