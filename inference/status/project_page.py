"""The page of one project: four answers, its versions and their metrics, its runs, tasks and events."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import msgspec

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.project_status import ProjectStatus, StatusCollector
from inference.monitoring.task_table import TaskTable
from inference.operations.operator_log import OperatorLog
from inference.preannotation import progress_sentence, read_plan
from inference.preannotation.refresh import read_refresh, refresh_sentence
from inference.serving.model_cache import ModelCache
from inference.status.answers import ProjectFacts, answer_all
from inference.status.overview import Row, RowBuilder
from inference.status.project_contents import ANNOTATE, NO_MODEL, ProjectPage, ScoredTask, make_buttons
from inference.status.task_summary import TASKS, TaskSummaries
from inference.status.versions_table import VersionRow, version_rows, with_numbers
from inference.version import program_version
from shared.errors import RecordError, RefusedError, SegmenterError
from shared.label_studio.webhook_address import webhook_objection
from shared.labelling.renames import rename_sentence
from shared.quoting import quoted
from shared.reporting import class_names
from shared.retraining.accepted_labels import AcceptedLabels, without_accepted
from shared.retraining.reconcile import Finding
from shared.retraining.runs import RunRecord, Runs
from shared.settings import Settings
from shared.store.learning_curve import read_curve
from shared.store.report import ReportFile
from shared.store.storage import Storage

T = TypeVar("T")

EVENTS = 50
RUNS = 10
OUTDATED = (
    "The model was trained by older rules for what annotations mean (docs/how-it-learns.md); Train now trains it again."
)
ACTIONS = 20


class ProjectPageBuilder:
    """Builds the page of a project. Reads the store, never a model."""

    def __init__(
        self,
        settings: Settings,
        rows: RowBuilder,
        statuses: StatusCollector,
        activity_log: ActivityLog,
        *,
        tasks: TaskTable,
        operators: OperatorLog,
        trouble: Callable[[], str],
        storage: Storage,
        models: ModelCache,
        findings: Mapping[int, Finding],
        trains: bool,
        clock: Callable[[], float],
    ) -> None:
        """`trains`: whether this server starts trainings; `trouble`: what is broken for all projects."""
        self._settings = settings
        self._task_summaries = TaskSummaries(tasks, statuses.reports)
        self._operators = operators
        self._trouble = trouble
        self._rows = rows
        self._statuses = statuses
        self._activity_log = activity_log
        self._storage = storage
        self._runs = Runs(storage)
        self._accepted_labels = AcceptedLabels(storage)
        self._models = models
        self._findings = findings
        self._trains = trains
        self._clock = clock

    def build(self, project: int) -> ProjectPage | None:
        """The page, None if there is no such project."""
        status = self._statuses.status(project)
        if status is None:
            return None
        errors: list[str] = []
        report = _read(
            lambda: self._statuses.reports.report(project, status.version) if status.version else None, errors
        )
        curve = _read(lambda: read_curve(self._storage, project), errors)
        active, last = status.runs.active, status.runs.last
        logged = active or last
        finding = self._findings.get(project)
        row = self._rows.row(status, self._activity_log.last_events().get(project))
        actions = _read(lambda: self._operators.actions(project), errors) or []
        accepted = _read(lambda: self._accepted_labels.of(project), errors) or []
        preannotation = _read(lambda: self._preannotation(project), errors) or ""
        problems = [*self._problems(status, row), *errors]
        versions = version_rows(status, self._statuses.reports)
        numbers = {each.name: each.number for each in versions}
        summary = self._task_summaries.of(project, status.version)
        trouble = self._trouble() if project and status.known else ""  # what never connected needs no Label Studio
        label_errors = without_accepted(report.label_errors, accepted) if report else []
        given = ProjectFacts(
            label_errors=label_errors,
            status=status,
            row=row,
            versions=versions,
            metrics=report.metrics if report else None,
            evaluation=self._statuses.reports.evaluation(project, status.version),
            tasks=summary,
            problem=trouble,
            trains=self._trains,
        )
        return ProjectPage(
            now=self._clock(),
            program_version=program_version(),
            row=row,
            answers=answer_all(given, self._settings),
            buttons=make_buttons(status, versions),
            trouble=trouble,
            problems=problems,
            finding=finding.sentence if finding and (active or finding.state != "training") else "",
            preannotation=with_numbers(preannotation, numbers),
            refreshed=self._settings.refresh_predictions != "none",
            left_out=list(status.config.left_out) if status.config else [],
            aliases=list(status.aliases),
            renames=list(status.renames),
            versions=versions,
            metrics=report.metrics if report else None,
            labels=list(status.config.labels) if status.config else [],
            names=class_names(report.metrics) if report else [],
            shown_series=_shown_series(report) if report else "",
            losses=[point[1] for point in active.progress.losses] if active else list(report.losses) if report else [],
            reliability=list(report.reliability) if report else [],
            learning=_learning(status),
            history=_history(versions),
            curve=curve,
            held_out=[each.task for each in report.held_out] if report else [],
            label_errors=label_errors,
            region_use=list(report.region_use) if report else [],
            agreements=list(report.agreements) if report else [],
            run=active,
            runs=[
                msgspec.structs.replace(each, reason=with_numbers(each.reason, numbers))
                for each in self._history(status)
            ],
            log=self._log(project, logged.number) if logged else "",
            least_sure=[ScoredTask.of(each) for each in summary.least_sure],
            task_count=summary.count,
            skipped=self._activity_log.skipped(project)[:TASKS],
            doubtful=self._activity_log.doubtful(project)[:TASKS],
            events=[
                msgspec.structs.replace(each, effect=with_numbers(each.effect, numbers))
                for each in self._activity_log.events(project, EVENTS)
            ],
            actions=[
                msgspec.structs.replace(each, sentence=with_numbers(each.sentence, numbers))
                for each in actions[:ACTIONS]
            ],
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
            why = "" if row.state.name == "untrained" else f": {row.state.sentence}"
            found.append(f"{NO_MODEL}{why}.")
            last = status.runs.last
            if last is not None and last.reason and last.reason not in row.state.sentence:
                found.append(f"The last training was {last.outcome}: {last.reason}")
            if last is None and not status.updates:
                found.append(ANNOTATE)
        called_as = status.known.called_as if status.known else ""
        if called_as and not row.last_event:  # events show that there is a webhook, whatever the name
            found += filter(None, [webhook_objection(f"http://{called_as}")])
        if status.outdated:
            found.append(OUTDATED)
        if status.updates and not self._trains:
            found.append("This server trains nothing itself: run `python -m training watch` over the same store.")
        found += [rename_sentence(status.project, *each) for each in status.renames]
        return found

    def _preannotation(self, project: int) -> str:
        plan, refresh = read_plan(self._storage, project), read_refresh(self._storage, project)
        told = [progress_sentence(plan, self._clock())] if plan else []
        return " ".join([refresh_sentence(refresh), *told] if refresh else told)

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


def _read(read: Callable[[], T], errors: list[str]) -> T | None:
    """What `read` returns; None, and its sentence among `errors`, where it cannot."""
    try:
        return read()
    except SegmenterError as error:
        errors.append(str(error))
        return None


def _learning(status: ProjectStatus) -> list[tuple[int, float]]:
    points = {
        summary.recordings: summary.estimates["balanced_accuracy"].value
        for summary in (status.summaries[each.name] for each in reversed(status.versions))
        if summary.recordings and "balanced_accuracy" in summary.estimates
    }
    return sorted(points.items())


def _history(versions: list[VersionRow]) -> list[tuple[int, float, float]]:
    accuracies = [(each.number, each.estimates.get("balanced_accuracy")) for each in reversed(versions)]
    return [(number, each.value, each.standard_error or 0.0) for number, each in accuracies if each is not None]


def _shown_series(report: ReportFile) -> str:
    """Of several time series: whose figures the page shows."""
    others = " and ".join(quoted(each.series) for each in report.others)
    shown = f"Tables, curves and suspected annotations are those of the series {quoted(report.series)}"
    return f"{shown}; the version's report has those of {others}." if others else ""
