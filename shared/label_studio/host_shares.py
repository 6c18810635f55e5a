"""How many downloads one host may have at a time, so that a host that hangs leaves threads to all others."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import HostBusyError


class HostShares:
    """Counts downloads by host. For any number of threads; nobody waits here."""

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
