"""The pages' routes: HTML for people, the same as JSON for programs, and the few actions, guarded."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from inference import formatting
from inference.json_response import json_answer, read_body
from inference.operations import ThreadPools, Trainings, Versions
from inference.operations.labels import Labels
from inference.server_url import server_url
from inference.status import charts
from inference.status.pages import Pages
from inference.version import program_version
from shared.digits import read_digits
from shared.errors import SegmenterError, StoreError
from shared.reporting import template_environment
from shared.settings import Settings

HERE = Path(__file__).parent
STATIC = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
LARGEST_FORM = 4096  # bytes
LARGEST_NUMBER = 10**15  # of projects, tasks, rows
GUARDS = {
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Encoding",
}
REPORT_GUARDS = {
    **GUARDS,
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
}
NOTICES = {
    "train": "A training was asked for; it starts as soon as there is room.",
    "stop": "The run was asked to stop.",
    "idle": "No run goes on.",
    "roll-back": "The version before serves again, everywhere within a second.",
    "alias": "The renamed label was confirmed; a training starts.",
    "unalias": "The label is read as itself again; a training starts.",
    "promote": "That version serves now, everywhere within a second.",
}


class ErrorPage(msgspec.Struct, rename={"program_version": "release"}, frozen=True, kw_only=True):
    """Why a page cannot be shown."""

    error: str
    program_version: str


class ProjectNumber(Convertor[int]):
    """A project's number in a path: at most 18 digits, where int() raises beyond 4,300."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        """The number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Its digits."""
        return str(value)


register_url_convertor("project", ProjectNumber())


def status_routes(
    settings: Settings,
    pools: ThreadPools,
    page_builders: Pages,
    trainings: Trainings,
    versions: Versions,
    labels: Labels,
) -> list[Route]:
    """All routes below /ui."""
    pages = StatusPages(settings, pools, page_builders, trainings, versions, labels)
    return [
        Route("/ui", pages.enter),
        Route("/ui/", pages.overview),
        Route("/ui/index.json", pages.overview),
        Route("/ui/static/{name}", pages.static),
        Route("/ui/projects/{project:project}.json", pages.project),
        Route("/ui/projects/{project:project}", pages.project),
        Route("/ui/projects/{project:project}/task.json", pages.task),
        Route("/ui/projects/{project:project}/task", pages.task),
        Route("/ui/projects/{project:project}/versions/{version}/report.html", pages.report),
        Route("/ui/projects/{project:project}/{action}", pages.act, methods=["POST"]),
    ]


class StatusPages:
    """One method a route."""

    def __init__(
        self,
        settings: Settings,
        pools: ThreadPools,
        pages: Pages,
        trainings: Trainings,
        versions: Versions,
        labels: Labels,
    ) -> None:
        self._settings = settings
        self._pools = pools
        self._pages = pages
        self._trainings = trainings
        self._versions = versions
        self._labels = labels
        self._files = {name: (HERE / "static" / name).read_bytes() for name in STATIC}
        self._templates = template_environment(HERE / "templates")
        asset_digest = hashlib.sha256(b"".join(self._files.values())).hexdigest()[:8]
        self._templates.globals |= {
            "asset_digest": asset_digest,
            "ago": formatting.ago,
            "iso": formatting.iso,
            "figure": formatting.figure,
            "size": formatting.size,
            **{each.__name__: each for each in (charts.signal, charts.limits, charts.place, charts.zooms)},
        }

    async def enter(self, _: Request) -> Response:
        """To the overview."""
        return RedirectResponse("ui/", 307)

    async def static(self, request: Request) -> Response:
        """Style, script, icon."""
        name = request.path_params["name"]
        if name not in STATIC:
            return self._fail(request, "There is no such file.", 404, "../")
        headers = {**GUARDS, "Cache-Control": "public, max-age=86400"}
        return _packed(request, Response(self._files[name], headers=headers, media_type=STATIC[name]))

    async def overview(self, request: Request) -> Response:
        """The first page."""
        root = request.headers.get("host", f"localhost:{self._settings.port}")
        shown = server_url(self._settings, seen=f"{request.url.scheme}://{root}")

        def work() -> Response:
            page = self._pages.overview.build(shown)
            return self._answer(request, "overview.html", page, root="./", twin="index.json")

        return await self._pools.run_in_page_pool(work)

    async def project(self, request: Request) -> Response:
        """All about one project."""
        number = request.path_params["project"]

        def work() -> Response:
            page = self._pages.project.build(number) if number < LARGEST_NUMBER else None
            if page is None:
                return self._fail(request, f"Project {number} is not known: connect it in Label Studio.", 404, "../")
            notice = NOTICES.get(request.query_params.get("done", ""), "")
            return self._answer(request, "project.html", page, root="../", twin=f"{number}.json", notice=notice)

        return await self._pools.run_in_page_pool(work)

    async def task(self, request: Request) -> Response:
        """One task: why it gets what it gets, and its recording."""
        number = request.path_params["project"]
        asked = [_number(request.query_params.get(name), least) for name, least in WINDOW.items()]
        task, first, last = asked
        if task is None or first is None or last is None or number >= LARGEST_NUMBER:
            return self._fail(
                request, "Expected ?number=12, the number of a task in Label Studio.", 400, f"../{number}"
            )
        try:
            built = await self._pages.task.build(number, task, (first, last))
        except SegmenterError as error:
            return self._fail(request, str(error), 503 if isinstance(error, StoreError) else 409, f"../{number}")
        if built is None:
            return self._fail(request, f"Project {number} is not known: connect it in Label Studio.", 404, "../")
        page, palette = built
        twin = f"task.json?number={task}"
        return await self._pools.run_in_page_pool(
            lambda: self._answer(request, "task.html", page, root="../../", twin=twin, colors=palette)
        )

    async def report(self, request: Request) -> Response:
        """A version's report as training wrote it, in a sandbox of its own."""
        number, version = request.path_params["project"], request.path_params["version"]
        try:
            data = await self._pools.run_in_page_pool(self._versions.report_html, number, version)
        except SegmenterError as error:
            return self._fail(request, str(error), 404, "../../")
        if data is None:
            return self._fail(request, f"Version {version} has no report.", 404, "../../")
        return _packed(request, Response(data, headers=REPORT_GUARDS, media_type="text/html"))

    async def act(self, request: Request) -> Response:
        """Train, stop, roll back, promote, confirm a renamed label or undo that."""
        number, action = request.path_params["project"], request.path_params["action"]
        back = f"../{number}"
        actions: dict[str, Callable[[int, str], str]] = {
            "train": self._train,
            "stop": self._stop,
            "roll-back": self._roll_back,
            "promote": self._promote,
            "alias": self._alias,
            "unalias": self._unalias,
        }
        if action not in actions or number >= LARGEST_NUMBER:
            return self._fail(request, "There is no such action.", 404, back)
        form = parse_qs((await read_body(request, LARGEST_FORM)).decode(errors="replace"))
        version = form.get("version", [""])[0]
        if action in ("alias", "unalias"):
            version = "\n".join(form.get(name, [""])[0] for name in ("old", "new"))
        if action == "promote" and not version:
            return self._fail(request, "Expected version=…: the one that shall serve.", 400, back)
        try:
            done = await self._pools.run_in_io_pool(actions[action], number, version)
        except StoreError as error:
            return self._fail(request, str(error), 503, back)
        except SegmenterError as error:
            return self._fail(request, str(error), 409, back)
        if _wants_json(request):
            return json_answer({"done": NOTICES[done]}, headers=GUARDS)
        return RedirectResponse(f"{back}?done={done}", 303, GUARDS)

    def _train(self, project: int, _: str) -> str:
        self._trainings.start(project)
        return "train"

    def _stop(self, project: int, _: str) -> str:
        return "stop" if self._trainings.stop(project) else "idle"

    def _roll_back(self, project: int, _: str) -> str:
        self._versions.roll_back(project)
        return "roll-back"

    def _promote(self, project: int, version: str) -> str:
        self._versions.promote(project, version)
        return "promote"

    def _alias(self, project: int, labels: str) -> str:
        old, _, new = labels.partition("\n")
        self._labels.confirm(project, old, new)
        return "alias"

    def _unalias(self, project: int, labels: str) -> str:
        self._labels.undo(project, labels.partition("\n")[0])
        return "unalias"

    def _answer(
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
        """The page as HTML or as JSON; 304 where the browser has it already."""
        if _wants_json(request):
            return _packed(request, json_answer(page, status, GUARDS))
        text = self._templates.get_template(template).render(page=page, root=root, twin=twin, notice=notice, **more)
        tag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        headers = {**GUARDS, "ETag": tag}
        if status == 200 and request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        return _packed(request, Response(text, status, headers, media_type="text/html"))

    def _fail(self, request: Request, sentence: str, status: int, back: str) -> Response:
        if _wants_json(request):
            return json_answer({"error": sentence}, status, GUARDS)
        depth = request.url.path.rpartition("/ui/")[2].count("/")
        page = ErrorPage(error=sentence, program_version=program_version())
        root = "../" * depth or "./"
        return self._answer(request, "error.html", page, root=root, twin=root, status=status, back=back)


WINDOW = {"number": 1, "first": 0, "last": -1}  # query of a task's page ► least, and default but for the number


def _number(text: str | None, least: int) -> int | None:
    """A number from a query; its default where there is none, None where it is none or out of bounds."""
    if text is None:
        return None if least == 1 else least
    digits = text.removeprefix("-") if least < 0 else text
    if read_digits(digits, 15) is None:
        return None
    return int(text) if int(text) >= least else None


def _wants_json(request: Request) -> bool:
    if request.url.path.endswith(".json"):
        return True
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _packed(request: Request, response: Response) -> Response:
    """Compressed where the browser can read that and it pays."""
    if "gzip" in request.headers.get("accept-encoding", "") and len(response.body) > 1024:
        response.body = gzip.compress(bytes(response.body), compresslevel=4)
        headers = MutableHeaders(raw=response.raw_headers)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(response.body))
    return response
