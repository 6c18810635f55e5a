"""What a project's page tells of its tasks: the least sure ones, computed again only where something changed."""

from heapq import nsmallest
from threading import Lock

import msgspec
from cachetools import LRUCache

from inference.monitoring.reports import Reports
from inference.monitoring.task_table import TaskRecord, TaskSnapshot, TaskTable

TASKS = 20
PROJECTS = 100


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Of one project."""

    count: int = 0  # tasks with a known prediction
    least_sure: tuple[TaskRecord, ...] = ()  # lowest score first
    unannotated: int = 0  # scored ones that no training has held out
    label_next: TaskRecord | None = None  # the least sure of these


class TaskSummaries:
    """Thread-safe. A look at a project with 10⁵ tasks costs nothing until one of them changes."""

    def __init__(self, tasks: TaskTable, reports: Reports) -> None:
        self._tasks = tasks
        self._reports = reports
        self._lock = Lock()
        self._last: LRUCache[int, tuple[TaskSnapshot, str, TaskSummary]] = LRUCache(PROJECTS)

    def of(self, project: int, version: str) -> TaskSummary:
        """The summary beside the report of a version."""
        snapshot = self._tasks.snapshot(project)
        with self._lock:
            last = self._last.get(project)
        if last is not None and last[0] is snapshot and last[1] == version:
            return last[2]
        annotated = self._reports.evaluation(project, version).agreement
        scored = [each for each in snapshot.tasks.values() if each.score is not None]
        others = [each for each in scored if each.task not in annotated]
        found = TaskSummary(
            count=len(snapshot.tasks),
            least_sure=tuple(nsmallest(TASKS, scored, key=_score)),
            unannotated=len(others),
            label_next=min(others, key=_score, default=None),
        )
        with self._lock:
            self._last[project] = (snapshot, version, found)
        return found


def _score(record: TaskRecord) -> tuple[float, str]:
    return record.score or 0.0, record.task
