"""Request numbers in log lines, request counts and durations."""

import logging
import re
import time
from collections.abc import Collection
from contextvars import ContextVar
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.metrics import ServerMetrics
from inference.web.probes import PROBES

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[0-9A-Za-z_.-]{1,64}", re.ASCII)
_request: ContextVar[str] = ContextVar("request", default="")
UNLOGGED = PROBES | {"/metrics"}  # polled by machines


class RequestIds(logging.Filter):
    """Adds the request's number to each log line written while handling it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the number; every record passes."""
        number = _request.get()
        if number:
            record.request = number
        return True


class RequestLog:
    """Middleware, the outermost: numbers a request (or accepts the number it carries), counts and times it."""

    def __init__(
        self, app: ASGIApp, metrics: ServerMetrics, activity_log: ActivityLog, routes: Collection[str], secret: str = ""
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._activity_log = activity_log
        self._routes = frozenset(routes)
        self._prefix = f"/{secret}" if secret else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record its status and duration."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        number = given if _GIVEN.fullmatch(given) else uuid4().hex[:16]
        token = _request.set(number)
        status = 500
        begun = time.perf_counter()
        self._metrics.begin()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = number
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = self._route(scope["path"])
            self._metrics.answered(route, status, time.perf_counter() - begun)
            if route not in UNLOGGED:
                self._activity_log.request(status)
            _request.reset(token)

    def _route(self, path: str) -> str:
        if self._prefix and path.startswith(self._prefix):
            path = path[len(self._prefix) :] or "/"
        if path in self._routes:
            return path
        return "/ui" if path == "/ui" or path.startswith("/ui/") else "other"
