"""The model that serves a project: found, checked, kept in memory, replaced when the store holds a new one."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from cachetools import LRUCache

from inference.serving.protocol import ProjectRef
from shared.errors import ModelError, RecordError, RefusedError, StoreError, UntrainedError
from shared.segmentation.segmenter import ProjectModel, Segmenter
from shared.segmentation.sessions import return_freed_memory
from shared.store.model_info import ModelInfo, StoredModel
from shared.store.models import ModelStore
from shared.supervision import beat

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0  # without a request, after which a model is no longer compared with the store
REVALIDATE_SECONDS = 1.0  # how old an answer about the store's current version may be
PROJECTS = 10_000  # cached, about 1 kB each: a client may name any number
PASSED = 10_000  # checksums of models that ran within bounds of memory, 150 bytes each
REFUSALS = 2000  # cached per project, more than KEEP_VERSIONS can be; evicted ones are checked again
LONGEST_REASON = 500  # characters; messages of onnxruntime can be very long


@dataclass(frozen=True)
class ServedModel:
    """A loaded model under its version."""

    version: str
    created: str  # creation time of the project it was trained for; "" offline
    model: ProjectModel

    @property
    def segmenter(self) -> Segmenter:
        """Of the first time series."""
        return self.model.segmenters[0]


class _Good(NamedTuple):
    """A version that may serve."""

    version: str
    created: str
    sha256: str


@dataclass
class _Project:
    """State of one project's models."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    loading: threading.Lock = field(default_factory=threading.Lock)
    model_info: ModelInfo | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    looked_at: float = float("-inf")
    asked_at: float = float("-inf")  # by a request
    unreachable: bool = False  # the store could not be read: until it can, only `refresh` reads it, not requests
    trouble: str = ""  # why the store could not be read when asked last
    refused: dict[str, str] = field(default_factory=dict)  # sha256, or tag where the bytes have none ► why
    last_good: _Good | None = None
    refusals: int = 0
    searched: tuple[str, int] | None = None  # tag and refusals for which no kept version was found


class ModelCache:
    """Loaded models, evicted least recently used first. Thread-safe.

    A model whose checksum, card or probe fails is refused permanently; the last good one serves on, after a restart
    from the kept versions.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        cache_size: int,
        aliases: Callable[[int], Mapping[str, str]] = lambda _: {},
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`aliases`: renamed labels of a project that an operator confirmed."""
        self._store = store
        self._read_aliases = aliases
        self._cache_size = cache_size
        self._clock = clock
        self._lock = threading.Lock()
        self._projects: LRUCache[int, _Project] = LRUCache(PROJECTS)
        self._loaded: OrderedDict[int, ServedModel] = OrderedDict()  # cachetools would count listing it as use
        self._passed: LRUCache[str, None] = LRUCache(PASSED)  # checksums, compared with the bytes at each load
        self._unloaded = False  # whether a model was since memory was returned last
        self.swaps = 0
        self.refusals = 0

    def version(self, project: ProjectRef) -> str:
        """The version that would answer now; nothing is loaded.

        Raises UntrainedError with the reason if none would, StoreError if the store could not be read yet.
        """
        self._state(project.id).asked_at = self._clock()
        return self._good(project, self._state(project.id)).version

    def serving(self, project: ProjectRef) -> ServedModel:
        """The loaded model that answers now. Raises UntrainedError with the reason if there is none, StoreError if it
        cannot be read.
        """
        self._state(project.id).asked_at = self._clock()
        return self._serving(project)

    def _serving(self, project: ProjectRef) -> ServedModel:
        state = self._state(project.id)
        while True:  # ends: each failed round refuses one more version
            good = self._good(project, state)
            served = self._cached(project.id, good.version)
            if served is None:
                with state.loading:
                    served = self._cached(project.id, good.version) or self._load(project.id, state, good)
            if served is not None:
                return served

    def aliases(self, project: int) -> Mapping[str, str]:
        """Old label ► new label, as of when the store was last asked for the project's version; nothing is read."""
        return self._state(project).aliases

    def refresh(self) -> None:
        """Load new versions of models in use, so that no request has to; return the memory of those unloaded since.

        One that nobody has asked for within IDLE_SECONDS costs the store nothing; its next request looks.
        """
        with self._lock:
            unloaded, self._unloaded = self._unloaded, False
            loaded = [(project, served.created) for project, served in self._loaded.items()]
        if unloaded:
            return_freed_memory()  # 3 to 6 ms, which a request that loads a model would wait longer
        for project, created in loaded:
            state = self._state(project)
            if self._clock() - state.asked_at > IDLE_SECONDS:
                continue
            beat()
            if state.unreachable:
                self._look(project, state, waiting=False)
            try:
                self._serving(ProjectRef(project, created))
            except (UntrainedError, StoreError):
                continue

    def loaded(self) -> dict[int, str]:
        """Versions in memory by project."""
        with self._lock:
            return {project: served.version for project, served in self._loaded.items()}

    def refused(self, project: int) -> list[str]:
        """Why models of a project were refused."""
        return list(dict.fromkeys(self._state(project).refused.values()))

    def _state(self, project: int) -> _Project:
        with self._lock:
            return self._projects.setdefault(project, _Project())

    def _good(self, project: ProjectRef, state: _Project) -> _Good:
        model_info = self._look(project.id, state)
        objection = self._objection(state, model_info, project)
        if model_info is not None and not objection:
            return _Good(model_info.version, model_info.project_created, model_info.sha256)
        good = state.last_good
        if model_info is not None and not model_info.mismatch(project.created):
            if good is None or good.sha256 in state.refused:
                good = self._kept(project.id, state, model_info)
            if good is not None and _same(project.created, good.created):
                return good
        if model_info is None and state.trouble:
            raise StoreError(f"Nothing is known of models yet: {state.trouble}")
        raise UntrainedError(objection)

    def _look(self, project: int, state: _Project, *, waiting: bool = True) -> ModelInfo | None:
        """The store's current model info, at most a second old; the last known one while the store cannot be read.

        A store may take half a minute to answer or fail. So while one thread reads it, others use what is known;
        once it has failed, requests (`waiting`) no longer read it: only `refresh` does.
        """
        in_use = project in self._loaded
        if in_use and state.unreachable and waiting:
            return state.model_info
        if not state.lock.acquire(blocking=not in_use):
            return state.model_info
        try:
            if self._clock() - state.looked_at >= REVALIDATE_SECONDS:
                try:
                    state.model_info = self._store.model_info(project)
                    state.unreachable, state.trouble = False, ""
                    with suppress(RecordError, RefusedError):  # named on the project's page
                        state.aliases = self._read_aliases(project)
                except StoreError as error:
                    log.warning("%s The last known model serves on.", error, extra={"project": project})
                    state.unreachable, state.trouble = True, str(error)
                state.looked_at = self._clock()
            model_info = state.model_info
            if model_info is not None and model_info.refused and model_info.tag not in state.refused:
                self._refuse(project, state, model_info.tag, model_info.refused)
            return model_info
        finally:
            state.lock.release()

    def _objection(self, state: _Project, model_info: ModelInfo | None, project: ProjectRef) -> str:
        if model_info is None:
            return f"There is no model for project {project.id} yet: annotate a few tasks, training starts by itself."
        return model_info.refused or state.refused.get(model_info.sha256, "") or model_info.mismatch(project.created)

    def _kept(self, project: int, state: _Project, model_info: ModelInfo) -> _Good | None:
        """The newest kept version that is not refused, becoming the last good one; nothing is loaded for it."""
        with state.lock:
            if state.searched == (model_info.tag, state.refusals):
                return None
            try:
                for each in self._store.versions(project):
                    found = self._sealed(project, state, each.name) if each.accepted else None
                    if found is not None and found.sha256 not in state.refused:
                        state.last_good = found
                        return found
            except (StoreError, RefusedError) as error:
                log.warning("The kept versions cannot be read: %s", error, extra={"project": project})
                return None
            state.searched = (model_info.tag, state.refusals)
            return None

    def _sealed(self, project: int, state: _Project, version: str) -> _Good | None:
        if version in state.refused:
            return None
        try:
            stored = self._store.load_version(project, version)
        except ModelError as error:
            self._refuse(project, state, version, str(error))
            return None
        if stored is None:
            return None
        return _Good(stored.model_info.version, stored.model_info.project_created, stored.model_info.sha256)

    def _cached(self, project: int, version: str) -> ServedModel | None:
        with self._lock:
            served = self._loaded.get(project)
            if served is None or served.version != version:
                return None
            self._loaded.move_to_end(project)
            return served

    def _load(self, project: int, state: _Project, good: _Good) -> ServedModel | None:
        """Load a version; None, and a refusal, if it fails its checks or is gone."""
        if good.sha256 in state.refused:
            return None  # by another thread in the meantime
        try:
            stored = self._stored(project, good)
            if stored is None:
                raise ModelError(f"Version {good.version} is gone from the store.")
            served = ServedModel(good.version, good.created, self._checked(stored))
        except ModelError as error:
            self._refuse(project, state, good.sha256, str(error))
            return None
        except StoreError as error:
            raise StoreError(f"The model of project {project} cannot be read: {error}") from error
        with self._lock:
            self.swaps += project in self._loaded
            self._unloaded |= project in self._loaded or len(self._loaded) == self._cache_size
            self._loaded[project] = served
            self._loaded.move_to_end(project)
            while len(self._loaded) > self._cache_size:
                self._loaded.popitem(last=False)
        state.last_good = good
        log.info("Model %s serves.", good.version, extra={"project": project})
        return served

    def _checked(self, stored: StoredModel) -> ProjectModel:
        """A model, which runs within bounds of memory first unless a file of this checksum has done so."""
        sha256 = stored.model_info.sha256
        with self._lock:
            passed = sha256 in self._passed
        model = ProjectModel.load(stored.data, passed=passed)
        with self._lock:
            self._passed[sha256] = None
        return model

    def _stored(self, project: int, good: _Good) -> StoredModel | None:
        try:
            current = self._store.current(project)
        except ModelError:
            current = None  # damaged since its model info was read
        if current is not None and current.model_info.sha256 == good.sha256:
            return current
        return self._store.load_version(project, good.version)

    def _refuse(self, project: int, state: _Project, key: str, reason: str) -> None:
        reason = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]} …"
        refused = {**state.refused, key: reason}  # replaced, not changed: other threads read it
        state.refused = dict(list(refused.items())[-REFUSALS:])
        state.refusals += 1
        self.refusals += 1
        log.error("A model was refused, the last good one serves on. %s", reason, extra={"project": project})


def _same(created: str, other: str) -> bool:
    return not created or not other or created == other
