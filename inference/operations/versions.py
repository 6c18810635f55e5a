"""Kept versions of models: their names, their reports, and which one serves."""

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.project_status import StatusCollector
from shared.store.models import ModelStore


class Versions:
    """Operations of /versions and the page's buttons."""

    def __init__(self, store: ModelStore, statuses: StatusCollector, activity_log: ActivityLog) -> None:
        self._store = store
        self._statuses = statuses
        self._activity_log = activity_log

    def names(self, project: int | None) -> list[str]:
        """Names of a project's kept versions, newest first; of all projects if `project` is None."""
        ids = self._store.projects() if project is None else [project]
        return sorted((version.name for each in ids for version in self._store.versions(each)), reverse=True)

    def report_html(self, project: int, version: str) -> bytes | None:
        """The report.html of a version, None if it has none."""
        return self._store.file(project, version, "report.html")

    def promote(self, project: int, version: str) -> None:
        """Let a kept version serve."""
        self._serve(project, version, "PROMOTE")

    def roll_back(self, project: int) -> None:
        """Let the accepted version before the current one serve."""
        self._serve(project, None, "ROLL_BACK")

    def _serve(self, project: int, version: str | None, action: str) -> None:
        served = self._store.roll_back(project, version)
        self._activity_log.note(project, action, f"Version {served} serves, as requested from the page.")
        self._statuses.touch(project)
