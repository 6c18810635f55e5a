"""Kept versions of models: their names, their reports, and which one serves."""

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.project_status import StatusCollector
from inference.operations.operator_log import NOBODY, Actor, OperatorLog
from shared.parallel import read_all
from shared.store.models import ModelStore


class Versions:
    """Operations of /versions and the page's buttons."""

    def __init__(
        self, store: ModelStore, statuses: StatusCollector, activity_log: ActivityLog, operators: OperatorLog
    ) -> None:
        self._store = store
        self._statuses = statuses
        self._activity_log = activity_log
        self._operators = operators

    def names(self, project: int | None) -> list[str]:
        """Names of a project's kept versions, newest first; of all projects if `project` is None."""
        ids = self._store.projects() if project is None else [project]
        found = read_all(self._store.versions, ids).values()
        return sorted((version.name for versions in found for version in versions), reverse=True)

    def report_html(self, project: int, version: str) -> bytes | None:
        """The report.html of a version, None if it has none."""
        return self._store.file(project, version, "report.html")

    def promote(self, project: int, version: str, actor: Actor = NOBODY) -> None:
        """Let a kept version serve."""
        self._serve(project, version, "promote", actor)

    def roll_back(self, project: int, actor: Actor = NOBODY) -> None:
        """Let the accepted version before the current one serve."""
        self._serve(project, None, "roll-back", actor)

    def _serve(self, project: int, version: str | None, action: str, actor: Actor) -> None:
        before = self._store.model_info(project)
        served = self._store.roll_back(project, version)
        self._activity_log.note(project, action.upper().replace("-", "_"), f"Version {served} serves, as asked for.")
        record_served(self._operators, project, actor, action, served, before.version if before else "")
        self._statuses.touch(project)


def record_served(operators: OperatorLog, project: int, actor: Actor, action: str, served: str, before: str) -> None:
    """Note that a person chose the version that serves; promoting the one before takes it back."""
    instead = f" in place of {before}" if before else ""
    undo = {"action": "promote", "version": before} if before and before != served else {}
    operators.record(project, actor, action, f"Version {served} serves{instead}.", undo)
