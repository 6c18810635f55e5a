"""Status of every project for pages and metrics, at a cost that does not grow with their number and history.

Three listings, of updates, projects and models, say what has changed since the last look. Only that is read, and
projects that train or whose turn to train it is; of all others a few each time, in turn, for what no listing shows: a
run that somebody started by hand. Reads go on in parallel. `known` gives the last look and never waits for the store.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping

import msgspec

from inference.monitoring.project_examination import Examiner, Marks, ProjectStatus
from shared.errors import StoreError
from shared.parallel import read_all
from shared.retraining.runs import RunRecord, Runs, RunState
from shared.retraining.scheduler import in_order, is_due
from shared.retraining.updates import Update, Updates
from shared.retraining.waiting import WaitingUpdates
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.models import ModelStore
from shared.store.projects import KnownProjects
from shared.supervision import beat

__all__ = ["LOOKED_AT", "ProjectStatus", "StatusCollector"]
FRESH_SECONDS = 1.0
SHARE = 0.2  # of the time spent on looks while somebody has a page open: with a large store they are less frequent,
OLDEST_SECONDS = 10.0  # but at least this often
IDLE_SECONDS = 10.0  # between two looks while nobody has
REMEMBERED_SECONDS = 60.0  # for which a look answers for the store
PAGE = 1000  # keys in an answer of a bucket, each of which is a request
PAGE_SECONDS = 2.0  # for each further page of a listing, the pause until the next one
WAIT_SECONDS = 1.0  # for a look in progress, before what is known is shown
LOOKED_AT = 20  # projects with updates, and others, read each time while somebody has a page open: 200 take 10 looks
IDLE_LOOKED_AT = 1  # … while nobody does: 12 projects a minute
WHOLE = 200  # projects that are read with all their versions the first time
CHUNK = 512  # projects read before they are shown: two seconds where a request takes 20 ms


class StatusCollector:
    """Status of every project. Thread-safe."""

    def __init__(
        self,
        store: ModelStore,
        runs: Runs,
        updates: Updates,
        projects: KnownProjects,
        *,
        aliases: LabelAliases | None = None,
        waiting: WaitingUpdates | None = None,
        settings: Settings | None = None,
        ended: Callable[[RunRecord], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ended` is called with each run that ends from now on."""
        self._store = store
        self._updates = updates
        self._projects = projects
        self._waiting = waiting or WaitingUpdates(updates, clock)
        self._settings = settings or Settings()
        self._clock = clock
        self._examiner = Examiner(store, runs, projects, aliases, ended)
        self.reports = self._examiner.reports
        self._looking = threading.Lock()  # one look at a time
        self._lock = threading.Lock()  # of what is known, never held while the store is read
        self._closing = threading.Event()
        self._statuses: dict[int, ProjectStatus] = {}
        self._marks: dict[int, Marks] = {}  # as listed last
        self._seen: dict[int, Marks] = {}  # when each project was read last
        self._read_at: dict[int, float] = {}
        self._listed_at = float("-inf")
        self._touched: set[int] = set()
        self._at = self._whole_at = self._tried_at = float("-inf")  # of looks: any, whole ones, begun whole ones
        self._took = 0.0
        self.error = ""

    def touch(self, project: int) -> None:
        """Read a project at the next look, since it has changed."""
        self._touched.add(project)

    def known(self) -> list[ProjectStatus]:
        """All projects as of the last look, by number. Reads nothing."""
        found = self._statuses.copy()
        return [found[project] for project in sorted(found)]

    def age(self) -> float:
        """Seconds since the last whole look; infinite before the first."""
        return self._clock() - self._whole_at

    def titles(self) -> dict[int, str]:
        """Titles of the projects that have connected, as of the last look."""
        return {each.project: each.known.title for each in self.known() if each.known}

    def runs_of(self, project: int) -> RunState | None:
        """The runs of a project as of the last look, None where that is long ago or a project is not known."""
        status = self._statuses.get(project)
        return status.runs if status and not status.error and self.age() < REMEMBERED_SECONDS else None

    def statuses(self) -> list[ProjectStatus]:
        """The same after a look, where the last one is not fresh.

        If the store cannot be read, the last known ones, and `error` is set. A look in progress is waited for
        WAIT_SECONDS: the first one at 10,000 projects takes most of a minute.
        """
        if self._looking.acquire(timeout=WAIT_SECONDS):
            try:
                fresh = min(max(FRESH_SECONDS, self._took / SHARE), OLDEST_SECONDS)
                if self._touched or self._clock() - self._at >= fresh:  # a look in progress may have missed the touch
                    self._attempt(viewed=True)
            finally:
                self._looking.release()
        return self.known()

    def status(self, project: int) -> ProjectStatus | None:
        """Current status of a project, None if it does not exist."""
        before = self._statuses.get(project)
        try:
            found = self._examiner.whole(project, before, tuple(self._updates.of(project)))
        except StoreError as error:
            self.error = str(error)
            return before and self._examiner.with_config(before)
        with self._lock:
            if not (found.known or found.version or found.refused or found.updates or found.error):
                self._forget(project)
                return None
            self._statuses[project] = found
            self._read_at[project] = self._clock()
        return self._examiner.with_config(found)

    def run(self, closing: threading.Event) -> None:
        """Look until `closing`: at touched projects within a second, at the others every IDLE_SECONDS."""
        self._closing = closing
        while not closing.is_set():
            if self._touched or self._clock() - self._tried_at >= IDLE_SECONDS:
                with self._looking:
                    self._attempt(viewed=False)
            beat(FRESH_SECONDS)
            closing.wait(FRESH_SECONDS)

    def _attempt(self, *, viewed: bool) -> None:
        begun = self._clock()
        try:
            self._look(viewed=viewed)
            self.error = ""
        except StoreError as error:
            self.error = str(error)
        self._at = self._clock()
        self._took = self._at - begun

    def _look(self, *, viewed: bool) -> None:
        whole = viewed or self._clock() - self._tried_at >= IDLE_SECONDS
        if whole:
            self._tried_at = self._clock()
        touched, self._touched = self._touched, set()
        waiting = self._waiting.recent(FRESH_SECONDS if viewed else IDLE_SECONDS)
        self._list(viewed=viewed)
        present = self._marks.keys() | waiting.keys()
        if whole:
            with self._lock:
                for gone in self._statuses.keys() - present:
                    self._forget(gone)
        turn = sorted((self._turn(present, waiting, viewed=viewed) if whole else set()) | (present & touched))
        unread = sum(project not in self._statuses for project in turn)
        thorough = touched | (set(turn) if viewed or unread <= WHOLE else set())

        def examine(project: int) -> ProjectStatus:
            if self._closing.is_set():
                raise StoreError("This server is shutting down.")
            before, updates = self._statuses.get(project), tuple(waiting.get(project, ()))
            if project in thorough and (before is None or project in touched):
                return self._examiner.whole(project, before, updates)
            marks = self._marks.get(project, Marks())
            return self._examiner.again(project, before, updates, marks, self._seen.get(project))

        for start in range(0, len(turn), CHUNK):
            beat()
            begun = self._clock()
            results = read_all(examine, turn[start : start + CHUNK])
            with self._lock:
                for project, found in results.items():
                    self._seen[project] = self._marks.get(project, Marks())
                    if self._read_at.get(project, 0.0) <= begun:  # else its page was asked for meanwhile
                        self._statuses[project] = found
                        self._read_at[project] = self._clock()
            if unread > WHOLE:
                self.error = f"{len(self._statuses)} of {len(present)} projects have been looked at since the start."
        with self._lock:
            for project, status in self._statuses.items():
                updates = tuple(waiting.get(project, ()))
                if updates != status.updates:
                    self._statuses[project] = msgspec.structs.replace(status, updates=updates)
        if whole:
            self._whole_at = self._clock()

    def _list(self, *, viewed: bool) -> None:
        """List projects and models, the less often the more there are."""
        pages = 3 * len(self._marks) // PAGE  # a project has its record, its model and its weights
        pause = pages * PAGE_SECONDS if viewed else max(IDLE_SECONDS, pages * PAGE_SECONDS)
        if self._clock() - self._listed_at < pause:
            return
        known, models = self._projects.marks(), self._store.marks()
        self._marks = {
            project: Marks(models.get(project, ""), known.get(project, "")) for project in known.keys() | models.keys()
        }
        self._listed_at = self._clock()

    def _turn(self, present: Collection[int], waiting: Mapping[int, list[Update]], *, viewed: bool) -> set[int]:
        now = {
            project
            for project, each in self._statuses.items()
            if each.runs.active
            or each.runs.abandoned
            or each.launched
            or self._marks.get(project, Marks()) != self._seen.get(project)
            or (each.updates and each.updates[0] not in waiting.get(project, ()))  # a finished run took it
        }
        now |= {project for project in present if project not in self._statuses}
        now |= set(self._due(waiting)[:LOOKED_AT])
        most = LOOKED_AT if viewed else IDLE_LOOKED_AT
        for others in (waiting.keys() - now, set(present) - waiting.keys() - now):
            longest_ago = sorted(others, key=lambda project: self._read_at.get(project, 0.0))
            now |= set(longest_ago[:most])
        return now & set(present)

    def _due(self, waiting: Mapping[int, list[Update]]) -> list[int]:
        """Projects whose turn to train it is: one of this or another server may start any of them."""
        now = time.time()
        return [
            project
            for project in in_order(waiting, self._settings, ())
            if project in self._statuses
            and not self._statuses[project].runs.active
            and is_due(waiting[project], self._statuses[project].runs, now, self._settings)
        ]

    def _forget(self, project: int) -> None:
        for known in (self._statuses, self._seen, self._read_at):
            known.pop(project, None)
        self._examiner.forget(project)
