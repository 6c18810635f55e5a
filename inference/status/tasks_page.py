"""The table of a project's tasks: paged, sorted, filtered."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import msgspec
from cachetools import LRUCache

from inference.monitoring.evaluation import EvaluationSummary
from inference.monitoring.project_status import StatusCollector
from inference.monitoring.task_table import TaskRecord, TaskSnapshot, TaskTable
from inference.status.overview import RowBuilder
from inference.status.versions_table import number_versions
from inference.version import program_version

PAGE = 50
MOST_ANNOTATORS = 200  # in the list to choose from
LISTS = 8  # projects whose last list is held, 1 MB each with 10⁵ tasks
UNLIKE = frozenset(
    {
        "sampling-rate", "value-range", "constant-channel", "swapped-channels", "empty-channel", "length",
        "missing-cells",
    }
)  # fmt: skip
SORTS = ("score", "segments", "agreement", "at", "task")
FILTERS = {
    "all": "All",
    "unannotated": "Not annotated",
    "disagreeing": "Disagreeing",
    "unlike": "Unlike the training data",
    "outdated": "Predicted by an older version",
    "empty": "Without segments",
}
AGREES = 0.9  # agreement from which annotation and prediction count as the same


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A task."""

    task: str
    link: str  # to Label Studio, "" where that is not known
    score: float | None
    segments: int | None
    agreement: float | None  # of its annotation with a model that has not seen it
    annotators: list[str]
    at: int | None  # of the prediction, seconds since the epoch
    version: int  # that predicted it, as in v7; 0: unknown
    doubts: list[str]
    unlike: bool  # the training data


class TasksPage(msgspec.Struct, rename={"program_version": "release"}, frozen=True, kw_only=True):
    """A page of the table."""

    now: float
    program_version: str
    project: int
    title: str
    serves: int  # version that serves, as in v7
    sort: str
    order: str  # asc or desc
    shown: str  # one of FILTERS
    search: str
    annotator: str  # whose tasks are listed; "" for all
    annotators: list[str]  # to choose from
    total: int  # tasks that are listed on all pages together
    page: int
    pages: int
    tasks: list[TaskRow]


class TasksPageBuilder:
    """Builds the table from the store's record of tasks and the report of the version that serves."""

    def __init__(
        self, rows: RowBuilder, statuses: StatusCollector, tasks: TaskTable, clock: Callable[[], float]
    ) -> None:
        self._rows = rows
        self._statuses = statuses
        self._tasks = tasks
        self._clock = clock
        self._lock = Lock()
        self._last: LRUCache[int, tuple[TaskSnapshot, tuple[str, ...], list[str]]] = LRUCache(LISTS)

    def build(
        self, project: int, *, sort: str, order: str, shown: str, search: str, annotator: str, page: int
    ) -> TasksPage | None:
        """The page, None if there is no such project."""
        status = self._statuses.status(project)
        if status is None:
            return None
        row = self._rows.row(status, None)
        numbers = number_versions(status.versions, status.summaries)
        evaluation = self._statuses.reports.evaluation(project, status.version)
        annotators = evaluation.annotators
        snapshot = self._tasks.snapshot(project)
        records = snapshot.tasks

        asked = (sort, order, shown, search, annotator, status.version)
        found = self._listed(project, snapshot, asked, evaluation)
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(page, 1), pages)
        return TasksPage(
            now=self._clock(),
            program_version=program_version(),
            project=project,
            title=row.title,
            serves=numbers.get(status.version, 0),
            sort=sort,
            order=order,
            shown=shown,
            search=search,
            annotator=annotator,
            annotators=sorted({each for names in annotators.values() for each in names})[:MOST_ANNOTATORS],
            total=len(found),
            page=page,
            pages=pages,
            tasks=[
                _row(task, records.get(task), evaluation, numbers, row.link)
                for task in found[(page - 1) * PAGE : page * PAGE]
            ],
        )

    def _listed(
        self,
        project: int,
        snapshot: TaskSnapshot,
        asked: tuple[str, str, str, str, str, str],
        evaluation: EvaluationSummary,
    ) -> list[str]:
        """Names of the tasks on all pages, in order; computed again where tasks, version or question changed."""
        with self._lock:
            last = self._last.get(project)
        if last is not None and last[0] is snapshot and last[1] == asked:
            return last[2]
        sort, order, shown, search, annotator, version = asked
        agreement = evaluation.agreement
        records = snapshot.tasks
        names = [*records, *(task for task in agreement if task not in records)]

        def fits(task: str) -> bool:
            record = records.get(task)
            if search and search not in task:
                return False
            if annotator and annotator not in evaluation.annotators.get(task, ()):
                return False
            if shown == "unannotated":
                return task not in agreement
            if shown == "disagreeing":
                return agreement.get(task, 1.0) < AGREES
            if shown == "unlike":
                return record is not None and not UNLIKE.isdisjoint(record.doubts.split())
            if shown == "outdated":
                return record is not None and bool(record.version) and record.version != version
            if shown == "empty":
                return record is not None and not record.segments
            return True

        found = _sorted([task for task in names if fits(task)], records, agreement, sort, descending=order == "desc")
        with self._lock:
            self._last[project] = (snapshot, asked, found)
        return found


def _row(
    task: str, record: TaskRecord | None, evaluation: EvaluationSummary, numbers: dict[str, int], link: str
) -> TaskRow:
    doubts = record.doubts.split() if record else []
    return TaskRow(
        task=task,
        link=f"{link}/data?task={task}" if link and task.isdecimal() else "",
        score=record.score if record else None,
        segments=record.segments if record else None,
        agreement=evaluation.agreement.get(task),
        annotators=list(evaluation.annotators.get(task, ())),
        at=record.at if record else None,
        version=numbers.get(record.version, 0) if record else 0,
        doubts=doubts,
        unlike=not UNLIKE.isdisjoint(doubts),
    )


def _sorted(
    tasks: list[str], records: Mapping[str, TaskRecord], agreement: Mapping[str, float], sort: str, *, descending: bool
) -> list[str]:
    """In order of a field; tasks without a value are last in either direction, equal ones in order of their number."""

    def value(task: str) -> Any:
        record = records.get(task)
        if sort == "task":
            return _number(task)
        if sort == "agreement":
            return agreement.get(task)
        return getattr(record, sort) if record else None

    tasks = sorted(tasks, key=_number)
    known = [(found, task) for task in tasks if (found := value(task)) is not None]
    known.sort(key=lambda each: each[0], reverse=descending)
    listed = {task for _, task in known}
    return [task for _, task in known] + [task for task in tasks if task not in listed]


def _number(task: str) -> tuple[int, str]:
    return (int(task), "") if task.isdecimal() and len(task) < 19 else (10**18, task)
