"""Pages as HTML or as JSON, with guards, compressed, and not sent again where the browser has them already."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from inference import formatting
from inference.json_response import json_answer
from inference.status import charts
from inference.version import program_version
from shared.labelling.colors import PALETTE, is_light
from shared.reporting import template_environment

HERE = Path(__file__).parent
STATIC = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "recording.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
GUARDS = {
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Encoding",
}


class ErrorPage(msgspec.Struct, rename={"program_version": "release"}, frozen=True, kw_only=True):
    """Why a page cannot be shown."""

    error: str
    program_version: str


class Responses:
    """Makes the answers of the pages' routes."""

    def __init__(self) -> None:
        self.files = {name: (HERE / "static" / name).read_bytes() for name in STATIC}
        self._templates = template_environment(HERE / "templates")
        asset_digest = hashlib.sha256(b"".join(self.files.values())).hexdigest()[:8]
        self._templates.globals |= {
            "asset_digest": asset_digest,
            "PALETTE": PALETTE,
            **{
                each.__name__: each
                for each in (
                    formatting.ago,
                    formatting.counted,
                    formatting.duration,
                    formatting.iso,
                    formatting.figure,
                    formatting.signed,
                    formatting.size,
                    charts.signal,
                    charts.limits,
                    charts.bars,
                    charts.marks,
                    charts.place,
                    charts.zooms,
                    charts.address,
                    charts.raised,
                    charts.without,
                    charts.hidden,
                    is_light,
                )
            },
        }

    def page(
        self,
        request: Request,
        template: str,
        page: Any,
        *,
        root: str,
        twin: str = "",
        status: int = 200,
        notice: str = "",
        **more: Any,
    ) -> Response:
        """A page as HTML or as JSON; 304 where the browser has it already."""
        if wants_json(request):
            return packed(request, json_answer(page, status, GUARDS))
        text = self._templates.get_template(template).render(page=page, root=root, twin=twin, notice=notice, **more)
        tag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        headers = {**GUARDS, "ETag": tag}
        if status == 200 and request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        return packed(request, Response(text, status, headers, media_type="text/html"))

    def failure(self, request: Request, sentence: str, status: int, back: str) -> Response:
        """A sentence in place of a page; `back` is where to go from there."""
        if wants_json(request):
            return json_answer({"error": sentence}, status, GUARDS)
        depth = request.url.path.rpartition("/ui/")[2].count("/")
        page = ErrorPage(error=sentence, program_version=program_version())
        root = "../" * depth or "./"
        return self.page(request, "error.html", page, root=root, twin=root, status=status, back=back)


def wants_json(request: Request) -> bool:
    """Whether a request asks for a page's JSON twin."""
    if request.url.path.endswith(".json"):
        return True
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def packed(request: Request, response: Response) -> Response:
    """Compressed where the browser can read that and it pays."""
    if "gzip" in request.headers.get("accept-encoding", "") and len(response.body) > 1024:
        response.body = gzip.compress(bytes(response.body), compresslevel=4)
        headers = MutableHeaders(raw=response.raw_headers)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(response.body))
    return response
