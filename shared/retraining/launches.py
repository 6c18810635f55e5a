"""Starting the runs that are due: a pass over all waiting updates, or over those of a project that has just changed.

States of runs are read in parallel, and those of projects in back-off not before their time. Of several servers one
launches a run, by a claim in the store. Beside long runs there is one place more, for short ones.
"""

from collections.abc import Callable, Collection

from shared.errors import SegmenterError
from shared.parallel import AT_ONCE, read_all
from shared.retraining.due_times import DueTimes
from shared.retraining.launch_claims import LaunchClaims
from shared.retraining.launcher import Launcher
from shared.retraining.runs import RunState
from shared.retraining.scheduler import (
    SHORT_SECONDS,
    WINDOW,
    Launch,
    by_urgency,
    due_launch,
    expected_seconds,
    in_order,
    is_long,
)
from shared.retraining.updates import Update
from shared.settings import Settings
from shared.store.storage import Storage


class Launches:
    """For one thread."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        launcher: Launcher,
        claims: LaunchClaims,
        state_of: Callable[[int], RunState | None],
    ) -> None:
        """`state_of`: the runs of a project, None where they cannot be read; called from several threads at once."""
        self._settings = settings
        self._storage = storage
        self._launcher = launcher
        self._claims = claims
        self._state_of = state_of
        self._due = DueTimes(settings)
        self.full = False  # after the last pass no place was left: what is due waits for its turn

    def start_due(self, waiting: dict[int, list[Update]], *, whole: bool = True) -> None:
        """Start the runs that are due. `whole`: `waiting` are the updates of all projects.

        Raises SegmenterError if the store or the launcher fails.
        """
        if whole:
            self._due.keep_only(waiting)
        running = self._launcher.running()
        now = self._storage.now()
        places = self._settings.max_concurrent_runs - len(running)
        ahead = [
            project
            for project in in_order(waiting, self._settings, running)
            if not self._due.is_later(project, waiting[project], now)
        ]
        only_short = places <= 0 and bool(ahead) and self._may_start_beside(running, now)
        if only_short:
            places = 1
        at_once = WINDOW if only_short else max(WINDOW, places)
        while ahead and places > 0:
            chunk, ahead = ahead[:at_once], ahead[at_once:]
            due: dict[Launch, RunState] = {}
            for project, state in read_all(self._state_of, chunk).items():
                launch = state and due_launch(project, waiting[project], state, now, self._settings)
                if state and launch and not (only_short and expected_seconds(state) > SHORT_SECONDS):
                    due[launch] = state
                elif state:
                    self._due.remember(project, waiting[project], state, now)
            for launch in by_urgency(due, waiting, now):
                if places <= 0:
                    break
                if self._launch(launch):
                    places -= 1
                    self._due.forget(launch.project)
                else:
                    self._due.remember(launch.project, waiting[launch.project], due[launch], now)
            if only_short:
                break
            at_once = min(2 * at_once, AT_ONCE)
        self.full = places <= 0

    def _may_start_beside(self, running: Collection[int], now: float) -> bool:
        """Whether a short run may start though all places are taken: one of those that run is long, and no more run.

        Some of them are looked at: where there are many places, one becomes free often.
        """
        if len(running) > self._settings.max_concurrent_runs:
            return False
        states = read_all(self._state_of, sorted(running)[:WINDOW]).values()
        return any(state is not None and is_long(state, now) for state in states)

    def may_be_due(self, project: int, updates: list[Update]) -> bool:
        """Whether a project is worth reading: enough updates wait, and it is not known to have to wait."""
        if not in_order({project: updates}, self._settings, ()):
            return False
        return not self._due.is_later(project, updates, self._storage.now())

    def _launch(self, launch: Launch) -> bool:
        """Start a run, unless another process does. Returns whether it was started."""
        claims = self._launcher.name != "none"
        if claims and not self._claims.claim(launch.project, launch.number, self._launcher.name):
            return False
        try:
            self._launcher.launch(launch)
        except SegmenterError:
            self._claims.release(launch.project, launch.number)
            raise
        return True
