"""Recent events, tasks and requests, in memory and bounded. For pages; the log has everything."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

import msgspec
from cachetools import FIFOCache, LRUCache
from msgspec.structs import replace

from shared.doubts import Doubt

T = TypeVar("T")

EVENTS = 200  # kept of all projects together
PROJECTS = 500
TASKS = 200  # kept of each project: skipped ones and doubtful ones
DOUBTS = 10  # kept of each task
MINUTES = 60


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event and its effect."""

    at: float  # seconds since the epoch
    project: int | None
    what: str  # an action such as ANNOTATION_CREATED
    effect: str  # a sentence


class SkippedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task without segments, and the reason."""

    at: float
    task: str
    reason: str


class DoubtfulTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task with doubts about its last answer."""

    at: float
    task: str
    doubts: tuple[Doubt, ...]


class HourlyRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of the last hour; errors are answers of 500 and above."""

    requests: int = 0
    errors: int = 0


class ActivityLog:
    """Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._events: deque[LoggedEvent] = deque(maxlen=EVENTS)
        self._skipped: LRUCache[int, FIFOCache[str, SkippedTask]] = LRUCache(PROJECTS)
        self._doubtful: LRUCache[int, FIFOCache[str, DoubtfulTask]] = LRUCache(PROJECTS)
        self._minutes: deque[tuple[int, int, int]] = deque(maxlen=MINUTES)

    def note(self, project: int | None, what: str, effect: str) -> None:
        """Add an event; `effect` is a sentence."""
        noted = LoggedEvent(at=self._clock(), project=project, what=what[:64], effect=effect[:500])
        with self._lock:
            self._events.append(noted)

    def skip(self, project: int, task: int | str | None, reason: str) -> None:
        """Add a task without segments."""
        name = str(task)[:64]
        with self._lock:
            _put(_recent(self._skipped, project), name, SkippedTask(at=self._clock(), task=name, reason=reason[:500]))

    def answered(self, project: int, task: int | str | None) -> None:
        """Forget that a task got no segments: it has some now."""
        with self._lock:
            if project in self._skipped:
                self._skipped[project].pop(str(task)[:64], None)

    def doubt(self, project: int, task: int | str | None, doubts: Sequence[Doubt]) -> None:
        """Keep what was not understood in a task's last answer; nothing, if all was."""
        name = str(task)[:64]
        shortened = tuple(replace(each, sentence=each.sentence[:500]) for each in doubts[:DOUBTS])
        with self._lock:
            if shortened:
                found = DoubtfulTask(at=self._clock(), task=name, doubts=shortened)
                _put(_recent(self._doubtful, project), name, found)
            elif project in self._doubtful:
                self._doubtful[project].pop(name, None)

    def request(self, status: int) -> None:
        """Count an answered request."""
        minute = int(self._clock() // 60)
        with self._lock:
            last = self._minutes[-1] if self._minutes else (0, 0, 0)
            if last[0] == minute:
                self._minutes[-1] = (minute, last[1] + 1, last[2] + (status >= 500))
            else:
                self._minutes.append((minute, 1, int(status >= 500)))

    def last_hour(self) -> HourlyRequests:
        """Requests and errors of the last hour, to the minute."""
        since = int(self._clock() // 60) - MINUTES
        with self._lock:
            recent = [each for each in self._minutes if each[0] > since]
        return HourlyRequests(requests=sum(each[1] for each in recent), errors=sum(each[2] for each in recent))

    def events(self, project: int, most: int) -> list[LoggedEvent]:
        """The last events of a project, newest first."""
        with self._lock:
            return list(islice((each for each in reversed(self._events) if each.project in (project, None)), most))

    def last_events(self) -> dict[int, LoggedEvent]:
        """The last event of each project."""
        with self._lock:
            return {each.project: each for each in self._events if each.project is not None}

    def skipped(self, project: int) -> list[SkippedTask]:
        """Tasks without segments, latest first."""
        with self._lock:
            return list(self._skipped.get(project, {}).values())[::-1]

    def doubtful(self, project: int) -> list[DoubtfulTask]:
        """Tasks with doubts about their last answer, latest first."""
        with self._lock:
            return list(self._doubtful.get(project, {}).values())[::-1]


def _recent(projects: LRUCache[int, FIFOCache[str, T]], project: int) -> FIFOCache[str, T]:
    return projects.setdefault(project, FIFOCache(TASKS))


def _put(tasks: FIFOCache[str, T], name: str, value: T) -> None:
    tasks.pop(name, None)  # keeps tasks in the order of their last write
    tasks[name] = value
