"""A recording that arrives when a test says so."""

import threading
from collections.abc import Iterable

from tests.promises.load.messages import VALUES
from tests.support.web_server import Asked, answer


class Gate:
    """A web server's script: nothing is answered before the gate opens."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def __call__(self, asked: Asked) -> Iterable[bytes]:
        self._open.wait()
        yield answer(("value\n" + "\n".join(map(str, VALUES))).encode())
