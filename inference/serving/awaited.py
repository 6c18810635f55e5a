"""Tasks whose recording has not arrived as data yet: for how long Label Studio shall ask again."""

import threading
import time
from collections.abc import Callable

from cachetools import LRUCache

AWAITED_SECONDS = 3600.0  # a login page, maintenance or a running upload is over by then
TASKS = 10_000  # remembered, about 200 bytes each


class AwaitedTasks:
    """When a task's recording first was something else than data. In memory, for any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since: LRUCache[tuple[int, int | str | None], float] = LRUCache(TASKS)

    def is_awaited(self, project: int, task: int | str | None) -> bool:
        """Whether a task that failed now may fail in passing: it has not for AWAITED_SECONDS."""
        with self._lock:
            now = self._clock()
            since = self._since.get((project, task), now)
            self._since[project, task] = since
            return now - since < AWAITED_SECONDS

    def arrived(self, project: int, task: int | str | None) -> None:
        """Forget a task whose recording arrived."""
        with self._lock:
            self._since.pop((project, task), None)
