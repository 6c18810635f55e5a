"""When projects may be trained again, remembered between passes of the control loop.

A project in back-off is not read again before its time: with 1,000 of them a pass costs the listing of their updates.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from shared.retraining.runs import Progress, RunState
from shared.retraining.scheduler import is_due
from shared.retraining.updates import Update
from shared.settings import Settings

BUSY_SECONDS = 5.0  # for which a project that another process trains is not read again


class _Known(NamedTuple):
    state: RunState
    oldest: str  # key of the oldest update that waited: a finished run removes it
    held_by_another: bool  # process, which trains it or has claimed the launch
    at: float  # the store's clock


class DueTimes:
    """For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[int, _Known] = {}

    def remember(self, project: int, updates: Sequence[Update], state: RunState, now: float) -> None:
        """Keep what was read of a project that is not trained now."""
        last = state.last and msgspec.structs.replace(
            state.last, progress=Progress(), snapshot=None, read=None, trained=None, reason=""
        )
        state = msgspec.structs.replace(state, last=last)
        held = state.active is not None or is_due(updates, state, now, self._settings)
        self._known[project] = _Known(state, updates[0].key, held, now)

    def forget(self, project: int) -> None:
        """Read a project again next time."""
        self._known.pop(project, None)

    def keep_only(self, projects: dict[int, list[Update]]) -> None:
        """Forget all projects without waiting updates."""
        for project in self._known.keys() - projects.keys():
            del self._known[project]

    def is_later(self, project: int, updates: Sequence[Update], now: float) -> bool:
        """Whether a project is known to have to wait; it is read where that is not known."""
        known = self._known.get(project)
        if known is None or known.oldest != updates[0].key:
            return False
        if known.held_by_another:
            return 0 <= now - known.at < BUSY_SECONDS
        return not is_due(updates, known.state, now, self._settings)
