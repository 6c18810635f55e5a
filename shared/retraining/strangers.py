"""Projects that have updates and have never connected: Label Studio is asked about them before they are trained.

Anybody may send events where no WEBHOOK_SECRET is set: without this each would cost a training that fails.
"""

import logging
import threading
import time
from collections.abc import Callable

from shared.errors import RecordError, RefusedError
from shared.retraining.reconcile import Reconciler
from shared.retraining.updates import Update, Updates
from shared.store.projects import KnownProject, KnownProjects

MOST_STRANGE = 1000  # waiting updates of projects that have not connected, all of them together
STRANGERS_AT_ONCE = 20  # unknown projects looked up in a pass: it takes Label Studio some 20 ms each
LISTED_SECONDS = 30.0  # between two lists of known projects where there is no token, so that nobody can be asked

log = logging.getLogger(__name__)


class Strangers:
    """Thread-safe."""

    def __init__(
        self,
        reconciler: Reconciler,
        updates: Updates,
        projects: KnownProjects,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reconciler = reconciler
        self._updates = updates
        self._projects = projects
        self._clock = clock
        self._lock = threading.Lock()
        self._confirmed: set[int] = set()  # projects that have connected, or that Label Studio has
        self._strangers: set[int] = set()  # projects with updates that Label Studio is asked about
        self._strange_updates = 0
        self._listed = float("-inf")  # when known projects were listed last

    @property
    def wait(self) -> bool:
        """Whether Label Studio is to be asked about a project."""
        with self._lock:
            return bool(self._strangers)

    def is_full(self, project: int) -> bool:
        """Whether no more events of this project are taken: it is unknown, and many events of unknown ones wait."""
        with self._lock:
            return project not in self._confirmed and self._strange_updates >= MOST_STRANGE

    def is_known(self, project: int) -> bool:
        """Whether a project has connected or was confirmed; of others the next pass asks Label Studio."""
        with self._lock:
            if project in self._confirmed:
                return True
        try:
            if self._projects.get(project) is None:
                return False
        except (RecordError, RefusedError):
            pass  # it has connected, whatever its record says
        with self._lock:
            self._confirmed.add(project)
        return True

    def left_out(self, waiting: dict[int, list[Update]]) -> dict[int, list[Update]]:
        """Updates of projects that connected, or that Label Studio has confirmed; it is asked about the others."""
        with self._lock:
            strangers = [project for project in waiting if project not in self._confirmed]
        if not strangers:
            return waiting
        has_token = self._reconciler.has_token
        if not has_token and self._clock() - self._listed < LISTED_SECONDS:
            self._strange_updates = sum(len(waiting[project]) for project in strangers)
            return waiting
        self._listed = self._clock()
        known = set(self._projects.ids())
        with self._lock:
            self._confirmed |= known
            self._strangers = {project for project in strangers if project not in known}
            self._strange_updates = sum(len(waiting[project]) for project in self._strangers)
            if not has_token:  # nobody to ask: the number of those that wait is bounded all the same
                self._strangers.clear()
                return waiting
            return {project: updates for project, updates in waiting.items() if project not in self._strangers}

    def confirm(self, confirmed: Callable[[], None]) -> None:
        """Ask Label Studio about unknown projects with waiting updates: known from now on, or their updates dropped.

        Raises LabelStudioError while it does not answer: the updates stay.
        """
        with self._lock:
            strangers = sorted(self._strangers)[:STRANGERS_AT_ONCE]
        for project in strangers:
            found = self._reconciler.look_up(project)
            if found is None:
                log.warning("Events of project %d are dropped: Label Studio has no such project.", project)
                self._updates.remove(self._updates.of(project))
            else:
                self._projects.remember(
                    KnownProject(id=project, created=found.created, title=found.title, label_config=found.label_config)
                )
                confirmed()
            with self._lock:
                self._strangers.discard(project)
