"""The control loop: starts runs that are due, and compares projects with Label Studio.

Level-triggered: each pass looks at the whole state, so a failed or missed pass only delays the next one. Between two
passes an event of this process costs a look at its project alone, however many updates wait.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from shared.errors import RecordError, RefusedError, SegmenterError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.labelling.snapshots import Snapshot
from shared.net.connections import Connections
from shared.retraining.launch_claims import LaunchClaims
from shared.retraining.launcher import Launcher
from shared.retraining.launches import Launches
from shared.retraining.reconcile import Finding, Reconciler
from shared.retraining.runs import RunRecord, Runs, RunState
from shared.retraining.strangers import Strangers
from shared.retraining.updates import Update, Updates
from shared.retraining.waiting import WaitingUpdates
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.processes import this_process
from shared.store.projects import KnownProjects
from shared.store.storage import Storage
from shared.supervision import beat, supervised

PASS_SECONDS = 2.0  # between two passes when nothing wakes the loop: other processes write updates, too
SHARE = 0.02  # of the time that passes may take: passes over many updates are further apart,
LONGEST_SECONDS = 30.0  # but no further: a long pass may have been a store that did not answer
MISSING_SECONDS = 900.0  # until recordings that did not arrive are requested again; twice as long after each run
LONGEST_MISSING_SECONDS = 86400.0  # … but no longer: most of them never arrive
COMPARED_AT_ONCE = 20  # projects: two or three requests to Label Studio each
COMPARE_SECONDS = 2.0  # … and the pause after them: 10 projects a second at most, 10,000 in 17 minutes
ASKED_SECONDS = 10.0  # least time between two requested comparisons of one project

log = logging.getLogger(__name__)


def make_reconciler(
    storage: Storage,
    credentials: Credentials,
    connections: Connections,
    remembered: Callable[[int], RunState | None] = lambda _: None,
) -> Reconciler:
    """A reconciler for the runs of a store. `remembered`: the state of a project's runs where that is known already."""
    runs = Runs(storage)

    def last_snapshot(ended: RunRecord | None) -> Snapshot | None:
        if ended is None:
            return None
        gap = min(LONGEST_MISSING_SECONDS, MISSING_SECONDS * 2.0 ** min(max(0, ended.missing_runs - 1), 20))
        waits = ended.read is not None and storage.now() - (ended.ended_at or 0.0) < gap
        return ended.snapshot if waits else ended.trained

    return Reconciler(
        LabelStudio(credentials, connections),
        Updates(storage),
        runs.state,
        last_snapshot,
        remembered=remembered,
        aliases=LabelAliases(storage).of,
    )


class Controller:
    """Two threads: one starts runs, one compares with Label Studio, which may be slow."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        launcher: Launcher,
        reconciler: Reconciler,
        *,
        waiting: WaitingUpdates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._updates = Updates(storage)
        self._waiting = waiting or WaitingUpdates(self._updates)
        self._runs = Runs(storage)
        self.projects = KnownProjects(storage)
        self._launches = Launches(
            settings, storage, launcher, LaunchClaims(storage, this_process()), state_of=self._readable_state
        )
        self._reconciler = reconciler
        self._clock = clock
        self._strangers = Strangers(reconciler, self._updates, self.projects, clock)
        self._stopping = threading.Event()
        self._due = threading.Event()
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._look_now = False  # at all waiting updates
        self._changed: set[int] = set()  # projects with an update that was added since the last pass
        self._wanted: set[int] = set()
        self._left: list[int] = []  # projects that the pass in progress has yet to compare
        self._more_wanted = False  # more were asked for than are compared at once
        self._compared: dict[int, float] = {}
        self._complaints: dict[str, str] = {}
        self.launch_error: Exception | None = None  # why the last pass could not start trainings
        self.findings: dict[int, Finding] = {}  # the last comparison of each project
        self._threads = [
            supervised("launch", self._launch_on, self._stopping),
            supervised("reconcile", self._reconcile_on, self._stopping),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads without waiting for a comparison in progress."""
        self._stopping.set()
        self._due.set()
        self._asked.set()
        if self._threads[0].is_alive():
            self._threads[0].join()

    def wake(self, update: Update | None = None) -> None:
        """Start a launch pass now: for the project of an update just written, or for all that waits."""
        if update is not None:
            self._waiting.add(update)
        with self._lock:
            if update is None:
                self._look_now = True
            else:
                self._changed.add(update.project)
        self._due.set()

    def reconcile_soon(self, *projects: int) -> None:
        """Compare these projects now, unless they were compared within ASKED_SECONDS."""
        with self._lock:
            self._wanted.update(projects)
        self._asked.set()

    def launch_due(self) -> None:
        """One pass: start the runs that are due. Raises SegmenterError if the store or the launcher fails."""
        waiting = self._waiting.look()
        if not waiting:
            return
        waiting = self._strangers.left_out(waiting)
        if self._strangers.wait:
            self._asked.set()
        self._launches.start_due(waiting)

    def launch_changed(self, projects: Iterable[int]) -> None:
        """The same for a few projects, at a cost that does not grow with what waits elsewhere.

        Where runs wait for a place, the next pass decides: it knows whose turn it is.
        """
        if self._launches.full:
            return
        candidates = [
            project
            for project in projects
            if self._strangers.is_known(project) and self._launches.may_be_due(project, self._waiting.of(project))
        ]
        found = {project: self._updates.of(project) for project in candidates}
        self._launches.start_due({project: updates for project, updates in found.items() if updates}, whole=False)

    def is_full(self, project: int) -> bool:
        """Whether no more events of this project are taken: it is unknown, and many events of unknown ones wait."""
        return self._strangers.is_full(project)

    def confirm_strangers(self) -> None:
        """Ask Label Studio about unknown projects with waiting updates. Raises LabelStudioError if it is away."""
        self._strangers.confirm(self.wake)

    def reconcile(self, projects: list[int]) -> list[Finding]:
        """Compare projects with Label Studio. Raises SegmenterError if no comparison was possible."""
        found = self._reconciler.compare_all(projects)
        for finding in found:
            before = self.findings.get(finding.project)
            if before is None or before.sentence != finding.sentence:
                log.info("Compared with Label Studio: %s", finding.sentence, extra={"project": finding.project})
            self.findings[finding.project] = finding
        if any(finding.state == "changed" for finding in found):
            self.wake()
        return found

    def _launch_on(self) -> None:
        what = "Trainings cannot be started"
        next_pass = begun = self._clock()
        while not self._stopping.is_set():
            self._due.clear()
            with self._lock:
                changed, self._changed = self._changed, set()
                look_now, self._look_now = self._look_now, False
            begun = self._clock()
            if look_now or begun >= next_pass:
                self.launch_error = self._attempt(what, self.launch_due)
                took = self._clock() - begun
                next_pass = begun + took + min(max(PASS_SECONDS, took / SHARE), LONGEST_SECONDS)
            elif changed:
                self.launch_error = self._attempt(what, partial(self.launch_changed, changed))
            pause = max(0.0, next_pass - self._clock())
            beat(pause)
            self._due.wait(pause)

    def _reconcile_on(self) -> None:
        period = self._settings.reconcile_seconds
        next_pass = self._clock()
        while not self._stopping.is_set():
            self._asked.clear()
            self._attempt("A project cannot be compared with Label Studio", self._compare_wanted)
            self._attempt("Unknown projects cannot be looked up", self.confirm_strangers)
            if period and self._clock() >= next_pass and not self._left:
                next_pass = self._clock() + period
                self._attempt("Known projects cannot be listed", self._begin_pass)
            if self._left:
                self._attempt("Projects cannot be compared with Label Studio", self._compare_some)
            left = next_pass - self._clock() if period else None
            if self._left or self._more_wanted:
                left = COMPARE_SECONDS
            elif self._wanted or self._strangers.wait:
                left = ASKED_SECONDS if left is None else min(ASKED_SECONDS, left)
            pause = left if left is None else max(0.0, left)
            beat(pause)
            self._asked.wait(pause)

    def _begin_pass(self) -> None:
        self._left = self.projects.ids()

    def _compare_some(self) -> None:
        """The next few of all known projects: 10,000 of them would keep Label Studio busy for minutes."""
        some, self._left = self._left[:COMPARED_AT_ONCE], self._left[COMPARED_AT_ONCE:]
        try:
            self._compare(some)
        except SegmenterError:
            self._left = []  # Label Studio or the store is away; the next pass starts from the first project
            raise

    def _compare_wanted(self) -> None:
        now = self._clock()
        with self._lock:
            due = [each for each in self._wanted if now - self._compared.get(each, -1e9) >= ASKED_SECONDS]
            projects = due[:COMPARED_AT_ONCE]
            self._wanted.difference_update(projects)
            self._more_wanted = len(due) > len(projects)
        self._compare(projects)

    def _settled_state(self, project: int) -> RunState:
        """The runs of a project, after an abandoned one has been recorded as failed."""
        state = self._runs.state(project)
        if state.abandoned is not None and self._runs.record_abandoned(project):
            log.warning("Run %d ended without recording its end.", state.abandoned.number, extra={"project": project})
            return self._runs.state(project)
        return state

    def _readable_state(self, project: int) -> RunState | None:
        """The same; None, and a line in the log, where records of this project cannot be read: others go on."""
        what = f"Project {project} is not trained"
        try:
            state = self._settled_state(project)
        except (RecordError, RefusedError) as error:
            if self._complaints.get(what) != str(error):
                log.warning("%s. %s", what, error, extra={"project": project})
            self._complaints[what] = str(error)
            return None
        if self._complaints.pop(what, ""):
            log.info("Recovered: %s", what, extra={"project": project})
        return state

    def _compare(self, projects: list[int]) -> None:
        for project in projects:
            self._compared[project] = self._clock()
            known = self._reconciler.remembered(project)
            if known is None or known.abandoned is not None:
                self._readable_state(project)  # also where no update waits
        self.reconcile(projects)

    def _attempt(self, what: str, work: Callable[[], object]) -> Exception | None:
        """Do some work; log a failure once, and once more when it works again. Returns the failure."""
        complaint = ""
        failure: Exception | None = None
        try:
            work()
        except SegmenterError as error:
            failure, complaint = error, str(error)
            if self._complaints.get(what) != complaint:
                log.warning("%s; retrying. %s", what, complaint)
        except Exception as error:
            failure = error
            log.exception("%s: unexpected error; retrying.", what)
        if not complaint and self._complaints.get(what):
            log.info("Recovered: %s", what)
        self._complaints[what] = complaint
        return failure
