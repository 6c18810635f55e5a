"""Examining one project: what its records in the store say, for pages and metrics.

What has not changed since the last time is not read again: ended runs and reports never change, and a listing of the
store gives marks of the model and of the project's record.
"""

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from inference.monitoring.reports import Reports, ReportSummary
from shared.errors import RecordError, RefusedError, SegmenterError
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.renames import suggest_renames
from shared.retraining.runs import LaunchRecord, Progress, RunRecord, Runs, RunState
from shared.retraining.updates import Update
from shared.store.aliases import LabelAlias, LabelAliases
from shared.store.model_info import ModelInfo
from shared.store.models import ModelStore, Version
from shared.store.projects import KnownProject, KnownProjects

T = TypeVar("T")
NO_RUNS = RunState(active=None, last=None, next_number=1)
LONGEST_HELD = 1 << 16  # characters of a labelling configuration that is held parsed for the overview
MOST_HELD = 1 << 22  # … of all projects together: about 20 MiB
SUCCESSES = ("published", "rejected", "unchanged")


class Marks(NamedTuple):
    """What a listing of the store says of a project; "" of what is not there."""

    model: str = ""
    known: str = ""


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


class Examiner:
    """Thread-safe for different projects. The caller keeps what it returns, and gives it back the next time."""

    def __init__(
        self,
        store: ModelStore,
        runs: Runs,
        projects: KnownProjects,
        aliases: LabelAliases | None,
        ended: Callable[[RunRecord], None],
    ) -> None:
        self._store = store
        self._runs = runs
        self._projects = projects
        self._confirmed = aliases.confirmed if aliases else _no_aliases
        self._ended = ended
        self._lock = threading.Lock()
        self._reported: dict[int, int] = {}  # the run of each project that was told of last
        self._held: dict[int, int] = {}  # characters of the labelling configurations that are held parsed
        self.reports = Reports(store)

    def forget(self, project: int) -> None:
        """Note that a project is gone."""
        with self._lock:
            self._held.pop(project, None)
            self._reported.pop(project, None)

    def with_config(self, status: ProjectStatus) -> ProjectStatus:
        """The same with its labelling configuration, which the overview of many projects does not hold."""
        if status.config or status.config_error or not (status.known and status.known.label_config):
            return status
        try:
            known = self._projects.get(status.project)
            return msgspec.structs.replace(status, config=parse_label_config(known.label_config) if known else None)
        except SegmenterError as error:
            return msgspec.structs.replace(status, config_error=str(error))

    def whole(self, project: int, before: ProjectStatus | None, updates: tuple[Update, ...]) -> ProjectStatus:
        """Read everything about a project, with all its versions. Raises StoreError."""
        errors: list[str] = []
        known = _readable(self._projects.get, project, before.known if before else None, errors)
        runs = _readable(self._runs.state, project, before.runs if before else NO_RUNS, errors)
        try:
            info = self._store.model_info(project)
            found = self._put_together(project, before, known, runs, info, updates, errors, whole=True)
            return self._with_versions(found)
        except SegmenterError as error:
            return msgspec.structs.replace(before or ProjectStatus(project=project), updates=updates, error=str(error))

    def again(
        self,
        project: int,
        before: ProjectStatus | None,
        updates: tuple[Update, ...],
        marks: Marks,
        seen: Marks | None,
    ) -> ProjectStatus:
        """Read what may have changed since its marks were `seen`; of a project not seen yet, what an overview shows.

        Raises StoreError.
        """
        errors: list[str] = []
        known, runs = before.known if before else None, before.runs if before else NO_RUNS
        if before is None or before.error or seen is None or marks.known != seen.known:
            known = _readable(self._projects.get, project, known, errors)
        runs = _readable(self._runs.state, project, runs, errors)
        try:
            if before is not None and seen == marks and not before.error and before.runs.last == _slim(runs).last:
                return msgspec.structs.replace(
                    before, runs=_slim(runs), updates=updates, launched=self._launched(project, runs, updates)
                )
            first = before is None or seen is None
            info = None
            if marks.model:  # what was published while this server runs is verified, what was there is when it is used
                info = self._store.glance(project) if first else self._store.model_info(project)
            found = self._put_together(project, before, known, runs, info, updates, errors)
            return self._with_current_version(found) if first else self._with_versions(found)
        except SegmenterError as error:
            return msgspec.structs.replace(before or ProjectStatus(project=project), updates=updates, error=str(error))

    def _put_together(
        self,
        project: int,
        before: ProjectStatus | None,
        known: KnownProject | None,
        runs: RunState,
        info: ModelInfo | None,
        updates: tuple[Update, ...],
        errors: list[str],
        *,
        whole: bool = False,
    ) -> ProjectStatus:
        config, config_error = self._config(project, known, before)
        aliases: list[LabelAlias] = []
        renames: list[tuple[str, str]] = []
        if whole or (info and config and set(info.labels) != set(config.labels)):
            aliases = _readable(self._confirmed, project, aliases, errors)
        if info and config:
            renames = suggest_renames(info.labels, config, {each.old: each.new for each in aliases}, info.renames)
        return ProjectStatus(
            project=project,
            known=_with_digest(known),
            config=config,
            config_error=config_error,
            runs=_slim(runs),
            launched=self._launched(project, runs, updates),
            outdated=bool(info and info.snapshot and info.snapshot.is_outdated),
            version=info.version if info else "",
            refused=info.refused if info else "",
            aliases=tuple(aliases),
            renames=tuple(renames),
            updates=updates,
            last_success=self._last_success(project, runs, before if before is not None and not before.error else None)
            or (before.last_success if before else None),
            error=" ".join(errors),
        )

    def _with_versions(self, status: ProjectStatus) -> ProjectStatus:
        versions = tuple(self._store.versions(status.project))
        summaries = {each.name: self.reports.summary(status.project, each.name) for each in versions}
        return msgspec.structs.replace(status, versions=versions, summaries=summaries)

    def _with_current_version(self, status: ProjectStatus) -> ProjectStatus:
        if not status.version:
            return status
        only = Version(name=status.version, accepted=True, current=True, files=("onnx",))
        summary = self.reports.short(status.project, status.version)
        return msgspec.structs.replace(status, versions=(only,), summaries={only.name: summary})

    def _launched(self, project: int, runs: RunState, updates: tuple[Update, ...]) -> LaunchRecord | None:
        """The launch of a run that has not reported yet; read where updates wait only."""
        waits = updates and not runs.active and not runs.abandoned
        return self._runs.launched(project, runs.next_number) if waits else None

    def _config(
        self, project: int, known: KnownProject | None, before: ProjectStatus | None
    ) -> tuple[LabelConfig | None, str]:
        if known is None or not known.label_config:
            return None, ""
        if before is not None and before.known == _with_digest(known):
            return before.config, before.config_error
        length = len(known.label_config)
        with self._lock:
            self._held.pop(project, None)
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
            record = runs.last
            if record is None or record.number != number:
                record = _readable(partial(self._runs.ended, number=number), project, None, [])
            if record is None:
                continue
            if before is not None:
                self._report(record)
            if record.outcome in SUCCESSES:
                success = record.ended_at
        if success is None and runs.last is not None and runs.last.trained is not None:
            with suppress(ValueError):
                success = _seconds(runs.last.trained.taken_at)
        return success

    def _report(self, record: RunRecord) -> None:
        """Tell of a run that ended, once: a look and a page may find it at the same time."""
        with self._lock:
            if self._reported.get(record.project, 0) >= record.number:
                return
            self._reported[record.project] = record.number
        self._ended(record)


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


def _slim(runs: RunState) -> RunState:
    """The same without the curves of the run that ended last: thousands of projects are held."""
    if runs.last is None or runs.last.progress == Progress():
        return runs
    return msgspec.structs.replace(runs, last=msgspec.structs.replace(runs.last, progress=Progress()))


def _seconds(moment: str) -> float:
    found = datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
