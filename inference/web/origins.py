"""Which web pages may talk to this server: none but its own.

Two things are refused. A request under a foreign host name, where no credentials are set: by DNS rebinding a page could
otherwise read this server under a name of its own (https://en.wikipedia.org/wiki/DNS_rebinding). And, always, a request
that changes something and that a browser sends for a page of another origin: a POST needs no preflight.
"""

import ipaddress
import logging

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from inference.web.probes import PROBES
from shared.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SHOWN = 100  # characters of a foreign header that are quoted

log = logging.getLogger(__name__)


class OriginCheck:
    """Middleware, behind authentication. PROBES answer under any name: probes ask for them."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any_host = bool(settings.basic_auth_user)  # a page cannot know the credentials, whatever its name
        self._hosts = {settings.host.lower(), *settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or hand on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = ""
        if scope["path"] not in PROBES and not self._any_host:
            refusal = self._foreign_host(headers)
        if not refusal and scope["method"] not in SAFE_METHODS:
            refusal = foreign_page(headers)
        if refusal:
            log.warning("Refused %s %s: %s", scope["method"], scope["path"][:SHOWN], refusal)
            await JSONResponse({"error": refusal}, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _foreign_host(self, headers: Headers) -> str:
        """Why the name under which this server was asked is not its own; "" if it is."""
        for text in headers.getlist("host"):
            name = host_name(text)
            if not (name in self._hosts or _is_loopback_name(name) or _is_address(name)):
                return (
                    f"This server does not answer to the host name {text[:SHOWN]!r}. If it is its name, add it to "
                    "ALLOWED_HOSTS, or set BASIC_AUTH_USER and BASIC_AUTH_PASS."
                )
        return ""


def foreign_page(headers: Headers) -> str:
    """Why a request comes from a page of another origin; "" if it comes from a page of this server or from a program.

    `Sec-Fetch-Site: same-origin` is enough: a proxy in front may rewrite Host, no page can set this header.
    Source: https://www.w3.org/TR/fetch-metadata/
    """
    fetched = headers.get("sec-fetch-site", "")
    if fetched in ("same-origin", "none"):
        return ""
    origin = headers.get("origin")
    if fetched == "cross-site" or (origin is not None and not _is_own(origin, headers.get("host", ""))):
        shown = f"of {origin[:SHOWN]!r}" if origin else "of another origin"
        return f"A page {shown} sent this request; only pages of this server may. Open the page by its own address."
    return ""


def host_name(host: str) -> str:
    """The name in a Host header, without port and in lower case; IPv6 addresses without their brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _is_own(origin: str, host: str) -> bool:
    scheme, separator, authority = origin.lower().partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    if not separator or default is None or not authority:
        return False
    return authority.removesuffix(default) == host.strip().lower().removesuffix(default)


def _is_loopback_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    """Whether this is an address itself: rebinding needs a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
