"""The first page: the server, and a row a project."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from inference.monitoring.activity_log import ActivityLog, HourlyRequests, LoggedEvent
from inference.monitoring.label_studio_monitor import LabelStudioMonitor, LabelStudioState
from inference.monitoring.project_status import ProjectStatus, StatusCollector
from inference.monitoring.reports import ReportSummary
from inference.operations import BackgroundLoops
from inference.version import program_version
from shared.model_file.card import Estimate
from shared.retraining.runs import NO_END_RECORDED
from shared.retraining.scheduler import due_at
from shared.settings import Settings


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What training does about a project."""

    name: str  # idle, waiting, queued, training, failed, backing off, untrained
    sentence: str
    fraction: float | None = None  # of the active run


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


class Overview(
    msgspec.Struct, rename={"program_version": "release", "label_studio": "studio"}, frozen=True, kw_only=True
):
    """The first page."""

    now: float
    program_version: str
    ready: str  # "ready", or why not
    launcher: str
    label_studio: LabelStudioState
    hour: HourlyRequests
    store: str
    store_error: str
    url: str  # to paste into Label Studio
    projects: list[Row]


class RowBuilder:
    """Builds the row of a project from its status."""

    def __init__(self, settings: Settings, *, trains: bool, clock: Callable[[], float]) -> None:
        """`trains`: whether this server starts trainings; without it a worker does."""
        self._settings = settings
        self._trains = trains
        self._clock = clock

    def row(self, status: ProjectStatus, last_event: LoggedEvent | None) -> Row:
        """One row."""
        summary = status.summaries.get(status.version, ReportSummary())
        trained = status.runs.last.trained if status.runs.last else None
        history = [
            status.summaries[each.name].estimates["balanced_accuracy"].value
            for each in reversed(status.versions)
            if "balanced_accuracy" in status.summaries[each.name].estimates
        ]
        known = status.known
        return Row(
            project=status.project,
            title=(known.title if known else "") or f"Project {status.project}",
            link=_link(known.hostname if known else "", self._settings.label_studio_host, status.project),
            recordings=summary.recordings or (trained.tasks if trained else 0),
            waiting=status.waiting,
            needed=self._settings.start_training_each_n_updates,
            state=self._state(status),
            version=status.version,
            created_at=created_at(summary, status.version),
            balanced_accuracy=summary.estimates.get("balanced_accuracy"),
            segment_f1_50=summary.estimates.get("segment_f1_50"),
            history=history,
            last_event=last_event,
        )

    def _state(self, status: ProjectStatus) -> State:
        active, last = status.runs.active, status.runs.last
        if active is not None:
            progress = active.progress
            left = f", about {progress.eta_seconds / 60:.0f} min left" if progress.eta_seconds else ""
            sentence = f"{active.state} {progress.fraction:.0%}{left}"
            return State(name="training", sentence=sentence, fraction=progress.fraction)
        if status.runs.abandoned is not None:
            return State(name="failed", sentence=f"failed: {NO_END_RECORDED}")
        due = due_at(status.updates, status.runs, self._settings)
        if status.updates and due is None:
            return State(name="waiting", sentence=self._needed(status))
        if status.updates and due is not None and due > self._clock():
            why = f" after: {last.reason}" if last and last.reason else ""
            return State(name="backing off", sentence=f"next try in {due - self._clock():.0f} s{why}")
        if status.updates:
            next_step = "starts at the next free slot" if self._trains else "waits for `python -m training watch`"
            return State(name="queued", sentence=f"queued: {next_step}")
        if last is not None and last.outcome == "failed":
            return State(name="failed", sentence=f"failed: {last.reason or 'see its log'}")
        if not status.version:
            return State(name="untrained", sentence="no model yet")
        return State(name="idle", sentence="idle")

    def _needed(self, status: ProjectStatus) -> str:
        needed = self._settings.start_training_each_n_updates
        more = max(1, needed - status.waiting)
        return f"{status.waiting} of START_TRAINING_EACH_N_UPDATES={needed} updates; {more} more"


class OverviewBuilder:
    """Builds the first page."""

    def __init__(
        self,
        settings: Settings,
        rows: RowBuilder,
        statuses: StatusCollector,
        activity_log: ActivityLog,
        *,
        launcher: str,
        background: BackgroundLoops,
        monitor: LabelStudioMonitor,
        clock: Callable[[], float],
    ) -> None:
        self._store = settings.model_dir
        self._rows = rows
        self._statuses = statuses
        self._activity_log = activity_log
        self._launcher = launcher
        self._background = background
        self._monitor = monitor
        self._clock = clock

    def build(self, url: str) -> Overview:
        """The page. url: by which the browser reached this server."""
        last = self._activity_log.last_events()
        statuses = self._statuses.statuses()
        return Overview(
            now=self._clock(),
            program_version=program_version(),
            ready=self._background.unready_reason() or "ready",
            launcher=self._launcher,
            label_studio=self._monitor.state,
            hour=self._activity_log.last_hour(),
            store=self._store,
            store_error=self._statuses.error,
            url=url,
            projects=[self._rows.row(each, last.get(each.project)) for each in statuses],
        )


def created_at(summary: ReportSummary, version: str) -> float | None:
    """When a version was made: from its report, else from its name, 20261123T231501Z-9f3c2a."""
    return _seconds(summary.created_at) or (_seconds(version.partition("Z-")[0] + "+00:00") if version else None)


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
