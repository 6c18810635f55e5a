"""Responses to failed requests: a status and a sentence, in JSON."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from inference.json_response import BodyTooLargeError, json_answer
from inference.serving.protocol import RequestError
from shared.errors import StoreError
from shared.settings import Settings

Handler = Callable[[Request, Any], Response]

log = logging.getLogger(__name__)


def handlers(settings: Settings, refused: Callable[[str], object]) -> Mapping[Any, Handler]:
    """A handler for each kind of error. `refused` is called with the limit that a request exceeded."""

    def too_large(request: Request, error: BodyTooLargeError) -> Response:
        refused("body")
        sentence = f"The body is larger than MAX_BODY_MB={settings.max_body_mb}: send fewer tasks at a time."
        return json_answer({"error": sentence}, 413, {"Connection": "close"})

    return {
        RequestError: _bad_request,
        BodyTooLargeError: too_large,
        StoreError: _store_unreachable,
        ClientDisconnect: _disconnected,
        HTTPException: _http_error,
        Exception: _unexpected,
    }


def _bad_request(request: Request, error: RequestError) -> Response:
    return json_answer({"error": str(error)}, 400)


def _store_unreachable(request: Request, error: StoreError) -> Response:
    log.error("%s", error)
    return json_answer({"error": str(error)}, 503, {"Retry-After": "5"})


def _disconnected(request: Request, error: ClientDisconnect) -> Response:
    return json_answer({"error": "The client disconnected before its request was read."}, 400)


def _http_error(request: Request, error: HTTPException) -> Response:
    return json_answer({"error": error.detail}, error.status_code, dict(error.headers or {}))


def _unexpected(request: Request, error: Exception) -> Response:
    return json_answer({"error": "Internal error; see the log."}, 500)
