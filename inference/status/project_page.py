"""The page of one project: what it lacks, its versions and their metrics, its runs, tasks and events."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from inference.monitoring.activity_log import ActivityLog, DoubtfulTask, LoggedEvent, ScoredTask, SkippedTask
from inference.monitoring.project_status import ProjectStatus, StatusCollector
from inference.monitoring.reports import ReportSummary
from inference.serving.model_cache import ModelCache
from inference.status.overview import Row, RowBuilder, created_at
from inference.version import program_version
from shared.errors import RecordError, RefusedError, SegmenterError
from shared.label_studio.webhook_address import webhook_objection
from shared.labelling.renames import rename_sentence
from shared.model_file.card import Estimate, ModelMetrics
from shared.reporting import class_names
from shared.retraining.reconcile import Finding
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import START_TRAINING
from shared.store.aliases import LabelAlias
from shared.store.learning_curve import LearningCurve, read_curve
from shared.store.report import Bin, ReportFile
from shared.store.storage import Storage

EVENTS = 50
RUNS = 10
OUTDATED = (
    "The model was trained by older rules for what annotations mean (docs/how-it-learns.md); Train now trains it anew."
)
TASKS = 20


class VersionRow(msgspec.Struct, rename={"status": "standing"}, frozen=True, kw_only=True):
    """A kept version."""

    name: str
    created_at: float | None
    status: str  # serves, kept, rejected, rolled back
    reason: str
    recordings: int
    estimates: dict[str, Estimate]
    size: int  # bytes
    has_report: bool


class ProjectPage(
    msgspec.Struct,
    rename={"metrics": "figures", "program_version": "release", "problems": "missing"},
    frozen=True,
    kw_only=True,
):
    """All about one project."""

    now: float
    program_version: str
    row: Row
    problems: list[str]  # what keeps the project from predictions
    finding: str  # of the last comparison with Label Studio
    left_out: list[str]  # of the labelling configuration
    aliases: list[LabelAlias]  # renamed labels that an operator confirmed
    renames: list[tuple[str, str]]  # old and new label, offered to be confirmed
    versions: list[VersionRow]
    metrics: ModelMetrics | None
    labels: list[str]  # of the labelling configuration
    names: list[str]  # of the confusion matrix's rows and columns
    losses: list[float]
    reliability: list[Bin]
    learning: list[tuple[int, float]]  # recordings, balanced accuracy of kept versions
    curve: LearningCurve | None  # that `python -m training curve` measured
    held_out: list[str]  # tasks with an out-of-fold prediction
    run: RunRecord | None
    runs: list[RunRecord]
    log: str
    least_sure: list[ScoredTask]
    skipped: list[SkippedTask]
    doubtful: list[DoubtfulTask]
    events: list[LoggedEvent]


class ProjectPageBuilder:
    """Builds the page of a project. Reads the store, never a model."""

    def __init__(
        self,
        rows: RowBuilder,
        statuses: StatusCollector,
        activity_log: ActivityLog,
        *,
        storage: Storage,
        models: ModelCache,
        findings: Mapping[int, Finding],
        trains: bool,
        clock: Callable[[], float],
    ) -> None:
        """`trains`: whether this server starts trainings; without it a worker does."""
        self._rows = rows
        self._statuses = statuses
        self._activity_log = activity_log
        self._storage = storage
        self._runs = Runs(storage)
        self._models = models
        self._findings = findings
        self._trains = trains
        self._clock = clock

    def build(self, project: int) -> ProjectPage | None:
        """The page, None if there is no such project."""
        status = self._statuses.status(project)
        if status is None:
            return None
        report, report_error = self._report(status)
        curve, curve_error = self._curve(project)
        active, last = status.runs.active, status.runs.last
        logged = active or last
        finding = self._findings.get(project)
        row = self._rows.row(status, self._activity_log.last_events().get(project))
        problems = [*self._problems(status, row), *(each for each in (report_error, curve_error) if each)]
        return ProjectPage(
            now=self._clock(),
            program_version=program_version(),
            row=row,
            problems=problems,
            finding=finding.sentence if finding else "",
            left_out=list(status.config.left_out) if status.config else [],
            aliases=list(status.aliases),
            renames=list(status.renames),
            versions=self._versions(status),
            metrics=report.metrics if report else None,
            labels=list(status.config.labels) if status.config else [],
            names=class_names(report.metrics) if report else [],
            losses=[point[1] for point in active.progress.losses] if active else list(report.losses) if report else [],
            reliability=list(report.reliability) if report else [],
            learning=_learning(status),
            curve=curve,
            held_out=[each.task for each in report.held_out] if report else [],
            run=active,
            runs=self._history(status),
            log=self._log(project, logged.number) if logged else "",
            least_sure=self._activity_log.least_sure(project, TASKS),
            skipped=self._activity_log.skipped(project)[:TASKS],
            doubtful=self._activity_log.doubtful(project)[:TASKS],
            events=self._activity_log.events(project, EVENTS),
        )

    def _problems(self, status: ProjectStatus, row: Row) -> list[str]:
        found = []
        if status.error:
            found.append(f"The store could not be read: {status.error}")
        if status.config_error:
            found.append(f"The labelling configuration cannot be served. {status.config_error}")
        if status.refused:
            found.append(f"The model in the store was refused, the last good one serves. {status.refused}")
        for reason in self._models.refused(status.project):
            if reason != status.refused:
                found.append(f"A model was refused. {reason}")
        if not status.version and not status.refused:
            found.append(f"There is no model yet: {row.state.sentence}.")
            last = status.runs.last
            if last is not None and last.reason and last.reason not in row.state.sentence:
                found.append(f"The last training was {last.outcome}: {last.reason}")
            if last is None and not status.updates:
                found.append("Annotate a few tasks in Label Studio; training starts by itself.")
        called_as = status.known.called_as if status.known else ""
        if called_as and not row.last_event:  # events show that there is a webhook, whatever the name
            found += filter(None, [webhook_objection(f"http://{called_as}")])
        if status.outdated:
            found.append(OUTDATED)
        if status.updates and not self._trains:
            found.append("This server trains nothing itself: run `python -m training watch` over the same store.")
        found += [rename_sentence(status.project, *each) for each in status.renames]
        pressed = any(update.action == START_TRAINING for update in status.updates)
        if pressed and row.state.name == "queued":
            found.append("The train button was pressed.")
        return found

    def _report(self, status: ProjectStatus) -> tuple[ReportFile | None, str]:
        if not status.version:
            return None, ""
        try:
            return self._statuses.reports.report(status.project, status.version), ""
        except SegmenterError as error:
            return None, str(error)

    def _curve(self, project: int) -> tuple[LearningCurve | None, str]:
        try:
            return read_curve(self._storage, project), ""
        except SegmenterError as error:
            return None, str(error)

    def _versions(self, status: ProjectStatus) -> list[VersionRow]:
        reports = self._statuses.reports
        rows = []
        for each in status.versions:
            summary = status.summaries.get(each.name, ReportSummary())
            place = "serves" if each.current else "kept" if each.accepted else "rejected"
            if place == "kept" and status.version and each.name > status.version:
                place = "rolled back"
            reason = summary.reason
            if not each.accepted:
                reason = reports.rejection(status.project, each.name) or reason
            rows.append(
                VersionRow(
                    name=each.name,
                    created_at=created_at(summary, each.name),
                    status=place,
                    reason=reason,
                    recordings=summary.recordings,
                    estimates=summary.estimates,
                    size=summary.size,
                    has_report="report.html" in each.files,
                )
            )
        return rows

    def _log(self, project: int, number: int) -> str:
        try:
            return self._runs.log(project, number)
        except RefusedError as error:  # a link, a pipe, or too large
            return str(error)

    def _history(self, status: ProjectStatus) -> list[RunRecord]:
        numbers = range(status.runs.next_number - 1, max(0, status.runs.next_number - 1 - RUNS), -1)
        found: list[RunRecord | None] = []
        for number in numbers:
            with suppress(RecordError):  # named where the project's problems are
                found.append(self._runs.ended(status.project, number))
        return [record for record in found if record is not None]


def _learning(status: ProjectStatus) -> list[tuple[int, float]]:
    points = {
        summary.recordings: summary.estimates["balanced_accuracy"].value
        for summary in (status.summaries[each.name] for each in reversed(status.versions))
        if summary.recordings and "balanced_accuracy" in summary.estimates
    }
    return sorted(points.items())
