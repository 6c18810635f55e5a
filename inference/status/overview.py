"""The first page: what is broken, what is queued, and a row a project."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec

from inference.formatting import counted, duration
from inference.monitoring.activity_log import ActivityLog, HourlyRequests, LoggedEvent
from inference.monitoring.label_studio_monitor import LabelStudioMonitor, LabelStudioState
from inference.monitoring.project_status import ProjectStatus, StatusCollector
from inference.monitoring.reports import ReportSummary
from inference.operations import BackgroundLoops
from inference.status.moments import created_at
from inference.status.versions_table import number_versions
from inference.version import program_version
from shared.model_file.card import Estimate
from shared.retraining.runs import NO_END_RECORDED
from shared.retraining.scheduler import WINDOW, Launch, by_urgency, due_at, in_order
from shared.retraining.updates import START_TRAINING
from shared.settings import Settings

PAGE = 50  # projects on a page
EXAMPLE = "Example"  # title of project 0, which `make run` trains: no project of Label Studio has this number


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What training does about a project."""

    name: str  # idle, waiting, queued, starting, training, failed, backing off, untrained
    sentence: str
    fraction: float | None = None  # of the active run


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A project in the overview."""

    now: float
    project: int
    title: str
    level: str  # "", good, attention or broken, as the pages' colours
    link: str  # to Label Studio, "" where that is not known
    recordings: int
    waiting: int
    needed: int  # START_TRAINING_EACH_N_UPDATES
    state: State
    version: str
    number: int  # of the version, as in v7; 0 without one
    created_at: float | None  # of the version
    balanced_accuracy: Estimate | None
    segment_f1_50: Estimate | None
    history: list[float]  # balanced accuracy of kept versions, oldest first
    last_event: LoggedEvent | None


class QueueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A run, or a project that waits for one."""

    project: int
    title: str
    sentence: str
    fraction: float | None = None  # of the run


class Overview(
    msgspec.Struct, rename={"program_version": "release", "label_studio": "studio"}, frozen=True, kw_only=True
):
    """The first page."""

    now: float
    program_version: str
    ready: str  # "ready", or why not
    launcher: str
    launch_error: str  # why trainings cannot be started
    label_studio: LabelStudioState
    hour: HourlyRequests
    store: str
    store_error: str
    url: str  # to paste into Label Studio
    connected: bool  # whether a project of Label Studio is
    queue: list[QueueEntry]  # what runs, then what waits, in the order in which it starts
    total: int  # projects
    need: int  # of them, those that need somebody
    shown: str  # which are listed: all, or attention
    search: str  # part of the title of those that are listed
    page: int
    pages: int
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
        state = self.state(status)
        return Row(
            now=self._clock(),
            project=status.project,
            title=title_of(status),
            level=_level(status, state),
            link=_link(known.hostname if known else "", self._settings.label_studio_host, status.project),
            recordings=summary.recordings or (trained.tasks if trained else 0),
            waiting=status.waiting,
            needed=self._settings.start_training_each_n_updates,
            state=state,
            version=status.version,
            number=number_versions(status.versions, status.summaries).get(status.version, 0),
            created_at=created_at(summary, status.version),
            balanced_accuracy=summary.estimates.get("balanced_accuracy"),
            segment_f1_50=summary.estimates.get("segment_f1_50"),
            history=history,
            last_event=last_event,
        )

    def level(self, status: ProjectStatus) -> str:
        """Colour of a project: "", attention or broken."""
        return _level(status, self.state(status))

    def state(self, status: ProjectStatus) -> State:
        """What training does about a project."""
        active, last = status.runs.active, status.runs.last
        if active is not None:
            progress = active.progress
            left = f", {duration(progress.eta_seconds)} left" if progress.eta_seconds else ""
            sentence = f"{active.state} {100 * progress.fraction:.0f} %{left}"
            return State(name="training", sentence=sentence, fraction=progress.fraction)
        if status.runs.abandoned is not None:
            return State(name="failed", sentence=f"failed: {NO_END_RECORDED}")
        launched = status.launched
        if launched is not None:
            ago = max(0.0, self._clock() - launched.at)
            return State(
                name="starting",
                sentence=f"starting: run {launched.number} was launched {ago:.0f} s ago and has not reported yet",
            )
        due = due_at(status.updates, status.runs, self._settings)
        if status.updates and due is None:
            return State(name="waiting", sentence=self._needed(status))
        if status.updates and due is not None and due > self._clock():
            why = f" after: {last.reason}" if last and last.reason else ""
            return State(name="backing off", sentence=f"next try in {duration(due - self._clock())}{why}")
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
        launch_error: Callable[[], str],
        background: BackgroundLoops,
        monitor: LabelStudioMonitor,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._statuses = statuses
        self._activity_log = activity_log
        self._launcher = launcher
        self._launch_error = launch_error
        self._background = background
        self._monitor = monitor
        self._clock = clock

    def build(self, url: str, *, page: int = 1, shown: str = "all", search: str = "") -> Overview:
        """The page. url: by which the browser reached this server; shown: all, or attention."""
        last = self._activity_log.last_events()
        statuses = self._statuses.statuses()
        connected = any(each.project and each.known for each in statuses)
        trouble = self._monitor.trouble if connected else ""
        levels = {each.project: self._rows.level(each) for each in statuses}
        needy = [each for each in statuses if levels[each.project] in ("attention", "broken")]
        listed = [each for each in (needy if shown == "attention" else statuses) if _matches(each, search)]
        pages = max(1, -(-len(listed) // PAGE))
        page = min(max(page, 1), pages)
        return Overview(
            now=self._clock(),
            program_version=program_version(),
            ready=self._background.unready_reason() or self._background.hanging_problem() or "ready",
            launcher=self._launcher,
            launch_error=self._launch_error(),
            label_studio=msgspec.structs.replace(self._monitor.state, problem=trouble),
            hour=self._activity_log.last_hour(),
            store=self._settings.model_dir,
            store_error=self._statuses.error,
            url=url,
            connected=connected,
            queue=self._queue(statuses),
            total=len(statuses),
            need=len(needy),
            shown=shown,
            search=search,
            page=page,
            pages=pages,
            projects=[self._rows.row(each, last.get(each.project)) for each in listed[(page - 1) * PAGE : page * PAGE]],
        )

    def _queue(self, statuses: Sequence[ProjectStatus]) -> list[QueueEntry]:
        """What runs, then what waits, in the scheduler's order as it is now."""
        running, waiting = [], []
        for each in statuses:
            state = self._rows.state(each)
            if state.name in ("training", "starting"):
                running.append(
                    QueueEntry(
                        project=each.project, title=title_of(each), sentence=state.sentence, fraction=state.fraction
                    )
                )
            elif state.name == "queued":
                waiting.append(each)
        pressed = {each.project: any(update.action == START_TRAINING for update in each.updates) for each in waiting}
        before = [entry.title for entry in running]
        for each in self._in_order(waiting):
            why = "the train button was pressed" if pressed[each.project] else counted(each.waiting, "update")
            if self._launcher == "none":
                behind = "for `python -m training watch`"
            elif before:
                behind = f"behind {before[-1]}"
            else:
                behind = "and starts within seconds"
            running.append(QueueEntry(project=each.project, title=title_of(each), sentence=f"waits {behind} ({why})"))
            before.append(title_of(each))
        return running

    def _in_order(self, waiting: Sequence[ProjectStatus]) -> list[ProjectStatus]:
        """In the order in which the scheduler would start them."""
        by_project = {each.project: each for each in waiting}
        updates = {each.project: each.updates for each in waiting}
        found: list[ProjectStatus] = []
        ahead = in_order(updates, self._settings, ())
        while ahead:
            window, ahead = ahead[:WINDOW], ahead[WINDOW:]
            due = {Launch(project, 0, ""): by_project[project].runs for project in window}
            found += [by_project[launch.project] for launch in by_urgency(due, updates, self._clock())]
        return found


def title_of(status: ProjectStatus) -> str:
    """A project's title in Label Studio, as far as that is known."""
    if not status.project:
        return EXAMPLE
    return (status.known.title if status.known else "") or f"Project {status.project}"


def _matches(status: ProjectStatus, search: str) -> bool:
    return not search or search.lower() in title_of(status).lower() or search == str(status.project)


def _level(status: ProjectStatus, state: State) -> str:
    if status.error or status.config_error or status.refused or state.name == "failed":
        return "broken"
    if state.name == "backing off" or status.renames or status.outdated:
        return "attention"
    return ""


def _link(hostname: str, host: str, project: int) -> str:
    """Address of the project's page in Label Studio; only http(s), since anybody may call /setup."""
    for address in (hostname, host):
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") and project:
            place = parts.netloc.rpartition("@")[2]  # no password on a page
            return f"{parts.scheme}://{place}{parts.path.rstrip('/')}/projects/{project}"
    return ""
