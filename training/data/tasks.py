"""Annotated tasks of a project, read from Label Studio through its SDK: all of them, or an error.

Paged by task number, so that tasks that come or go meanwhile shift nothing; each page is asked again after a passing
trouble. The snapshot says what was read and compares with the one that shared.label_studio.client lists cheaply.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec

from shared.errors import LabelStudioError
from shared.label_studio.client import ANNOTATED, PAGE_SIZE, after, next_page, task_query
from shared.label_studio.credentials import Credentials
from shared.label_studio.request import display_url
from shared.labelling.annotations import (
    Annotation,
    is_from_prediction,
    parent_prediction,
    read_annotation,
    results_by_id,
)
from shared.labelling.snapshots import AnnotationState, Snapshot, take_snapshot
from shared.net.connections import Connections
from shared.net.urls import Url

FIELDS = (
    "id,data,meta,annotations,result,created_at,updated_at,ground_truth,was_cancelled,"
    "completed_by,parent_prediction,lead_time,last_action"
)
PAGE_SECONDS = 60.0  # s for a page to arrive
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)  # s before asking again; a restart of Label Studio takes about 20
PASSING = (408, 425, 429, 500, 502, 503, 504)


class AnnotatedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task with at least one annotation that was not skipped."""

    id: int
    data: dict[str, Any]
    meta: dict[str, Any]
    annotations: list[Annotation]  # oldest first


class Annotated(NamedTuple):
    """What a training starts from."""

    tasks: list[AnnotatedTask]
    snapshot: Snapshot
    notes: tuple[str, ...] = ()  # sentences about tasks that are none


class _Page(NamedTuple):
    """A page of tasks as Label Studio's API returns them."""

    tasks: list[Mapping[str, Any]]
    total: int | None  # tasks on this page and all later ones; None: not known


def annotated_tasks(
    credentials: Credentials,
    project: int,
    fingerprint: str,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Annotated:
    """All annotated tasks of `project` and their snapshot under the label configuration of `fingerprint`.

    Raises LabelStudioError, after WAITS for passing errors; nothing is returned then.
    """
    started = now()
    tasks = [task for page in _pages(credentials, project, sleep) for each in page if (task := read_task(each))]
    return Annotated(tasks, take_snapshot(annotation_states(tasks), fingerprint, started))


def annotation_states(tasks: Iterable[AnnotatedTask]) -> Iterator[AnnotationState]:
    """The state of each annotation that counts."""
    for task in tasks:
        for each in task.annotations:
            yield AnnotationState(task.id, each.id, each.updated_at, each.ground_truth)


def read_task(raw: Any) -> AnnotatedTask | None:
    """A task as Label Studio's API and exports write it; None without an annotation that counts.

    Data that are no object count as empty; reading its recording then fails. Raises LabelStudioError
    if it has no number, or if its annotations are no list of numbered ones.
    """
    try:
        predictions = raw.get("predictions") or ()
        results = results_by_id(predictions)
        found = [
            msgspec.structs.replace(read_annotation(each, results), parent=parent_prediction(each, predictions))
            for each in raw.get("annotations") or ()
        ]
        kept = sorted((each for each in found if not each.was_cancelled), key=lambda each: (each.created_at, each.id))
        if not kept:
            return None
        data, meta = raw.get("data"), raw.get("meta")
        return AnnotatedTask(
            id=int(raw["id"]),
            data=dict(data) if isinstance(data, Mapping) else {},
            meta=dict(meta) if isinstance(meta, Mapping) else {},
            annotations=kept,
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise LabelStudioError(
            f"A task is not what Label Studio 1.23 writes ({type(error).__name__}: {error}): {str(raw)[:200]}"
        ) from error


def _pages(credentials: Credentials, project: int, sleep: Callable[[float], None]) -> Iterator[list[Mapping[str, Any]]]:
    import httpx
    from label_studio_sdk import LabelStudio  # 2 s, which offline commands need not wait

    from training.data.transport import TimedTransport

    def authorize(request: httpx.Request) -> httpx.Request:
        request.headers.update(credentials.headers())  # the SDK keeps an access token to its last second
        return request

    home = credentials.base_url
    transport = TimedTransport(Connections(), home, PAGE_SECONDS)
    with httpx.Client(auth=authorize, transport=transport, follow_redirects=False) as client:
        sdk: Any = LabelStudio(  # type: ignore[no-untyped-call]
            base_url=display_url(home), api_key="unused", httpx_client=client
        )
        last: int | None = 0
        while last is not None:
            page = _ask(partial(_list, sdk, project, last), credentials, home, sleep)
            if any(is_from_prediction(each) for task in page.tasks for each in task["annotations"] or ()):
                # rare, and what they were made from may be large: it shows whether a program changed them since
                page = _ask(partial(_list, sdk, project, last, f"{FIELDS},predictions"), credentials, home, sleep)
            yield page.tasks
            last = next_page([int(task["id"]) for task in page.tasks], page.total, last)


def _list(sdk: Any, project: int, last: int, fields: str = FIELDS) -> _Page:
    found = sdk.tasks.list(
        project=project,
        query=task_query([ANNOTATED, after(last)], "tasks:id"),
        page=1,
        page_size=PAGE_SIZE,
        fields="all",
        include=fields,
        review=True,  # or else Label Studio asks our own server for predictions that are missing
        request_options={"max_retries": 0},
    )
    tasks: list[Mapping[str, Any]] = [
        {
            "id": int(task.id),
            "data": task.data,
            "meta": getattr(task, "meta", None),
            "annotations": task.annotations,
            "predictions": getattr(task, "predictions", None),
        }
        for task in found.items
    ]
    return _Page(tasks, getattr(found.response, "total", None))


def _ask(question: Callable[[], _Page], credentials: Credentials, home: Url, sleep: Callable[[float], None]) -> _Page:
    """Ask until there is an answer, with a longer pause each time; a refused access token is renewed once."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    waits = iter(WAITS)
    renewed = False
    while True:
        cause: Exception
        try:
            return question()
        except ApiError as error:
            status, detail = error.status_code or 0, _detail(error.body)
            if status == 401 and not renewed and credentials.discard_access_token(credentials.headers()):
                renewed = True
                continue
            if status in (401, 403):
                raise LabelStudioError(credentials.explain_refusal(status, detail)) from error
            reason, cause = f"it answered {status}: {detail[:300]}", error
            if status not in PASSING:
                raise LabelStudioError(_sentence(home, status, detail)) from error
        except httpx.HTTPError as error:
            reason, cause = f"{type(error).__name__}: {error}", error
        except (ValueError, TypeError, AttributeError) as error:
            raise LabelStudioError(f"{display_url(home)} did not answer as Label Studio 1.23 does: {error}") from error
        pause = next(waits, None)
        if pause is None:
            raise LabelStudioError(
                f"The annotated tasks were not read from Label Studio at {display_url(home)} in "
                f"{len(WAITS) + 1} attempts: {reason}; see whether it runs, and whether LABEL_STUDIO_HOST is its "
                "address from here."
            ) from cause
        sleep(pause)


def _sentence(home: Url, status: int, detail: str) -> str:
    if status == 404 and "Project" in detail:
        return f"Label Studio at {display_url(home)} has no such project, or the user of the token may not see it."
    if 300 <= status < 400:
        return f"{display_url(home)} redirects; set LABEL_STUDIO_HOST to the address that Label Studio has in the end."
    return f"{display_url(home)} answered {status} to a request for tasks ({detail[:300]}); check LABEL_STUDIO_HOST."


def _detail(body: Any) -> str:
    return str(body.get("detail", "")) if isinstance(body, Mapping) else str(body or "")
