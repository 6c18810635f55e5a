"""Threads that do not die or hang silently: work that raises is logged and begun again, work that stands still is seen.

Work that goes on says so by `beat`, together with when it will say so again.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable

RESTART_SECONDS = 5.0  # until work that failed is begun again
HANGING_SECONDS = 300.0  # without a beat that was due: a store that does not answer fails a call after 35 s at most

log = logging.getLogger(__name__)


class SupervisedThread(threading.Thread):
    """Runs `work` until it returns or `ended` is set; see `supervised`."""

    def __init__(self, name: str, work: Callable[[], object], ended: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._ended = ended
        self.due = math.inf  # by time.monotonic: the next beat

    def run(self) -> None:
        """Do the work, again where it fails."""
        while True:
            self.due = math.inf  # until its first beat: not every work beats
            try:
                self._work()
                return
            except BaseException:
                log.exception("Thread %r failed with an unexpected error; it is started again.", self.name)
            finally:
                self.due = math.inf
            if self._ended.wait(RESTART_SECONDS):
                return


def supervised(name: str, work: Callable[[], object], ended: threading.Event) -> SupervisedThread:
    """A thread, not yet started, that runs `work` until it returns or `ended` is set.

    Whatever `work` raises, also what is no Exception (a panic in a library written in Rust), costs a line in the log
    and RESTART_SECONDS.
    """
    return SupervisedThread(name, work, ended)


def beat(pause: float | None = 0.0) -> None:
    """Say that the work of this thread goes on, and beats again after `pause` seconds at the latest (None: some time).

    In a thread that is not supervised it does nothing.
    """
    thread = threading.current_thread()
    if isinstance(thread, SupervisedThread):
        thread.due = math.inf if pause is None else time.monotonic() + pause


def hanging(threads: Iterable[threading.Thread]) -> dict[str, float]:
    """Threads whose beat has been due for more than HANGING_SECONDS, by name, and for how long [s]."""
    now = time.monotonic()
    late = {thread.name: now - thread.due for thread in threads if isinstance(thread, SupervisedThread)}
    return {name: seconds for name, seconds in late.items() if seconds > HANGING_SECONDS}
