"""What the pages show, as data: each page's JSON twin is exactly this, and the templates render nothing else."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.diagnosis import Diagnoser
from inference.monitoring.label_studio_monitor import LabelStudioMonitor
from inference.monitoring.project_status import StatusCollector
from inference.monitoring.task_table import TaskTable
from inference.operations import BackgroundLoops
from inference.operations.operator_log import OperatorLog
from inference.serving.model_cache import ModelCache
from inference.status.overview import OverviewBuilder, RowBuilder
from inference.status.project_page import ProjectPageBuilder
from inference.status.task_page import TaskPageBuilder
from inference.status.tasks_page import TasksPageBuilder
from shared.retraining.reconcile import Finding
from shared.settings import Settings
from shared.store.storage import Storage


class Pages(NamedTuple):
    """A builder for each page."""

    overview: OverviewBuilder
    project: ProjectPageBuilder
    tasks: TasksPageBuilder
    task: TaskPageBuilder

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        statuses: StatusCollector,
        activity_log: ActivityLog,
        tasks: TaskTable,
        operators: OperatorLog,
        storage: Storage,
        models: ModelCache,
        launcher: str,
        launch_error: Callable[[], str],
        findings: Mapping[int, Finding],
        background: BackgroundLoops,
        monitor: LabelStudioMonitor,
        diagnoser: Diagnoser,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """The builders over one server's parts. launcher: the name of what starts trainings, "none" if nothing does."""
        trains = launcher != "none"
        rows = RowBuilder(settings, trains=trains, clock=clock)
        overview = OverviewBuilder(
            settings,
            rows,
            statuses,
            activity_log,
            launcher=launcher,
            launch_error=launch_error,
            background=background,
            monitor=monitor,
            clock=clock,
        )
        project = ProjectPageBuilder(
            settings,
            rows,
            statuses,
            activity_log,
            tasks=tasks,
            operators=operators,
            trouble=lambda: monitor.trouble,
            storage=storage,
            models=models,
            findings=findings,
            trains=trains,
            clock=clock,
        )
        table = TasksPageBuilder(rows, statuses, tasks, clock)
        return cls(overview, project, table, TaskPageBuilder(project, statuses, activity_log, diagnoser, tasks))
