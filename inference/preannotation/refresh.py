"""After a publication, predictions of the new version are pushed in the background: `REFRESH_PREDICTIONS`.

Level-triggered: each pass compares what serves with the last refresh of a project (`runs/{id}/refresh.json`), so that a
killed server or one that was away continues. One project at a time, at most one refresh an hour of each; a refresh ends
where another version serves. Several servers share the work, as processes of `preannotate` do.
"""

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from inference.preannotation.old_predictions import delete_old
from inference.preannotation.work import Preannotation, StoppedError
from inference.serving.model_cache import ModelCache
from inference.serving.protocol import ProjectRef
from shared.errors import SegmenterError, UntrainedError
from shared.label_studio.client import LabelStudio
from shared.label_studio.fetcher import Fetcher
from shared.settings import Settings
from shared.store import keys
from shared.store.models import ModelStore
from shared.store.projects import KnownProjects
from shared.store.storage import Storage, read_record

LOOK_SECONDS = 15.0  # between passes
SHARE = 0.02  # of the time that passes without anything to do may take: with many projects they are further apart
LEAST_SECONDS = 3600.0  # between the starts of two refreshes of a project
RATE = 10.0  # tasks a second: requests of people come first
VERSIONS = 1000  # names kept, so that old predictions are recognised as ours
REMEDY = "Delete it: the version that serves is refreshed once more then."

log = logging.getLogger(__name__)


class RefreshRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The last refresh of a project."""

    version: str
    started_at: float  # seconds since the epoch, the store's clock
    ended_at: float | None = None  # None: it goes on, or its server was killed
    outcome: str = ""  # done or given up
    pushed: int = 0
    deleted: int = 0  # older predictions
    versions: tuple[str, ...] = ()  # that were refreshed here, oldest first


def read_refresh(storage: Storage, project: int) -> RefreshRecord | None:
    """The last refresh of a project. Raises RecordError if it cannot be read."""
    return read_record(storage, keys.refresh(project), RefreshRecord, REMEDY)


class Refresher:
    """Refreshes the predictions of known projects, in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        label_studio: LabelStudio,
        fetcher: Fetcher,
        models: ModelCache,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._store = ModelStore(storage, keep_versions=settings.keep_versions)
        self._projects = KnownProjects(storage)
        self._label_studio = label_studio
        self._models = models
        self._clock = clock
        self._closing = threading.Event()
        self._target: tuple[ProjectRef, str] | None = None
        self._complaints: dict[int, str] = {}
        self._work = Preannotation(
            settings,
            storage,
            label_studio,
            fetcher,
            models,
            stop=self._is_over,
            sleep=self._pause,
        )

    def run(self, closing: threading.Event) -> None:
        """Refresh periodically until `closing`."""
        while not closing.is_set():
            begun = self._clock()
            refreshed = self.look() if self._label_studio.has_token else 0
            took = 0.0 if refreshed else self._clock() - begun
            closing.wait(max(LOOK_SECONDS, took / SHARE))

    def close(self) -> None:
        """End a refresh in progress before its next batch."""
        self._closing.set()
        self._work.close()

    def look(self) -> int:
        """One pass over all known projects. Returns how many were refreshed; one project never holds up another."""
        refreshed = 0
        for project in self._projects.ids():
            if self._closing.is_set():
                break
            try:
                refreshed += self._refresh(project)
            except UntrainedError:
                continue
            except SegmenterError as error:
                if self._complaints.get(project) != str(error):
                    log.warning("Predictions are not refreshed; retrying. %s", error, extra={"project": project})
                self._complaints[project] = str(error)
            else:
                self._complaints.pop(project, None)
        return refreshed

    def _refresh(self, project: int) -> bool:
        known = self._projects.get(project)
        if project == 0 or known is None:
            return False
        reference = ProjectRef(project, known.created)
        version = self._models.version(reference)
        before = read_refresh(self._storage, project)
        now = self._storage.now()
        if before is not None and before.ended_at is not None:
            if before.version == version and before.outcome == "done":
                return False
            if now - before.started_at < LEAST_SECONDS:
                return False
        versions = tuple(dict.fromkeys((*(before.versions if before else ()), version)))[-VERSIONS:]
        resumed = before is not None and before.ended_at is None and before.version == version
        started_at = before.started_at if before is not None and resumed else now
        record = RefreshRecord(version=version, started_at=started_at, versions=versions)
        if before is not None and before.ended_at is None and not resumed and now - before.started_at < LEAST_SECONDS:
            self._write(project, msgspec.structs.replace(before, ended_at=now, outcome="given up"))
            return False
        self._write(project, record)
        self._target = reference, version
        only_unlabelled = self._settings.refresh_predictions == "unlabelled"
        try:
            plan = self._work.run(project, only_unlabelled=only_unlabelled, rate=RATE)
        except StoppedError:
            if self._closing.is_set():
                return True  # the next start continues it
            self._write(project, msgspec.structs.replace(record, ended_at=self._storage.now(), outcome="given up"))
            log.info("The refresh of %s is given up: another version serves.", version, extra={"project": project})
            return True
        deleted = self._delete_old(project, version, versions) if self._settings.refresh_delete else 0
        record = msgspec.structs.replace(
            record, ended_at=self._storage.now(), outcome="done", pushed=plan.counts.pushed, deleted=deleted
        )
        self._write(project, record)
        log.info(
            "Predictions of %s were refreshed: %d pushed, %d old ones deleted.",
            version,
            plan.counts.pushed,
            deleted,
            extra={"project": project},
        )
        return True

    def _delete_old(self, project: int, version: str, refreshed: tuple[str, ...]) -> int:
        ours = {*refreshed, *(each.name for each in self._store.versions(project) if each.accepted)}
        return delete_old(self._label_studio, project, version, ours, rate=RATE, wait=self._closing.wait)

    def _is_over(self) -> bool:
        if self._closing.is_set() or self._target is None:
            return True
        reference, version = self._target
        return self._models.version(reference) != version

    def _pause(self, seconds: float) -> None:
        self._closing.wait(seconds)

    def _write(self, project: int, record: RefreshRecord) -> None:
        self._storage.put(keys.refresh(project), msgspec.json.encode(record))


def refresh_sentence(record: RefreshRecord) -> str:
    """What became of the last refresh, for the project's page."""
    if record.ended_at is None:
        return f"Predictions of {record.version} are being pushed to Label Studio."
    if record.outcome != "done":
        return f"The refresh by {record.version} was given up for a newer version, at most one starts an hour."
    deleted = f", {record.deleted} older ones deleted" if record.deleted else ""
    return f"Predictions were refreshed by {record.version}: {record.pushed} pushed{deleted}."
