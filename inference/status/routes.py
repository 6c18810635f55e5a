"""The pages' routes: HTML for people, the same as JSON for programs, and the few actions, guarded."""

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from inference.monitoring.drawing import Window
from inference.operations import ThreadPools, Trainings, Versions
from inference.operations.labels import Labels
from inference.server_url import server_url
from inference.status.actions import LARGEST_NUMBER, NOTICES, Actions
from inference.status.pages import Pages
from inference.status.responses import GUARDS, STATIC, Responses, packed
from inference.status.tasks_page import FILTERS, SORTS
from shared.digits import read_digits
from shared.errors import SegmenterError, StoreError
from shared.settings import Settings

LONGEST_SEARCH = 100
MOST_CHANNELS = 64  # drawn at once
REPORT_GUARDS = {
    **GUARDS,
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
}


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
    responses = Responses()
    pages = StatusPages(settings, pools, page_builders, versions, responses)
    actions = Actions(settings, pools, responses, trainings, versions, labels)
    project = "/ui/projects/{project:project}"
    return [
        Route("/ui", pages.enter),
        Route("/ui/", pages.overview),
        Route("/ui/index.json", pages.overview),
        Route("/ui/static/{name}", pages.static),
        Route(f"{project}.json", pages.project),
        Route(project, pages.project),
        Route(f"{project}/tasks.json", pages.tasks),
        Route(f"{project}/tasks", pages.tasks),
        Route(f"{project}/task.json", pages.task),
        Route(f"{project}/task", pages.task),
        Route(f"{project}/versions/{{version}}/report.html", pages.report),
        Route(f"{project}/{{action}}", actions.act, methods=["POST"]),
    ]


class StatusPages:
    """One method a route."""

    def __init__(
        self, settings: Settings, pools: ThreadPools, pages: Pages, versions: Versions, responses: Responses
    ) -> None:
        self._settings = settings
        self._pools = pools
        self._pages = pages
        self._versions = versions
        self._responses = responses

    async def enter(self, _: Request) -> Response:
        """To the overview."""
        return RedirectResponse("ui/", 307)

    async def static(self, request: Request) -> Response:
        """Style, scripts, icon."""
        name = request.path_params["name"]
        if name not in STATIC:
            return self._responses.failure(request, "There is no such file.", 404, "../")
        headers = {**GUARDS, "Cache-Control": "public, max-age=86400"}
        return packed(request, Response(self._responses.files[name], headers=headers, media_type=STATIC[name]))

    async def overview(self, request: Request) -> Response:
        """The first page."""
        root = request.headers.get("host", f"localhost:{self._settings.port}")
        address = server_url(self._settings, seen=f"{request.url.scheme}://{root}")
        query = request.query_params
        shown = "attention" if query.get("shown") == "attention" else "all"

        def work() -> Response:
            page = self._pages.overview.build(
                address, page=_page(query.get("page")), shown=shown, search=query.get("search", "")[:LONGEST_SEARCH]
            )
            twin = f"index.json?{request.url.query}" if request.url.query else "index.json"
            return self._responses.page(request, "overview.html", page, root="./", twin=twin)

        return await self._pools.run_in_page_pool(work)

    async def project(self, request: Request) -> Response:
        """All about one project."""
        number = request.path_params["project"]

        def work() -> Response:
            page = self._pages.project.build(number) if number < LARGEST_NUMBER else None
            if page is None:
                return self._unknown(request, "../")
            notice = NOTICES.get(request.query_params.get("done", ""), "")
            return self._responses.page(request, "project.html", page, root="../", twin=f"{number}.json", notice=notice)

        return await self._pools.run_in_page_pool(work)

    async def tasks(self, request: Request) -> Response:
        """The table of tasks."""
        number, query = request.path_params["project"], request.query_params
        sort = query.get("sort", "score")
        sort = sort if sort in SORTS else "score"
        shown = query.get("shown", "all")

        def work() -> Response:
            page = None
            if number < LARGEST_NUMBER:
                page = self._pages.tasks.build(
                    number,
                    sort=sort,
                    order="desc" if query.get("order") == "desc" else "asc",
                    shown=shown if shown in FILTERS else "all",
                    search=query.get("search", "")[:LONGEST_SEARCH],
                    annotator=query.get("annotator", "")[:LONGEST_SEARCH],
                    page=_page(query.get("page")),
                )
            if page is None:
                return self._unknown(request, "../../")
            twin = f"tasks.json?{request.url.query}" if request.url.query else "tasks.json"
            return self._responses.page(request, "tasks.html", page, root="../../", twin=twin, filters=FILTERS)

        return await self._pools.run_in_page_pool(work)

    async def task(self, request: Request) -> Response:
        """One task: why it gets this result, and its recording."""
        number = request.path_params["project"]
        asked = [_number(request.query_params.get(name), least) for name, least in WINDOW.items()]
        task, first, last = asked
        if task is None or first is None or last is None or number >= LARGEST_NUMBER:
            return self._responses.failure(
                request, "Expected ?number=12, the number of a task in Label Studio.", 400, f"../{number}"
            )
        try:
            window = Window(
                first=first,
                last=last,
                channels=_channels(request.query_params.get("channels", "")),
                together=request.query_params.get("plot") == "together",
            )
            built = await self._pages.task.build(number, task, window)
        except SegmenterError as error:
            status = 503 if isinstance(error, StoreError) else 409
            return self._responses.failure(request, str(error), status, f"../{number}")
        if built is None:
            return self._unknown(request, "../")
        page, palette = built
        twin = f"task.json?number={task}"
        return await self._pools.run_in_page_pool(
            lambda: self._responses.page(request, "task.html", page, root="../../", twin=twin, colors=palette)
        )

    async def report(self, request: Request) -> Response:
        """A version's report as training wrote it, in a sandbox of its own."""
        number, version = request.path_params["project"], request.path_params["version"]
        try:
            data = await self._pools.run_in_page_pool(self._versions.report_html, number, version)
        except SegmenterError as error:
            return self._responses.failure(request, str(error), 404, "../../")
        if data is None:
            return self._responses.failure(request, f"Version {version} has no report.", 404, "../../")
        return packed(request, Response(data, headers=REPORT_GUARDS, media_type="text/html"))

    def _unknown(self, request: Request, back: str) -> Response:
        number = request.path_params["project"]
        return self._responses.failure(
            request, f"Project {number} is not known: connect it in Label Studio.", 404, back
        )


WINDOW = {"number": 1, "first": 0, "last": -1}  # query of a task's page ► least, and default but for the number


def _number(text: str | None, least: int) -> int | None:
    """A number from a query; its default where there is none, None where it is none or out of bounds."""
    if text is None:
        return None if least == 1 else least
    digits = text.removeprefix("-") if least < 0 else text
    if read_digits(digits, 15) is None:
        return None
    return int(text) if int(text) >= least else None


def _channels(text: str) -> tuple[int, ...]:
    """Numbers of channels, separated by commas; what is none is left out."""
    numbers = (read_digits(each, 4) for each in text.split(",", MOST_CHANNELS)[:MOST_CHANNELS])
    return tuple(each for each in numbers if each is not None)


def _page(text: str | None) -> int:
    """Number of a page, 1 where it is none."""
    return read_digits(text or "", 9) or 1
