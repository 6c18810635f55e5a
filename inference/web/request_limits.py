"""How many requests may be here at once; what is beyond is answered 503 with Retry-After before it costs anything.

A request has a place from the moment its body is whole, so that slow senders hold none, until its answer is taken. Each
kind has places of its own: predictions keep no event out. Large bodies are counted byte by byte while they arrive.
"""

from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.json_response import json_answer
from inference.monitoring.metrics import ServerMetrics
from inference.web.probes import PROBES
from shared.settings import Settings

NEVER_REFUSED = PROBES | {"/"}
BODIES = 4  # largest bodies, MAX_BODY_MB each, that are held at a time
SMALL = 2**16  # bytes of a body that are not counted: MAX_CONNECTIONS of them are little
RETRY_SECONDS = 5


class OverloadedError(Exception):
    """There is no place for a request; `reason` is a label of tss_requests_refused_total."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RequestLimits:
    """Middleware, inside Access: who may not call takes no place."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._places = settings.max_requests
        self._most_bytes = BODIES * settings.max_body_mb * 2**20
        self._taken: Counter[str] = Counter()
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, or answer 503."""
        kind = _kind(scope["path"]) if scope["type"] == "http" else ""
        if not kind:
            await self._app(scope, receive, send)
            return
        visit = _Visit(self, kind, receive, send)
        try:
            if scope["method"] in ("GET", "HEAD"):
                visit.enter()
            await self._app(scope, visit.receive, visit.send)
        except OverloadedError as refusal:
            self._metrics.refused(refusal.reason)
            answer = json_answer({"error": str(refusal)}, 503, {"Retry-After": str(RETRY_SECONDS)})
            await answer(scope, receive, send)
        finally:
            visit.leave()

    def take_place(self, kind: str) -> None:
        """Raise OverloadedError if there is none of this kind."""
        if self._taken[kind] >= self._places:
            raise OverloadedError(
                "busy", f"MAX_REQUESTS={self._places} {kind} are being answered or wait already: ask again later."
            )
        self._taken[kind] += 1

    def leave_place(self, kind: str) -> None:
        """Make room for the next."""
        self._taken[kind] -= 1

    def hold(self, size: int) -> None:
        """Count bytes of a body. Raises OverloadedError where they are too many."""
        if self._held_bytes + size > self._most_bytes:
            raise OverloadedError(
                "memory", f"Bodies of {self._most_bytes // 2**20} MiB (4 x MAX_BODY_MB) are here already: ask later."
            )
        self._held_bytes += size

    def let_go(self, size: int) -> None:
        """Count them no more."""
        self._held_bytes -= size


class _Visit:
    """One request between arrival and taken answer."""

    def __init__(self, limits: RequestLimits, kind: str, receive: Receive, send: Send) -> None:
        self._limits = limits
        self._kind = kind
        self._receive = receive
        self._send = send
        self._entered = False
        self._arrived = self._held = 0

    async def receive(self) -> Message:
        """Count what arrives; with the last of it the request takes its place."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._arrived += len(message.get("body", b""))
            beyond = max(0, self._arrived - SMALL) - self._held
            self._limits.hold(beyond)
            self._held += beyond
            if not message.get("more_body", False):
                self.enter()
        return message

    async def send(self, message: Message) -> None:
        """Send; the last of a large answer is said after the client has taken all but a buffer of it."""
        if len(message.get("body", b"")) > SMALL and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def enter(self) -> None:
        if not self._entered:
            self._limits.take_place(self._kind)
            self._entered = True

    def leave(self) -> None:
        self._limits.let_go(self._held)
        if self._entered:
            self._limits.leave_place(self._kind)


def _kind(path: str) -> str:
    """predictions, pages or events (and all else that Label Studio waits for); "" for what is always let in."""
    if path in NEVER_REFUSED:
        return ""
    if path == "/predict":
        return "predictions"
    return "pages" if path.startswith("/ui") or path in ("/metrics", "/openapi.json") else "events"
