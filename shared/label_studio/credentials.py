"""Authentication towards Label Studio: a legacy token, a personal access token, or the token of /setup."""

import base64
import ipaddress
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Literal

from shared.errors import LabelStudioError, RefusedError, SettingsError
from shared.label_studio.request import display_url, send_request
from shared.label_studio.token_file import TokenFile
from shared.net.connections import Connections
from shared.net.urls import Url, read_url
from shared.settings import Settings

Kind = Literal["none", "legacy", "personal"]

KEY = "LABEL_STUDIO_API_KEY"
LIFETIME = 300.0  # s an access token lives in Label Studio 1.23
REFRESH_SECONDS = 20.0  # s for one token refresh
ADOPT_SECONDS = 5.0  # s for one answer about the token of a /setup

_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_PRINTABLE = re.compile(r"[!-~]{1,4096}")


def token_kind(token: str) -> Kind:
    """Kind of a token by its form: a JWT is personal, anything else (40 hex digits) is legacy."""
    if not token:
        return "none"
    return "personal" if _JWT.fullmatch(token) else "legacy"


class Credentials:
    """Label Studio's address and token, for any number of threads. No token is written to disk but to `token_file`."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        token_file: TokenFile | None = None,
    ) -> None:
        """token_file: where a token of /setup outlives this process; None: nowhere."""
        self._connections = connections
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._base_url = _read_base_url(settings.label_studio_host)
        self._token = settings.label_studio_api_key
        self._adopted = False
        self._token_file = token_file
        if token_file is not None and not self._token:
            self._token = token_file.read(display_url(self._base_url))
            self._adopted = bool(self._token)
        self._access = ""
        self._renew_at = 0.0

    @property
    def base_url(self) -> Url:
        """Where Label Studio is; the target is its path prefix."""
        return self._base_url

    @property
    def kind(self) -> Kind:
        """Which kind of token is in use."""
        return token_kind(self._token)

    @property
    def adopted(self) -> bool:
        """Whether the token came with /setup."""
        return self._adopted

    def headers(self) -> dict[str, str]:
        """The Authorization header, empty without a token; a personal token is exchanged for an access token.

        Raises LabelStudioError if Label Studio does not issue one.
        """
        token = self._token
        match token_kind(token):
            case "none":
                return {}
            case "legacy":
                return {"Authorization": f"Token {token}"}
            case _:
                return {"Authorization": f"Bearer {self._fresh_access()}"}

    def discard_access_token(self, headers: dict[str, str]) -> bool:
        """Discard the access token of refused `headers`. True if a retry with a new one may succeed."""
        with self._lock:
            if token_kind(self._token) != "personal":
                return False
            if headers.get("Authorization") == f"Bearer {self._access}":
                self._access = ""
            return True

    def may_adopt(self, hostname: str, access_token: str) -> bool:
        """Whether the token of a /setup would be used if Label Studio accepts it.

        Only without LABEL_STUDIO_API_KEY, and only if `hostname` is the host and port of LABEL_STUDIO_HOST: a /setup
        may carry a token, never another address.
        """
        if (self._token and not self._adopted) or not _PRINTABLE.fullmatch(access_token):
            return False
        try:
            given = _read_base_url(hostname)
        except SettingsError:
            return False
        ours = self._base_url
        return given.port == ours.port and (
            given.host == ours.host or (is_loopback(given.host) and is_loopback(ours.host))
        )

    def adopt(self, hostname: str, access_token: str) -> bool:
        """Use the token of a /setup once LABEL_STUDIO_HOST has accepted it; whether it is new.

        A token that works is never replaced. Asks Label Studio, for up to two times ADOPT_SECONDS.
        """
        if not self.may_adopt(hostname, access_token) or access_token == self._token:
            return False
        if self._adopted and self._is_accepted(self._token) is not False:
            return False
        if not self._is_accepted(access_token):
            return False
        with self._lock:
            self._token, self._adopted, self._access = access_token, True, ""
        if self._token_file is not None:
            self._token_file.write(display_url(self._base_url), access_token)
        return True

    def refused(self, status: int) -> None:
        """Label Studio refused the token: one that was kept over restarts is deleted after a 401."""
        if status == 401 and self._adopted and self._token_file is not None:
            self._token_file.delete()

    def _is_accepted(self, token: str) -> bool | None:
        """Whether Label Studio knows the user of a token; None if it does not say."""
        try:
            kind, sent = "Token", token
            if token_kind(token) == "personal":
                kind, sent = "Bearer", self._exchange_token(token, ADOPT_SECONDS)
            reply = send_request(
                self._connections,
                self._base_url,
                "GET",
                "/api/current-user/whoami",
                headers={"Authorization": f"{kind} {sent}"},
                seconds=ADOPT_SECONDS,
            )
            if reply.status in (401, 403):
                return False
            return True if reply.status == 200 and isinstance(json.loads(reply.body)["id"], int) else None
        except (LabelStudioError, ValueError, LookupError, TypeError):
            return None

    def environment(self) -> dict[str, str]:
        """Environment variables with the same address and token, for a child process."""
        with self._lock:
            return {"LABEL_STUDIO_HOST": display_url(self._base_url), KEY: self._token}

    def explain_refusal(self, status: int, detail: str) -> str:
        """One sentence for a 401 or 403 of Label Studio: what it means and what to do."""
        place = f"Label Studio at {display_url(self._base_url)}"
        ours = "the token that it sent when it connected" if self._adopted else f"the token in {KEY}"
        if status == 403:
            return f"{place} does not let the user of {ours} do this; use the token of a user who may."
        if self.kind == "none":
            return f"{place} asks for a token; set {KEY} to one from its page Account & Settings."
        if "legacy token authentication has been disabled" in detail:
            return (
                f"{place} refuses {ours}: legacy tokens are disabled in its organization; "
                f"set {KEY} to a personal access token, or enable legacy tokens there."
            )
        if self.kind == "personal":
            return (
                f"{place} refuses {ours}: it was revoked, or personal access tokens are disabled in the organization; "
                f"set {KEY} to a new one from its page Account & Settings."
            )
        remedy = (
            f"connect the model again, or set {KEY}" if self._adopted else "copy it again, and check LABEL_STUDIO_HOST"
        )
        return f"{place} does not know {ours}; {remedy}."

    def _fresh_access(self) -> str:
        with self._lock:
            if not self._access or self._monotonic() >= self._renew_at:
                asked_at = self._monotonic()
                self._access = self._exchange_token(self._token, REFRESH_SECONDS)
                lifetime = _lifetime(self._access)
                self._renew_at = asked_at + lifetime - min(60.0, lifetime / 5)
            return self._access

    def _exchange_token(self, token: str, seconds: float) -> str:
        reply = send_request(
            self._connections,
            self._base_url,
            "POST",
            "/api/token/refresh/",
            body={"refresh": token},
            seconds=seconds,
        )
        if reply.status in (401, 403) and reply.detail:
            self.refused(401)
            raise LabelStudioError(self.explain_refusal(401, reply.detail))
        try:
            access = json.loads(reply.body)["access"]
        except (ValueError, LookupError, TypeError):
            access = ""
        if reply.status != 200 or not isinstance(access, str) or not _JWT.fullmatch(access):
            raise LabelStudioError(
                f"{display_url(self._base_url)} answered {reply.status} to POST /api/token/refresh/, without an access "
                "token; "
                "expected a Label Studio that supports personal access tokens: check LABEL_STUDIO_HOST."
            )
        return access


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _read_base_url(text: str) -> Url:
    try:
        url = read_url(text)
    except RefusedError as error:
        raise SettingsError(f"LABEL_STUDIO_HOST cannot be used: {error}") from None
    return url._replace(target=url.path.rstrip("/"))


def _lifetime(access: str) -> float:
    """Seconds an access token lives by Label Studio's own clock, which may differ from ours."""
    part = access.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return max(1.0, float(claims["exp"]) - float(claims["iat"]))
    except (ValueError, LookupError, TypeError):
        return LIFETIME
