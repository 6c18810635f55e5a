"""Basic authentication, and the secret path prefix required for events."""

import base64
import binascii
import hmac
import logging

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from inference.web.login_limit import WINDOW_SECONDS, LoginLimit
from inference.web.probes import PROBES
from shared.settings import Settings

EVENTS = "/webhook"

log = logging.getLogger(__name__)


class Authentication:
    """Middleware. Events are let through here: /webhook itself looks at `state.authorized` for what needs credentials.

    With WEBHOOK_SECRET, `/<secret>/anything` means `/anything`, and events are accepted under that prefix only.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._credentials = _encodings(settings.basic_auth_user, settings.basic_auth_pass)
        self._logins = LoginLimit()
        self._prefix = f"/{settings.webhook_secret}" if settings.webhook_secret else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope, secret_given = self._without_prefix(scope)
        path = scope["path"]
        given = Headers(scope=scope).get("authorization", "")
        address = scope["client"][0] if scope.get("client") else ""
        allowed = not given or self._logins.allows(address, given)
        authorized = allowed and self._is_authorized(given)
        if self._credentials and given and allowed:
            self._logins.succeeded(address, given) if authorized else self._logins.failed(address)
        scope.setdefault("state", {})["authorized"] = authorized
        response = None
        if path == EVENTS and self._prefix and not secret_given:
            log.warning("An event was refused: its path does not carry WEBHOOK_SECRET.")
            response = JSONResponse(
                {"error": "Events are accepted under the secret path only: connect http://host:port/WEBHOOK_SECRET."},
                403,
            )
        elif path not in PROBES and path != EVENTS and not authorized:
            response = unauthorized() if allowed else too_many_logins()
        await (response or self._app)(scope, receive, send)

    def _is_authorized(self, given: str) -> bool:
        """Whether an Authorization header carries BASIC_AUTH_USER and BASIC_AUTH_PASS, or none are set."""
        if not self._credentials:
            return True
        scheme, _, encoded = given.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            decoded = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return any(hmac.compare_digest(decoded, expected) for expected in self._credentials)

    def _without_prefix(self, scope: Scope) -> tuple[Scope, bool]:
        path: str = scope["path"]
        head, rest = path[: len(self._prefix)], path[len(self._prefix) :]
        if not self._prefix or not (rest == "" or rest.startswith("/")):
            return scope, False
        if not hmac.compare_digest(head.encode(), self._prefix.encode()):
            return scope, False
        root = scope.get("root_path", "")
        return {**scope, "path": rest or "/", "raw_path": (rest or "/").encode(), "root_path": root}, True


def _encodings(user: str, password: str) -> list[bytes]:
    """Accepted encodings: UTF-8, sent by browsers, and latin-1, sent by Label Studio; empty without a user."""
    if not user:
        return []
    text = f"{user}:{password}"
    try:
        return [text.encode(), text.encode("latin-1")]
    except UnicodeEncodeError:
        return [text.encode()]


def unauthorized() -> JSONResponse:
    """401 with the remedy."""
    return JSONResponse(
        {"error": "BASIC_AUTH_USER and BASIC_AUTH_PASS are set here: give them in Label Studio, Settings > Model."},
        401,
        headers={"WWW-Authenticate": 'Basic realm="time series segmenter"'},
    )


def too_many_logins() -> JSONResponse:
    """429 with the remedy."""
    return JSONResponse(
        {"error": "Too many logins with wrong credentials came from this address: wait a minute, then try again."},
        429,
        headers={"Retry-After": f"{WINDOW_SECONDS:g}"},
    )
