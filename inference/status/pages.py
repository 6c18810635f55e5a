"""What the pages show, as data: each page's JSON twin is exactly this, and the templates render nothing else."""

import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from inference.monitoring.activity_log import Hour, LoggedEvent, ScoredTask, SkippedTask
from inference.monitoring.label_studio_monitor import LabelStudioState
from inference.monitoring.project_status import ProjectStatus
from inference.monitoring.reports import ReportSummary
from inference.services import Services
from inference.version import program_version
from shared.errors import SegmenterError
from shared.model_file.card import Estimate, ModelMetrics
from shared.retraining.runs import RunRecord
from shared.retraining.scheduler import due_at
from shared.retraining.updates import START_TRAINING
from shared.settings import Settings
from shared.store.learning_curve import LearningCurve, read_curve
from shared.store.report import Bin, ReportFile

EVENTS = 50
RUNS = 10
TASKS = 20


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What training does about a project."""

    name: str  # idle, waiting, queued, training, failed, backing off, untrained
    sentence: str
    fraction: float | None = None  # of a run that goes on


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A project in the overview."""

    project: int
    title: str
    link: str  # to Label Studio, "" where that is not known
    recordings: int
    waiting: int
    needed: int  # START_TRAINING_EACH_N_UPDATES
    state: State
    version: str
    created_at: float | None  # of the version
    balanced_accuracy: Estimate | None
    segment_f1_50: Estimate | None
    history: list[float]  # balanced accuracy of kept versions, oldest first
    last_event: LoggedEvent | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The first page."""

    now: float
    release: str
    ready: str  # "ready", or why not
    launcher: str
    studio: LabelStudioState
    hour: Hour
    store: str
    store_error: str
    url: str  # to paste into Label Studio
    projects: list[Row]


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A kept version."""

    name: str
    created_at: float | None
    standing: str  # serves, kept, rejected, turned down
    reason: str
    recordings: int
    estimates: dict[str, Estimate]
    size: int  # bytes
    has_report: bool


class ProjectPage(msgspec.Struct, rename={"metrics": "figures"}, frozen=True, kw_only=True):
    """All about one project."""

    now: float
    release: str
    row: Row
    missing: list[str]  # what stands between the project and predictions
    finding: str  # of the last comparison with Label Studio
    left_out: list[str]  # of the labelling configuration
    versions: list[VersionRow]
    metrics: ModelMetrics | None
    labels: list[str]  # of the labelling configuration
    names: list[str]  # of the confusion's rows and columns
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
    events: list[LoggedEvent]


class Pages:
    """Builds pages from what the services know. Reads the store, never a model."""

    def __init__(self, settings: Settings, services: Services, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._services = services
        self._clock = clock

    def overview(self, url: str) -> Overview:
        """The first page. url: by which the browser reached this server."""
        services = self._services
        last = services.activity_log.last_events()
        standings = services.status_collector.standings()
        return Overview(
            now=self._clock(),
            release=program_version(),
            ready=services.not_ready() or "ready",
            launcher=services.launcher.name,
            studio=services.studio.state,
            hour=services.activity_log.last_hour(),
            store=self._settings.model_dir,
            store_error=services.status_collector.error,
            url=url,
            projects=[self._row(each, last.get(each.project)) for each in standings],
        )

    def project(self, project: int) -> ProjectPage | None:
        """All about one project, None if nobody knows it."""
        services = self._services
        standing = services.status_collector.standing(project)
        if standing is None:
            return None
        report, trouble = self._report(standing)
        curve, damage = self._curve(project)
        active, last = standing.runs.active, standing.runs.last
        logged = active or last
        finding = services.control.findings.get(project)
        row = self._row(standing, services.activity_log.last_events().get(project))
        missing = [*self._missing(standing, row), *(each for each in (trouble, damage) if each)]
        return ProjectPage(
            now=self._clock(),
            release=program_version(),
            row=row,
            missing=missing,
            finding=finding.sentence if finding else "",
            left_out=list(standing.config.left_out) if standing.config else [],
            versions=self._versions(standing),
            metrics=report.metrics if report else None,
            labels=list(standing.config.labels) if standing.config else [],
            names=_names(report.metrics) if report else [],
            losses=[point[1] for point in active.progress.losses] if active else list(report.losses) if report else [],
            reliability=list(report.reliability) if report else [],
            learning=_learning(standing),
            curve=curve,
            held_out=[each.task for each in report.held_out] if report else [],
            run=active,
            runs=self._history(standing),
            log=services.runs.log(project, logged.number) if logged else "",
            least_sure=services.activity_log.least_sure(project, TASKS),
            skipped=services.activity_log.skipped(project)[:TASKS],
            events=services.activity_log.events(project, EVENTS),
        )

    def _row(self, standing: ProjectStatus, last_event: LoggedEvent | None) -> Row:
        summary = standing.summaries.get(standing.version, ReportSummary())
        trained = standing.runs.last.trained if standing.runs.last else None
        history = [
            standing.summaries[each.name].estimates["balanced_accuracy"].value
            for each in reversed(standing.versions)
            if "balanced_accuracy" in standing.summaries[each.name].estimates
        ]
        known = standing.known
        return Row(
            project=standing.project,
            title=(known.title if known else "") or f"Project {standing.project}",
            link=_link(known.hostname if known else "", self._settings.label_studio_host, standing.project),
            recordings=summary.recordings or (trained.tasks if trained else 0),
            waiting=sum(update.weight for update in standing.updates),
            needed=self._settings.start_training_each_n_updates,
            state=self._state(standing),
            version=standing.version,
            created_at=_seconds(summary.created_at) or _of_name(standing.version),
            balanced_accuracy=summary.estimates.get("balanced_accuracy"),
            segment_f1_50=summary.estimates.get("segment_f1_50"),
            history=history,
            last_event=last_event,
        )

    def _state(self, standing: ProjectStatus) -> State:
        active, last = standing.runs.active, standing.runs.last
        if active is not None:
            progress = active.progress
            left = f", about {progress.eta_seconds / 60:.0f} min left" if progress.eta_seconds else ""
            sentence = f"{active.state} {progress.fraction:.0%}{left}"
            return State(name="training", sentence=sentence, fraction=progress.fraction)
        due = due_at(standing.updates, standing.runs, self._settings)
        if standing.updates and due is None:
            return State(name="waiting", sentence=self._lacking(standing))
        if standing.updates and due is not None and due > self._clock():
            why = f" after: {last.reason}" if last and last.reason else ""
            return State(name="backing off", sentence=f"backing off for {due - self._clock():.0f} s{why}")
        if standing.updates:
            elsewhere = self._services.launcher.name == "none"
            next_step = "`python -m training watch` has to take it up" if elsewhere else "it starts when there is room"
            return State(name="queued", sentence=f"queued: {next_step}")
        if last is not None and last.outcome == "failed":
            return State(name="failed", sentence=f"failed: {last.reason or 'its log says more'}")
        if not standing.version:
            return State(name="untrained", sentence="no model yet")
        return State(name="idle", sentence="idle")

    def _lacking(self, standing: ProjectStatus) -> str:
        needed = self._settings.start_training_each_n_updates
        waiting = sum(update.weight for update in standing.updates)
        return f"{waiting} of START_TRAINING_EACH_N_UPDATES={needed} updates; {max(1, needed - waiting)} more"

    def _missing(self, standing: ProjectStatus, row: Row) -> list[str]:
        found = []
        if standing.error:
            found.append(f"The store could not be read: {standing.error}")
        if standing.config_error:
            found.append(f"The labelling configuration cannot be served. {standing.config_error}")
        if standing.refused:
            found.append(f"The model in the store was refused, the last good one serves on. {standing.refused}")
        for reason in self._services.models.refused(standing.project):
            if reason != standing.refused:
                found.append(f"A model was refused. {reason}")
        if not standing.version and not standing.refused:
            found.append(f"There is no model yet: {row.state.sentence}.")
            last = standing.runs.last
            if last is not None and last.reason and last.reason not in row.state.sentence:
                found.append(f"The last training was {last.outcome}: {last.reason}")
            if last is None and not standing.updates:
                found.append("Annotate a few tasks in Label Studio; training starts by itself.")
        if standing.updates and self._services.launcher.name == "none":
            found.append("This server trains nothing itself: `python -m training watch` must run over the same store.")
        pressed = any(update.action == START_TRAINING for update in standing.updates)
        if pressed and row.state.name == "queued":
            found.append("The train button was pressed.")
        return found

    def _report(self, standing: ProjectStatus) -> tuple[ReportFile | None, str]:
        if not standing.version:
            return None, ""
        try:
            return self._services.status_collector.reports.report(standing.project, standing.version), ""
        except SegmenterError as error:
            return None, str(error)

    def _curve(self, project: int) -> tuple[LearningCurve | None, str]:
        try:
            return read_curve(self._services.storage, project), ""
        except SegmenterError as error:
            return None, str(error)

    def _versions(self, standing: ProjectStatus) -> list[VersionRow]:
        reports = self._services.status_collector.reports
        rows = []
        for each in standing.versions:
            summary = standing.summaries.get(each.name, ReportSummary())
            place = "serves" if each.current else "kept" if each.accepted else "rejected"
            if place == "kept" and standing.version and each.name > standing.version:
                place = "rolled back"
            reason = summary.reason
            if not each.accepted:
                reason = reports.rejection(standing.project, each.name) or reason
            rows.append(
                VersionRow(
                    name=each.name,
                    created_at=_seconds(summary.created_at) or _of_name(each.name),
                    standing=place,
                    reason=reason,
                    recordings=summary.recordings,
                    estimates=summary.estimates,
                    size=summary.size,
                    has_report="report.html" in each.files,
                )
            )
        return rows

    def _history(self, standing: ProjectStatus) -> list[RunRecord]:
        numbers = range(standing.runs.next_number - 1, max(0, standing.runs.next_number - 1 - RUNS), -1)
        found = (self._services.runs.ended(standing.project, number) for number in numbers)
        return [record for record in found if record is not None]


def _names(metrics: ModelMetrics) -> list[str]:
    """Names of the confusion's rows: those of the classes, with background first."""
    names = [each.label for each in metrics.classes]
    whole = ["background", *names] if len(names) < len(metrics.confusion) else names
    return [*whole, *("?" for _ in range(len(metrics.confusion) - len(whole)))]


def _learning(standing: ProjectStatus) -> list[tuple[int, float]]:
    points = {
        summary.recordings: summary.estimates["balanced_accuracy"].value
        for summary in (standing.summaries[each.name] for each in reversed(standing.versions))
        if summary.recordings and "balanced_accuracy" in summary.estimates
    }
    return sorted(points.items())


def _link(hostname: str, host: str, project: int) -> str:
    """Address of the project's page in Label Studio; only http(s), since anybody may call /setup."""
    for address in (hostname, host):
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") and project:
            place = parts.netloc.rpartition("@")[2]  # no password on a page
            return f"{parts.scheme}://{place}{parts.path.rstrip('/')}/projects/{project}"
    return ""


def _seconds(moment: str) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None


def _of_name(version: str) -> float | None:
    """When a version was made, from its name, 20261123T231501Z-9f3c2a."""
    return _seconds(version.partition("Z-")[0] + "+00:00") if version else None
