"""Limits on concurrent requests; further ones are answered 503 with Retry-After before they cost anything.

A request occupies a slot from the moment its body is complete, so that slow senders hold none, until the client has
received the answer. Each kind has slots of its own: predictions never keep out events. Large bodies are counted while
they arrive.
"""

from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.json_response import json_answer
from inference.monitoring.metrics import ServerMetrics
from inference.web.probes import PROBES
from shared.settings import Settings

NEVER_REFUSED = PROBES | {"/"}
BODIES = 4  # bodies of MAX_BODY_MB each that may be in memory at once
SMALL = 2**16  # bytes of each body that are not counted: MAX_CONNECTIONS times this is little
RETRY_SECONDS = 5


class OverloadedError(Exception):
    """No slot or memory for a request; `reason` is a label of tss_requests_refused_total."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RequestLimits:
    """Middleware, inside Authentication: requests without credentials occupy no slot."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._slots = settings.max_requests
        self._most_bytes = BODIES * settings.max_body_mb * 2**20
        self._reserved: Counter[str] = Counter()
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 503."""
        kind = _kind(scope["path"]) if scope["type"] == "http" else ""
        if not kind:
            await self._app(scope, receive, send)
            return
        request = _LimitedRequest(self, kind, receive, send)
        try:
            if scope["method"] in ("GET", "HEAD"):
                request.admit()
            await self._app(scope, request.receive, request.send)
        except OverloadedError as refusal:
            self._metrics.refused(refusal.reason)
            answer = json_answer({"error": str(refusal)}, 503, {"Retry-After": str(RETRY_SECONDS)})
            await answer(scope, receive, send)
        finally:
            request.finish()

    def reserve_slot(self, kind: str) -> None:
        """Raises OverloadedError if all slots of this kind are taken."""
        if self._reserved[kind] >= self._slots:
            raise OverloadedError(
                "busy", f"MAX_REQUESTS={self._slots} {kind} are being answered or are waiting: try again later."
            )
        self._reserved[kind] += 1

    def release_slot(self, kind: str) -> None:
        """Free a slot."""
        self._reserved[kind] -= 1

    def reserve_bytes(self, size: int) -> None:
        """Count bytes of a body. Raises OverloadedError if all bodies together exceed the limit."""
        if self._held_bytes + size > self._most_bytes:
            raise OverloadedError(
                "memory",
                f"Bodies of {self._most_bytes // 2**20} MiB (4 x MAX_BODY_MB) are in memory already: try again later.",
            )
        self._held_bytes += size

    def release_bytes(self, size: int) -> None:
        """Stop counting these bytes."""
        self._held_bytes -= size


class _LimitedRequest:
    """One request, from its arrival until its answer is received."""

    def __init__(self, limits: RequestLimits, kind: str, receive: Receive, send: Send) -> None:
        self._limits = limits
        self._kind = kind
        self._receive = receive
        self._send = send
        self._admitted = False
        self._arrived = self._held = 0

    async def receive(self) -> Message:
        """Count what arrives; once the body is complete, reserve a slot."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._arrived += len(message.get("body", b""))
            beyond = max(0, self._arrived - SMALL) - self._held
            self._limits.reserve_bytes(beyond)
            self._held += beyond
            if not message.get("more_body", False):
                self.admit()
        return message

    async def send(self, message: Message) -> None:
        """Send. The end of a large answer is sent separately, once all but a buffer of it has left."""
        if len(message.get("body", b"")) > SMALL and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def admit(self) -> None:
        if not self._admitted:
            self._limits.reserve_slot(self._kind)
            self._admitted = True

    def finish(self) -> None:
        self._limits.release_bytes(self._held)
        if self._admitted:
            self._limits.release_slot(self._kind)


def _kind(path: str) -> str:
    """predictions, pages or events (and everything else Label Studio waits for); "" for what is always admitted."""
    if path in NEVER_REFUSED:
        return ""
    if path == "/predict":
        return "predictions"
    return "pages" if path.startswith("/ui") or path in ("/metrics", "/openapi.json") else "events"
