"""The page of one task: why it gets its segments or none, and its recording."""

from bisect import bisect_left

import msgspec

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.diagnosis import Diagnoser, Diagnosis
from inference.monitoring.drawing import Window
from inference.monitoring.project_status import StatusCollector
from inference.monitoring.task_table import TaskTable
from inference.status.project_page import ProjectPageBuilder
from inference.version import program_version
from shared.digits import read_digits
from shared.labelling.colors import colors


class TaskPage(msgspec.Struct, rename={"program_version": "release", "diagnosis": "found"}, frozen=True, kw_only=True):
    """A task."""

    project: int
    title: str
    task: int
    link: str  # to Label Studio
    previous: int | None  # known task with the next smaller number
    following: int | None  # … and larger
    diagnosis: Diagnosis
    last_skip: str  # why Label Studio's last request for it got no segments
    last_doubts: list[str]  # what was not understood then
    program_version: str


class TaskPageBuilder:
    """Builds the page of a task, in the diagnoser's thread."""

    def __init__(
        self,
        projects: ProjectPageBuilder,
        statuses: StatusCollector,
        activity_log: ActivityLog,
        diagnoser: Diagnoser,
        tasks: TaskTable,
    ) -> None:
        self._tasks = tasks
        self._projects = projects
        self._statuses = statuses
        self._activity_log = activity_log
        self._diagnoser = diagnoser

    async def build(self, project: int, task: int, window: Window) -> tuple[TaskPage, dict[str, str]] | None:
        """The page and the colours of its labels, None if there is no such project. Raises SegmenterError."""
        return await self._diagnoser.run(lambda: self._build(project, task, window))

    def _build(self, project: int, task: int, window: Window) -> tuple[TaskPage, dict[str, str]] | None:
        status = self._statuses.status(project)
        page = self._projects.build(project)
        if status is None or page is None:
            return None
        report = self._statuses.reports.report(project, status.version) if status.version else None
        held_out = next((each for each in report.held_out if each.task == str(task)), None) if report else None
        skips = {each.task: each.reason for each in self._activity_log.skipped(project)}
        doubts = {each.task: [doubt.sentence for doubt in each.doubts] for each in self._activity_log.doubtful(project)}
        numbers = sorted(self._known(project, status.version) - {task})
        at = bisect_left(numbers, task)
        shown = TaskPage(
            project=project,
            title=page.row.title,
            task=task,
            link=f"{page.row.link}/data?task={task}" if page.row.link else "",
            previous=numbers[at - 1] if at else None,
            following=numbers[at] if at < len(numbers) else None,
            diagnosis=self._diagnoser.examine(project, task, held_out, window),
            last_skip=skips.get(str(task), ""),
            last_doubts=doubts.get(str(task), []),
            program_version=program_version(),
        )
        return shown, colors(page.labels, status.config.colors if status.config else ())

    def _known(self, project: int, version: str) -> set[int]:
        """Numbers of the tasks in the table of tasks."""
        agreement = self._statuses.reports.evaluation(project, version).agreement
        names = [*agreement, *(each.task for each in self._tasks.tasks(project))]
        return {number for number in map(read_digits, names) if number is not None}
