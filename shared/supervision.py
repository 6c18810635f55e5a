"""Threads that do not die silently: work that raises is logged and begun again."""

import logging
import threading
from collections.abc import Callable

RESTART_SECONDS = 5.0  # until work that failed is begun again

log = logging.getLogger(__name__)


def supervised(name: str, work: Callable[[], object], ended: threading.Event) -> threading.Thread:
    """A thread, not yet started, that runs `work` until it returns or `ended` is set.

    Whatever `work` raises, also what is no Exception (a panic in a library written in Rust), costs a line in the log
    and RESTART_SECONDS.
    """

    def run() -> None:
        while True:
            try:
                work()
                return
            except BaseException:
                log.exception("Thread %r failed with an unexpected error; it is started again.", name)
            if ended.wait(RESTART_SECONDS):
                return

    return threading.Thread(target=run, name=name, daemon=True)
