"""What is accepted at the same time is bounded, by kind."""

import asyncio
from collections.abc import Sequence

from starlette.types import Message, Receive, Scope, Send

from inference.json_response import json_answer
from inference.monitoring.metrics import ServerMetrics
from inference.web.request_limits import RequestLimits
from shared.settings import Settings


class HeldApp:
    """Answers 200 once it is released."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self.released = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.held.append(scope["path"])
        await self.released.wait()
        await json_answer({}, 200)(scope, receive, send)


async def request(limits: RequestLimits, path: str) -> int:
    """Status of the answer to a POST."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await limits({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
    return statuses[0]


async def answers(paths: Sequence[str]) -> tuple[list[str], list[int], list[int]]:
    """Paths that were held, statuses of the requests, and statuses of the same ones once the first have ended."""
    app = HeldApp()
    limits = RequestLimits(app, Settings(max_requests=2), ServerMetrics("1"))
    asked = [asyncio.create_task(request(limits, path)) for path in paths]
    for _ in range(20):  # turns of the loop: each request needs two
        await asyncio.sleep(0)
    held = list(app.held)
    app.released.set()
    first = list(await asyncio.gather(*asked))
    return held, first, [await request(limits, path) for path in paths]


def test_no_more_requests_of_a_kind_than_its_places_are_accepted_at_a_time() -> None:
    paths = ["/predict", "/predict", "/predict", "/webhook", "/webhook", "/setup", "/health"]
    held, first, later = asyncio.run(answers(paths))
    assert held == ["/predict", "/predict", "/webhook", "/webhook", "/health"]
    assert first == [200, 200, 503, 200, 200, 503, 200]
    assert later == [200] * len(paths)
