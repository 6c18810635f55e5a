"""Status of every project for pages and metrics, at a cost that does not grow with its history.

One listing gives the waiting updates. Projects that train or were just touched are refreshed each time; of those with
updates, and of the others, only the ones refreshed longest ago. Ended runs and reports never change, so they are read
once. The slower a refresh, the longer the pause until the next.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from inference.monitoring.reports import Reports, ReportSummary
from shared.errors import RecordError, RefusedError, SegmenterError, StoreError
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.renames import suggest_renames
from shared.retraining.runs import LaunchRecord, RunRecord, Runs, RunState
from shared.retraining.updates import Update, Updates
from shared.store.aliases import LabelAlias, LabelAliases
from shared.store.models import ModelStore, Version
from shared.store.projects import KnownProject, KnownProjects

FRESH_SECONDS = 1.0
SHARE = 0.2  # of the time spent on refreshes: with a large store they are less frequent,
OLDEST_SECONDS = 10.0  # but at least this often
LOOKED_AT = 20  # projects with updates, and others, refreshed each time beyond the busy ones: 200 take 10 refreshes
T = TypeVar("T")
NO_RUNS = RunState(active=None, last=None, next_number=1)
LONGEST_HELD = 1 << 16  # characters of a labelling configuration that is held parsed for the overview
MOST_HELD = 1 << 22  # … of all projects together: about 20 MiB
SUCCESSES = ("published", "rejected", "unchanged")


class ProjectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Model, runs and updates of one project."""

    project: int
    known: KnownProject | None = None
    config: LabelConfig | None = None
    config_error: str = ""
    runs: RunState = NO_RUNS
    launched: LaunchRecord | None = None  # a run that has not reported yet
    version: str = ""  # the one that serves, "" without a model
    outdated: bool = False  # the model was trained by older rules for what annotations mean
    refused: str = ""  # why the model in the store does not serve
    versions: tuple[Version, ...] = ()  # kept ones, newest first
    summaries: dict[str, ReportSummary] = {}  # of kept versions, by name
    aliases: tuple[LabelAlias, ...] = ()  # renamed labels that an operator confirmed
    renames: tuple[tuple[str, str], ...] = ()  # old and new label, that may be confirmed
    updates: tuple[Update, ...] = ()
    last_success: float | None = None  # seconds since the epoch
    error: str = ""  # why the other fields may be outdated

    @property
    def waiting(self) -> int:
        """Waiting annotations, as counted by START_TRAINING_EACH_N_UPDATES."""
        return sum(update.weight for update in self.updates)


class StatusCollector:
    """Status of every project, at most a second old for active ones. Thread-safe."""

    def __init__(
        self,
        store: ModelStore,
        runs: Runs,
        updates: Updates,
        projects: KnownProjects,
        *,
        aliases: LabelAliases | None = None,
        ended: Callable[[RunRecord], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ended` is called with each run that ends from now on."""
        self._store = store
        self._runs = runs
        self._updates = updates
        self._projects = projects
        self._confirmed = aliases.confirmed if aliases else _no_aliases
        self._ended = ended
        self._clock = clock
        self.reports = Reports(store)
        self._lock = threading.Lock()
        self._statuses: dict[int, ProjectStatus] = {}
        self._looked_at: dict[int, float] = {}
        self._touched: set[int] = set()
        self._held: dict[int, int] = {}  # characters of the labelling configurations that are held parsed
        self._at = float("-inf")
        self._took = 0.0
        self.error = ""

    def touch(self, project: int) -> None:
        """Refresh a project next time, since it has changed."""
        self._touched.add(project)
        self._at = float("-inf")

    def statuses(self) -> list[ProjectStatus]:
        """All projects, by number. If the store cannot be read, the last known ones, and `error` is set."""
        with self._lock:
            begun = self._clock()
            if begun - self._at >= min(max(FRESH_SECONDS, self._took / SHARE), OLDEST_SECONDS):
                try:
                    self._look()
                    self.error = ""
                except StoreError as error:
                    self.error = str(error)
                self._at = self._clock()
                self._took = self._at - begun
            return [self._statuses[project] for project in sorted(self._statuses)]

    def status(self, project: int) -> ProjectStatus | None:
        """Current status of a project, None if it does not exist."""
        self.touch(project)
        found = next((each for each in self.statuses() if each.project == project), None)
        if found is None or found.config or found.config_error or not (found.known and found.known.label_config):
            return found
        try:
            known = self._projects.get(project)
            return msgspec.structs.replace(found, config=parse_label_config(known.label_config) if known else None)
        except SegmenterError as error:
            return msgspec.structs.replace(found, config_error=str(error))

    def _look(self) -> None:
        waiting = self._updates.waiting()
        present = {*self._projects.ids(), *self._store.projects(), *waiting}
        for gone in set(self._statuses) - present:
            del self._statuses[gone]
            self._looked_at.pop(gone, None)
            self._held.pop(gone, None)
        touched, self._touched = self._touched, set()
        for project in self._turn(present, touched, waiting):
            self._statuses[project] = self._examine(project, self._statuses.get(project), again=project in touched)
            self._looked_at[project] = self._clock()
        for project, status in self._statuses.items():
            updates = tuple(waiting.get(project, ()))
            if updates != status.updates:
                self._statuses[project] = msgspec.structs.replace(status, updates=updates)

    def _turn(self, present: set[int], touched: set[int], waiting: Iterable[int]) -> set[int]:
        busy = {
            project
            for project, each in self._statuses.items()
            if each.runs.active or each.runs.abandoned or each.launched
        }
        now = {*present & touched, *present & busy, *(present - set(self._statuses))}
        for others in (set(waiting) - now, present - set(waiting) - now):
            longest_ago = sorted(others, key=lambda project: self._looked_at.get(project, 0.0))
            now |= set(longest_ago[:LOOKED_AT])
        return now

    def _examine(self, project: int, before: ProjectStatus | None, *, again: bool) -> ProjectStatus:
        errors: list[str] = []
        known = _readable(self._projects.get, project, before.known if before else None, errors)
        runs = _readable(self._runs.state, project, before.runs if before else NO_RUNS, errors)
        last = before if before is not None and not before.error else None
        try:
            info = self._store.model_info(project)
            versions = before.versions if before else ()
            changed = before is None or before.runs.last != runs.last or before.version != (info and info.version)
            if changed or again or runs.active:
                versions = tuple(self._store.versions(project))
            config, config_error = self._config(project, known, before)
            none: list[LabelAlias] = []
            aliases = _readable(self._confirmed, project, none, errors)
            confirmed = {each.old: each.new for each in aliases}
            renames = suggest_renames(info.labels, config, confirmed, info.renames) if info and config else []
            return ProjectStatus(
                project=project,
                known=_with_digest(known),
                config=config,
                config_error=config_error,
                runs=runs,
                launched=self._launched(project, runs, before),
                outdated=bool(info and info.snapshot and info.snapshot.is_outdated),
                version=info.version if info else "",
                refused=info.refused if info else "",
                versions=versions,
                aliases=tuple(aliases),
                renames=tuple(renames),
                summaries={each.name: self.reports.summary(project, each.name) for each in versions},
                updates=before.updates if before else (),
                last_success=self._last_success(project, runs, last) or (before.last_success if before else None),
                error=" ".join(errors),
            )
        except SegmenterError as error:
            before = before or ProjectStatus(project=project)
            return msgspec.structs.replace(before, error=str(error))

    def _launched(self, project: int, runs: RunState, before: ProjectStatus | None) -> LaunchRecord | None:
        """The launch of a run that has not reported yet; read where updates wait only."""
        waits = before is not None and before.updates and not runs.active and not runs.abandoned
        return self._runs.launched(project, runs.next_number) if waits else None

    def _config(
        self, project: int, known: KnownProject | None, before: ProjectStatus | None
    ) -> tuple[LabelConfig | None, str]:
        if known is None or not known.label_config:
            return None, ""
        if before is not None and before.known == _with_digest(known):
            return before.config, before.config_error
        self._held.pop(project, None)
        length = len(known.label_config)
        if length > LONGEST_HELD or sum(self._held.values()) + length > MOST_HELD:
            return None, ""  # parsed when the project's page is asked for
        self._held[project] = length
        try:
            return parse_label_config(known.label_config), ""
        except SegmenterError as error:
            return None, str(error)

    def _last_success(self, project: int, runs: RunState, before: ProjectStatus | None) -> float | None:
        """When a run last finished. Calls `ended` for runs that ended since the last refresh."""
        success = before.last_success if before else None
        first = before.runs.next_number if before else runs.next_number - 1
        for number in range(max(first, 1), runs.next_number):
            record = _readable(partial(self._runs.ended, number=number), project, None, [])
            if record is None:
                continue
            if before is not None:
                self._ended(record)
            if record.outcome in SUCCESSES:
                success = record.ended_at
        if success is None and runs.last is not None and runs.last.trained is not None:
            with suppress(ValueError):
                success = _seconds(runs.last.trained.taken_at)
        return success


def _no_aliases(_: int) -> list[LabelAlias]:
    return []


def _readable(read: Callable[[int], T], project: int, otherwise: T, errors: list[str]) -> T:
    """What `read` gives of a project; `otherwise`, and a sentence in `errors`, where a record cannot be read."""
    try:
        return read(project)
    except (RecordError, RefusedError) as error:
        errors.append(str(error))
        return otherwise


def _with_digest(known: KnownProject | None) -> KnownProject | None:
    """A project with a checksum in place of its labelling configuration, which may have a megabyte."""
    if known is None or not known.label_config:
        return known
    digest = hashlib.sha256(known.label_config.encode(errors="replace")).hexdigest()
    return msgspec.structs.replace(known, label_config=digest)


def _seconds(moment: str) -> float:
    found = datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
