"""How a run is asked to stop: SIGTERM, or the end of the pipe from the server that started it."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM arrived, or the server that this run belongs to is gone."""


@contextmanager
def stoppable(*, attached: bool) -> Iterator[None]:
    """Raise Terminated in the main thread on SIGTERM, and when the pipe from the server that started us ends."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    ended = threading.Event()
    if attached:
        threading.Thread(target=_follow_parent, args=(ended,), name="parent", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.signal(signal.SIGTERM, before)


def _follow_parent(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # sys.stdin's own lock, held here at exit, would abort the interpreter
        pass
    if not ended.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
