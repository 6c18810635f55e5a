"""The waiting updates of all projects in memory: as listed last, and those that this process has added since.

A listing costs a request for each 1,000 waiting updates. An event that arrives here costs none.
"""

import threading
import time
from collections.abc import Callable

from shared.retraining.updates import Update, Updates


class WaitingUpdates:
    """Thread-safe. Updates that other processes added or removed since the last listing are not known."""

    def __init__(self, updates: Updates, clock: Callable[[], float] = time.monotonic) -> None:
        self._updates = updates
        self._clock = clock
        self._lock = threading.Lock()
        self._listed_at = float("-inf")
        self._listed: dict[int, list[Update]] = {}
        self._added: list[Update] = []  # since the listing before the last one began

    def look(self) -> dict[int, list[Update]]:
        """List them: updates by project, oldest first. Raises StoreError."""
        with self._lock:
            before = len(self._added)
        begun = self._clock()
        found = self._updates.waiting()
        with self._lock:
            added = self._added = self._added[before:]  # what was added meanwhile may be listed or not
            for update in added:
                _add(found, update)
            self._listed, self._listed_at = found, begun
            return dict(found)

    def recent(self, seconds: float) -> dict[int, list[Update]]:
        """What is known if it was listed within `seconds`, else listed now. Raises StoreError."""
        with self._lock:
            if self._clock() - self._listed_at < seconds:
                return dict(self._listed)
        return self.look()

    def of(self, project: int) -> list[Update]:
        """Those known of a project, oldest first."""
        with self._lock:
            return list(self._listed.get(project, ()))

    def add(self, update: Update) -> None:
        """Note an update that this process wrote."""
        with self._lock:
            self._added.append(update)
            _add(self._listed, update)


def _add(found: dict[int, list[Update]], update: Update) -> None:
    known = found.get(update.project, [])
    if update not in known:
        found[update.project] = sorted([*known, update])  # a new list: others hold the old one
