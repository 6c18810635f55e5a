"""A thin client for the part of Label Studio's API that server, doctor and reconcile need (checked against 1.23).

No hidden retries: the callers run periodically. Every method raises LabelStudioError with one sentence that says which
of host, token or permission is wrong and what to do.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from shared.errors import LabelStudioError
from shared.label_studio.credentials import Credentials
from shared.label_studio.messages import (
    AnnotationPage,
    AnnotationTotals,
    Backend,
    IdPage,
    OpenPage,
    PredictionPage,
    Project,
    StoredResult,
    TaskListPage,
    TaskPredictions,
    TaskWithAnnotations,
    TokenUser,
    UnpredictedTasks,
    Webhook,
)
from shared.label_studio.request import QUOTED, Reply, display_url, send_request
from shared.labelling.snapshots import AnnotationState, utc_text
from shared.net.connections import Connections

T = TypeVar("T")

ASK_SECONDS = 20.0  # s for one answer; a page of 100 annotated tasks took 0.7
PAGE_SIZE = 100  # tasks requested, fewer may come; larger pages save little
RECENT_TASKS = 20  # tasks looked at for the newest annotation; comments and single predictions touch tasks, too
ONE_TASK = (
    "id,data,annotations,predictions,result,created_at,updated_at,was_cancelled,ground_truth,"
    "completed_by,parent_prediction,lead_time,last_action"
)
WITHOUT_DRAFT = {"filter": "filter:tasks:draft_exists", "operator": "equal", "type": "Boolean", "value": False}
ANNOTATED = {"filter": "filter:tasks:total_annotations", "operator": "greater", "type": "Number", "value": 0}


class LabelStudio:
    """Label Studio at the address and with the token of `credentials`, for any number of threads."""

    def __init__(self, credentials: Credentials, connections: Connections) -> None:
        self._credentials = credentials
        self._connections = connections

    @property
    def has_token(self) -> bool:
        """Whether there is a token to ask with."""
        return self._credentials.kind != "none"

    def version(self) -> str:
        """Label Studio's version; needs no token. Raises LabelStudioError if something else answers there."""
        reply = self._ask("GET", "/api/version", authenticated=False)
        found = _decode(reply, dict[str, Any]) or {}
        release = found.get("release") or found.get("label-studio-os-package", {}).get("version")
        if reply.status != 200 or not release:
            raise self._unexpected_response("GET /api/version", reply)
        return str(release)

    def whoami(self) -> TokenUser:
        """Whose token it is."""
        return self._read("/api/current-user/whoami", TokenUser)

    def project(self, project: int) -> Project | None:
        """A project; None if it does not exist or the user of the token may not see it."""
        include = ",".join(Project.__struct_fields__)
        reply = self._ask("GET", f"/api/projects/{project}/", {"include": include})
        return None if reply.status == 404 else self._expect(reply, Project, f"GET /api/projects/{project}/")

    def backends(self, project: int) -> list[Backend]:
        """Models connected to a project. Label Studio calls /health and /setup of each before it answers."""
        return self._read("/api/ml", list[Backend], {"project": project})

    def webhooks(self, project: int) -> list[Webhook]:
        """Webhooks of a project and those of the whole organization."""
        return self._read("/api/webhooks/", list[Webhook], {"project": project})

    def annotation_totals(self, project: int) -> AnnotationTotals:
        """Counts of a project's annotations and the time of the newest, with one small request."""
        page = self._annotated(project, [ANNOTATED], "-tasks:updated_at", RECENT_TASKS)
        newest = max((state.updated_at for task in page.tasks for state in task.annotation_states()), default="")
        since = utc_text(page.tasks[-1].updated_at) if len(page.tasks) < page.total else ""
        return AnnotationTotals(page.total, page.total_annotations, newest, since)

    def annotation_states(self, project: int) -> list[AnnotationState]:
        """The state of each annotation. Pages follow task ids: tasks added or deleted meanwhile shift nothing."""
        found: list[AnnotationState] = []
        last: int | None = 0
        while last is not None:
            page = self._annotated(project, [ANNOTATED, after(last)], "tasks:id", PAGE_SIZE)
            for task in page.tasks:
                found += task.annotation_states()
            last = next_page([task.id for task in page.tasks], page.total, last)
        return found

    def tasks_without_prediction(
        self, project: int, version: str, *, only_unlabelled: bool = True, start: int = 0, end: int | None = None
    ) -> Iterator[UnpredictedTasks]:
        """Tasks with ids above `start`, up to and with `end`, that have no prediction of `version`, page by page.

        Each page is requested when the one before was consumed, so that predictions stored meanwhile count.
        """
        looked_at = 0
        last: int | None = start
        total: int | None = None
        filters = [{**ANNOTATED, "operator": "equal"}] if only_unlabelled else []
        if end is not None:
            filters.append({**after(end + 1), "operator": "less"})
        while last is not None:
            query = _query([*filters, after(last)], "tasks:id", PAGE_SIZE)
            query |= {"project": project, "include": "id,data,meta,predictions,model_version"}
            page = self._read("/api/tasks/", OpenPage, query)
            looked_at += len(page.tasks)
            total = page.total if total is None else total
            lacking = [task for task in page.tasks if all(each.model_version != version for each in task.predictions)]
            yield UnpredictedTasks(lacking, looked_at, total)
            last = next_page([task.id for task in page.tasks], page.total, last)

    def tasks_with_predictions(
        self, project: int, *, start: int = 0, end: int | None = None, without_drafts: bool = False
    ) -> Iterator[TaskPredictions]:
        """Tasks with ids above `start`, up to and with `end`, that have predictions, with what annotations were made
        from them. Label Studio's count of predictions is not asked: on SQLite it may be behind.

        without_drafts: a draft may be made from a prediction, and Label Studio does not say from which.
        """
        last: int | None = start
        filters = [] if end is None else [{**after(end + 1), "operator": "less"}]
        filters += [WITHOUT_DRAFT] if without_drafts else []
        while last is not None:
            query = _query([*filters, after(last)], "tasks:id", PAGE_SIZE)
            query |= {"project": project, "include": "id,predictions,model_version,annotations,parent_prediction"}
            page = self._read("/api/tasks/", PredictionPage, query)
            yield from (task for task in page.tasks if task.predictions)
            last = next_page([task.id for task in page.tasks], page.total, last)

    def delete_prediction(self, prediction: int) -> bool:
        """Delete a prediction; False if it is gone already."""
        path = f"/api/predictions/{prediction}/"
        reply = self._ask("DELETE", path)
        if reply.status not in (204, 404):
            raise self._unexpected_response(f"DELETE {path}", reply)
        return reply.status == 204

    def task_count(self, project: int) -> int:
        """How many tasks a project has."""
        return self._page(project, 1, "id").total

    def nth_task(self, project: int, place: int) -> int | None:
        """Id of the task at a place in the order of ids, 0 for the first; None if there are fewer."""
        page = self._page(project, place + 1, "id")
        return page.tasks[0].id if page.tasks else None

    def task(self, project: int, task: int) -> TaskWithAnnotations | None:
        """One task of a project with its annotations, None if the project has none of this id."""
        query = _query([{**after(task), "operator": "equal"}], "tasks:id", 1)
        query |= {"project": project, "include": ONE_TASK}
        page = self._read("/api/tasks/", TaskListPage, query)
        return next((each for each in page.tasks if each.id == task), None)

    def prediction(self, prediction: int) -> StoredResult | None:
        """One prediction with its regions, None if there is none of this id."""
        path = f"/api/predictions/{prediction}/"
        reply = self._ask("GET", path)
        return None if reply.status == 404 else self._expect(reply, StoredResult, f"GET {path}")

    def create_predictions(self, project: int, predictions: Sequence[dict[str, Any]]) -> int:
        """Store predictions: dicts of task, result, score and model_version. Returns how many were stored."""
        path = f"/api/projects/{project}/import/predictions"
        reply = self._ask("POST", path, body=list(predictions), seconds=100.0)
        created = self._expect(reply, dict[str, Any], f"POST {path}").get("created", 0)
        return int(created)

    def _page(self, project: int, number: int, include: str) -> IdPage:
        """One page of one task, 1 is the first."""
        query = _query([], "tasks:id", 1) | {"project": project, "include": include, "page": number}
        path = "/api/tasks/"
        reply = self._ask("GET", path, query)
        if reply.status == 404 and number > 1:  # tasks were deleted meanwhile
            return IdPage([])
        return self._expect(reply, IdPage, f"GET {path}")

    def tasks(self, project: int) -> Iterator[TaskWithAnnotations]:
        """All tasks of a project with their annotations and predictions, by id."""
        last: int | None = 0
        while last is not None:
            query = _query([after(last)], "tasks:id", PAGE_SIZE) | {"project": project, "include": ONE_TASK}
            page = self._read("/api/tasks/", TaskListPage, query)
            yield from page.tasks
            last = next_page([task.id for task in page.tasks], page.total, last)

    def create_task(self, project: int, data: Mapping[str, Any]) -> int:
        """Make a task and return its number."""
        reply = self._ask("POST", "/api/tasks/", body={"project": project, "data": dict(data)})
        return int(self._expect(reply, dict[str, Any], "POST /api/tasks/")["id"])

    def create_annotation(self, task: int, result: Sequence[dict[str, Any]], *, ground_truth: bool) -> None:
        """Store an annotation of the token's user."""
        path = f"/api/tasks/{task}/annotations/"
        body = {"result": list(result), "ground_truth": ground_truth}
        self._expect(self._ask("POST", path, body=body), dict[str, Any], f"POST {path}")

    def _annotated(self, project: int, filters: list[dict[str, Any]], ordering: str, size: int) -> AnnotationPage:
        query = _query(filters, ordering, size)
        query |= {"project": project, "include": "id,annotations,updated_at,was_cancelled,ground_truth"}
        return self._read("/api/tasks/", AnnotationPage, query)

    def _read(self, path: str, kind: type[T], query: dict[str, Any] | None = None) -> T:
        return self._expect(self._ask("GET", path, query), kind, f"GET {path}")

    def _expect(self, reply: Reply, kind: type[T], asked: str) -> T:
        if reply.status in (200, 201):
            found = _decode(reply, kind)
            if found is not None:
                return found
            raise self._unexpected_response(asked, reply)
        if not reply.detail:
            raise self._unexpected_response(asked, reply)
        raise LabelStudioError(f"{self._address} answered {reply.status} to {asked}: {reply.detail[:QUOTED]}")

    def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        *,
        body: Any = None,
        authenticated: bool = True,
        seconds: float = ASK_SECONDS,
    ) -> Reply:
        target = f"{path}?{urlencode(query)}" if query else path
        for last in (False, True):
            headers = self._credentials.headers() if authenticated else {}
            base_url = self._credentials.base_url
            reply = send_request(
                self._connections, base_url, method, target, headers=headers, body=body, seconds=seconds
            )
            if not (reply.status == 401 and not last and self._credentials.discard_access_token(headers)):
                break
        if reply.status in (401, 403) and reply.detail:
            if authenticated:
                self._credentials.refused(reply.status)
            raise LabelStudioError(self._credentials.explain_refusal(reply.status, reply.detail))
        if reply.status == 404 and not reply.detail:
            raise self._unexpected_response(f"{method} {path}", reply)
        return reply

    @property
    def _address(self) -> str:
        return f"Label Studio at {display_url(self._credentials.base_url)}"

    def _unexpected_response(self, asked: str, reply: Reply) -> LabelStudioError:
        if reply.status >= 500:
            return LabelStudioError(
                f"{self._address} answered {reply.status} to {asked}; it may be starting; otherwise see its log."
            )
        kind = reply.headers.get("Content-Type", "nothing known").partition(";")[0][:QUOTED]
        return LabelStudioError(
            f"{display_url(self._credentials.base_url)} answered {reply.status} with {kind} to {asked}, "
            "not Label Studio's answer; set LABEL_STUDIO_HOST to Label Studio's address."
        )


def after(task: int) -> dict[str, Any]:
    """Filter for tasks with a larger id."""
    return {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": task}


def next_page(ids: Sequence[int], total: int | None, last: int) -> int | None:
    """Where the next page of a task list begins: after this id; None if there is none.

    `ids` are those of a page of tasks after `last`, `total` counts all tasks after `last` (None: not known). A page may
    be shorter than requested: Label Studio's TASK_API_PAGE_SIZE_MAX limits it. Raises LabelStudioError if the ids do
    not grow, since such a list never ends.
    """
    if not ids or (total is not None and len(ids) >= total):
        return None
    if max(ids) <= last:
        raise LabelStudioError(
            f"Label Studio was asked for tasks after {last} and answered with task {max(ids)}; expected were larger "
            "ids. Is something between this program and Label Studio that changes requests?"
        )
    return max(ids)


def task_query(filters: list[dict[str, Any]], ordering: str) -> str:
    """The `query` of Label Studio's task list."""
    return json.dumps({"filters": {"conjunction": "and", "items": filters}, "ordering": [ordering]})


def _query(filters: list[dict[str, Any]], ordering: str, size: int) -> dict[str, Any]:
    # review: without it Label Studio requests missing predictions, from this very server, before it answers
    return {"query": task_query(filters, ordering), "page_size": size, "fields": "all", "review": "true"}


def _decode(reply: Reply, kind: type[T]) -> T | None:
    try:
        return reply.decode(kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
