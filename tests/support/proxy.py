"""A proxy before the real S3 server: passes requests on, unless a script injects a fault."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Literal

from tests.support.seaweed import Seaweed
from tests.support.waiting import NEVER_SECONDS
from tests.support.web_server import Answer, Asked, Web, answer, serve

Fault = Literal["away", "broken", "throttled", "slow", "lost", "cut", "dripping", "hanging"]
FAULTS: tuple[Fault, ...] = ("away", "broken", "throttled", "slow", "lost", "cut", "dripping")
SLOW_SECONDS = 0.3
HANGING_SECONDS = 60  # longer than anybody waits
_ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'


class Proxy:
    """What a request meets: `fault` decides, one after another."""

    def __init__(self, backend: int) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self.fault: Callable[[Asked], Fault | None] = lambda asked: None
        self.made: Counter[str] = Counter()
        self.requests = 0
        self.back = threading.Event()  # ends what is hanging

    def __call__(self, asked: Asked) -> Answer:
        with self._lock:
            self.requests += 1
            fault = self.fault(asked)
            if fault is not None:
                self.made[fault] += 1
        if fault == "away":
            return ()
        if fault == "broken":
            return answer(_ERROR.format(code="InternalError").encode(), 500, Content_Type="application/xml")
        if fault == "throttled":
            return answer(_ERROR.format(code="SlowDown").encode(), 503, Content_Type="application/xml")
        if fault == "hanging":
            self.back.wait(HANGING_SECONDS)
            return ()
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        found = self._pass_on(asked)
        if fault == "lost":  # done, and nobody is told
            return ()
        if fault == "cut":
            return (found[: len(found) // 2],)
        return _drip(found) if fault == "dripping" else found

    def _pass_on(self, asked: Asked) -> bytes:
        connection = HTTPConnection("127.0.0.1", self._backend, timeout=NEVER_SECONDS)
        try:
            connection.putrequest(asked.method, asked.target, skip_host=True, skip_accept_encoding=True)
            for name, value in asked.headers.items():  # the signature covers them, Host included
                connection.putheader(name, value)
            connection.endheaders(asked.body)
            response = connection.getresponse()
            body = response.read()
            headers = {k.title(): v for k, v in response.getheaders() if k.lower() not in ("transfer-encoding", "date")}
            headers["Connection"] = "close"
            if asked.method != "HEAD":
                headers["Content-Length"] = str(len(body))
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            return f"HTTP/1.1 {response.status} {response.reason}\r\n{head}\r\n".encode("latin-1") + body
        except (HTTPException, OSError):
            return answer(_ERROR.format(code="InternalError").encode(), 500)
        finally:
            connection.close()


def _drip(data: bytes) -> Iterator[bytes]:
    for first in range(0, len(data), max(1, len(data) // 20)):
        yield data[first : first + max(1, len(data) // 20)]
        time.sleep(0.01)


@contextmanager
def proxy(server: Seaweed) -> Iterator[tuple[Proxy, Web]]:
    """A proxy on a free port, and where it is."""
    script = Proxy(server.port)
    with serve(script) as web:
        yield script, web
        script.back.set()
