"""Reading bounded request bodies, writing JSON responses."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from shared.digits import read_digits


class BodyTooLargeError(Exception):
    """A body larger than MAX_BODY_MB: answered 413."""


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request. Raises BodyTooLargeError as soon as it exceeds `limit` bytes."""
    announced = read_digits(request.headers.get("content-length", ""))
    if announced is not None and announced > limit:
        raise BodyTooLargeError
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > limit:
            raise BodyTooLargeError
    return bytes(chunks)


def json_answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with `content` encoded as JSON."""
    return encoded_answer(msgspec.json.encode(content), status, headers)


def encoded_answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with a body that is JSON already."""
    return Response(body, status, headers, media_type="application/json")
