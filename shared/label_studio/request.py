"""Requests to Label Studio: a reply, or an error whose message says why there is none."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec
from urllib3.exceptions import HTTPError

from shared.errors import LabelStudioError, RefusedError
from shared.json_decoding import decode_json
from shared.net.connections import Connections, describe_error, read_body
from shared.net.urls import Url

T = TypeVar("T")

QUOTED = 100  # characters of a foreign answer in an error message
MAX_RESPONSE_BYTES = 2**28  # bytes; a page of 100 annotated tasks has about 0.5 MB


class Reply(NamedTuple):
    """Label Studio's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def detail(self) -> str:
        """Label Studio's own error message; empty if the body does not have its form."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return ""
        return str(found.get("detail", "")) if isinstance(found, dict) else ""

    def decode(self, kind: type[T]) -> T:
        """The body as `kind`. Raises msgspec.MsgspecError or UnicodeDecodeError."""
        return decode_json(self.body, kind, strict=False)


def send_request(
    connections: Connections,
    base_url: Url,
    method: str,
    path: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
) -> Reply:
    """Send a request to the Label Studio at `base_url` (its target is the path prefix) and read the answer.

    Raises LabelStudioError if there is no reply, if it is incomplete or if it is a redirect.
    """
    url = base_url._replace(target=request_target(base_url, path))
    sent = None if body is None else msgspec.json.encode(body)
    head = {"Accept": "application/json", **(headers or {})}
    if sent is not None:
        head["Content-Type"] = "application/json"
    try:
        response = connections.open(url, base_url.host, method=method, headers=head, body=sent, seconds=seconds)
        content = read_body(response, MAX_RESPONSE_BYTES, f"The answer to {method} {url.display}", "this program")
    except HTTPError as error:
        raise LabelStudioError(
            f"Label Studio at {display_url(base_url)} was not reached: {describe_error(error, seconds)}; "
            "start it, or set LABEL_STUDIO_HOST to an address that can be reached from here."
        ) from error
    except RefusedError as error:
        raise LabelStudioError(str(error)) from error
    if 300 <= response.status < 400:
        place = response.headers.get("Location", "another address").partition("?")[0][:QUOTED]
        raise LabelStudioError(
            f"{display_url(base_url)} redirects to {place}; "
            "set LABEL_STUDIO_HOST to the address at the end of the redirects."
        )
    return Reply(response.status, response.headers, content)


def request_target(base_url: Url, path: str) -> str:
    """Request target of a path in Label Studio; the path may already start with the prefix of `base_url`."""
    prefix = base_url.target.rstrip("/")
    return path if prefix and path.startswith(prefix + "/") else prefix + path


def display_url(base_url: Url) -> str:
    """Label Studio's address for messages."""
    return base_url.display.rstrip("/")
