"""Answers a batch of tasks: fetch, parse, segment, concurrently and within limits."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import BoundedSemaphore, Lock
from typing import Any, NamedTuple

import msgspec

from inference.serving.awaited import AwaitedTasks
from inference.serving.model_cache import ModelCache, ServedModel
from inference.serving.open_draft import OpenDraft, OpenDrafts
from inference.serving.protocol import (
    NO_ANSWER,
    UNTRAINED,
    PredictCall,
    Prediction,
    ProjectRef,
    RequestError,
    Task,
    decode_task,
    decode_value,
    is_interactive,
    parse_project,
    read_context,
)
from inference.serving.suggestions import lay_out, suggest
from shared.doubts import Doubt, Effect, doubtful_score
from shared.errors import (
    ForbiddenError,
    HostBusyError,
    LabelConfigError,
    NotDataError,
    PermanentError,
    SegmenterError,
    SeriesError,
    TemporaryError,
)
from shared.label_studio.fetcher import Fetcher
from shared.labelling.choice_results import to_results
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.regions import KIND, to_regions
from shared.labelling.renames import with_aliases
from shared.quoting import quoted
from shared.recordings.series import cell_limit, is_address, read_series
from shared.segmentation.answer import answer_series
from shared.segmentation.segmenter import ServedSeries
from shared.settings import Settings

log = logging.getLogger(__name__)

MOST_REGIONS = 1 << 19  # of all answers that are not sent yet, about 1 kB each; a single one may have half of them
FETCHES_PER_CORE = 4  # a fetch waits for Label Studio most of its time; more would only hold more recordings in memory
NOT_DECODED = "…"  # in place of a value that nothing looks at
BUSY_SECONDS = 0.02  # until a task whose host has its share of downloads is tried again; doubled each time,
LONGEST_PAUSE = 0.5  # to this
REMEMBERED = 2**16  # characters of a labelling configuration that is parsed once for many requests

Answer = Prediction | list[Prediction]


class OutOfTimeError(TemporaryError):
    """PREDICT_BUDGET_SECONDS ended before the task was done."""


class OutOfRoomError(TemporaryError):
    """Answers not yet sent hold the maximum number of regions."""


class Outcome(msgspec.Struct, frozen=True):
    """Result of one task, for log, metrics and page."""

    project: int
    task: int | str | None
    answer: Answer
    reason: str = ""  # why there is nothing to see; "" when all went well
    kind: str = ""  # of the error behind `reason`: a class of shared/errors.py, or unforeseen
    rows: int = 0  # of the recording
    doubts: tuple[Doubt, ...] = ()  # what was not understood for certain
    suggests: bool = False  # the answer holds changes of what lies in an open task, not all segments of its recording

    @property
    def segments(self) -> int:
        """How many were found."""
        if not isinstance(self.answer, Prediction):
            return 0
        return sum(each["type"] == KIND for each in self.answer.result)


def share_of_threads(settings: Settings) -> int:
    """Threads that one request may hold, and that may download from one host: half of all."""
    return max(1, settings.predict_threads * FETCHES_PER_CORE // 2)


class Predictor:
    """Answers batches. All requests share the threads; each uses at most half of them."""

    def __init__(
        self,
        models: ModelCache,
        fetcher: Fetcher,
        settings: Settings,
        *,
        observe: Callable[[Outcome], None],
        stage: Callable[[str, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        threads = settings.predict_threads * FETCHES_PER_CORE
        self._models = models
        self._fetcher = fetcher
        self._settings = settings
        self._observe = observe
        self._stage = stage
        self._clock = clock
        self._pool = ThreadPoolExecutor(threads, "predict")
        self._share = share_of_threads(settings)
        self._cores = BoundedSemaphore(settings.predict_threads)
        self._awaited = AwaitedTasks(clock)
        self._drafts = OpenDrafts()
        self._lock = Lock()
        self._regions = 0  # of answers that are not sent yet

    def close(self) -> None:
        """Wait for running tasks and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def predict(self, call: PredictCall) -> list[Answer]:
        """One answer a task, in order."""
        deadline = self._clock() + self._settings.predict_budget_seconds
        batch = _Batch(parse_project(call.project), call.label_config, is_interactive(call), deadline)
        batch.context = read_context(call)
        loop = asyncio.get_running_loop()
        answers: list[Answer] = [NO_ANSWER] * len(call.tasks)
        places = iter(range(len(call.tasks)))

        async def work() -> None:
            for place in places:
                outcome = await loop.run_in_executor(self._pool, self._answer, call.tasks[place], batch)
                pause = BUSY_SECONDS
                while outcome.kind == HostBusyError.__name__ and self._clock() < deadline:
                    await asyncio.sleep(pause)  # holds no thread
                    pause = min(2 * pause, LONGEST_PAUSE)
                    outcome = await loop.run_in_executor(self._pool, self._answer, call.tasks[place], batch)
                suggests = batch.context is not None
                self._observe(msgspec.structs.replace(outcome, suggests=suggests) if suggests else outcome)
                answers[place] = outcome.answer

        try:
            await asyncio.gather(*(work() for _ in range(min(self._share, len(call.tasks)))))
        finally:
            with self._lock:
                self._regions -= batch.regions
        return answers

    def _answer(self, raw: msgspec.Raw, batch: "_Batch") -> Outcome:
        """One task's answer. Never raises, whatever the task holds."""
        task: Task | None = None
        project = batch.project or ProjectRef()
        version = UNTRAINED
        try:
            try:
                task = decode_task(raw)
                project = batch.project or parse_project(task.project) or ProjectRef()
            finally:
                served = batch.serving(project, self._models)
                version = served.version
            draft = None
            if batch.context is not None:
                draft = self._drafts.rebuild(project.id, task.id, raw, batch.context)
                if draft is None:
                    nothing = Prediction(result=[], score=0.0, model_version=version)
                    return Outcome(project.id, task.id, nothing)
            return self._segment(task, project, served, batch, draft)
        except NotDataError as error:
            doubt = Doubt(kind=error.kind, sentence=str(error))
            return self._not_data(project.id, task.id if task else None, version, batch, doubt)
        except (TemporaryError, ForbiddenError) as error:
            answer = batch.nothing_yet(version)
            reason, kind = str(error), type(error).__name__
        except (PermanentError, RequestError) as error:
            reason, kind = str(error), type(error).__name__
            answer = Prediction(result=[], score=0.0, model_version=version, notes=(reason,))
        except Exception:
            log.exception("Unexpected error while answering a task; Label Studio will ask again.")
            answer = batch.nothing_yet(version)
            reason, kind = "internal error, see the log", "unforeseen"
        return Outcome(project.id, task.id if task else None, answer, reason, kind)

    def _not_data(
        self, project: int, task: int | str | None, version: str, batch: "_Batch", doubt: Doubt, rows: int = 0
    ) -> Outcome:
        """Nothing is stored for the task, so that Label Studio asks again; after an hour an empty result."""
        reason = doubt.sentence
        answer = batch.nothing_yet(version)
        if not self._awaited.is_awaited(project, task):
            answer = Prediction(result=[], score=0.0, model_version=version, notes=(reason,))
        return Outcome(project, task, answer, reason, doubt.kind, rows, (doubt,))

    def _segment(
        self, task: Task, project: ProjectRef, served: ServedModel, batch: "_Batch", draft: OpenDraft | None
    ) -> Outcome:
        config = with_aliases(batch.label_config(served.model.label_config), self._models.aliases(project.id))
        series = served.model.series(config)
        if not series:
            learned, configured = (
                ", ".join(quoted(each.to_name) for each in some.series) for some in (served.model.label_config, config)
            )
            raise SeriesError(
                f"Version {served.version} has learned the series {learned}; the labelling configuration has "
                f"{configured}: train again."
            )
        if draft:
            series = [each for each in series if draft.is_of(each.config.to_name)][:1] or series[:1]
        found: list[_Part] = []
        failed: list[Doubt] = []
        for each in series:
            try:
                found.append(self._segment_series(task, project, each, batch, draft))
            except (PermanentError, ForbiddenError) as error:
                if len(series) == 1:
                    raise
                failed.append(Doubt(kind="unreadable-series", sentence=f"{each.config.to_name}: {error}"))
        if not found:
            raise SeriesError(" ".join(doubt.sentence for doubt in failed))
        return self._outcome(task, project, served, batch, found, failed)

    def _segment_series(
        self, task: Task, project: ProjectRef, served: ServedSeries, batch: "_Batch", draft: OpenDraft | None
    ) -> "_Part":
        card, config = served.segmenter.card, served.config
        self._check_time(batch)
        value = _value(task, config)
        number = task.id if isinstance(task.id, int) else None
        begun = self._clock()
        with self._fetcher.held(value, task_id=number, deadline=batch.deadline) as data:
            self._stage("fetch", self._clock() - begun)
            with self._cores:
                self._check_time(batch)
                begun = self._clock()
                series = read_series(
                    data,
                    msgspec.structs.replace(config, channels=card.label_config.channels),
                    max_cells=cell_limit(self._settings.max_series_mb),
                    fetched=is_address(value),
                )
                parsed = self._clock()
                layout = lay_out(draft, series.axis, config) if draft else None
                found = answer_series(
                    served.segmenter,
                    series,
                    config,
                    task_score=self._settings.task_score,
                    check=lambda: self._check_time(batch),
                    given=layout.given if layout else None,
                )
                self._make_room(batch, len(found.segments))
                if layout:
                    regions = suggest(found.segments, layout, card.heads, series.axis, config)
                    self._drafts.answered(project.id, task.id, regions)
                else:
                    regions = to_regions(found.segments, series.axis, config)
                    regions += to_results(found.chosen, config.choice_tags, config.to_name)
                self._stage("parse", parsed - begun)
                self._stage("segment", self._clock() - parsed)
        return _Part(regions, found.score, found.doubts, series.rows)

    def _outcome(
        self,
        task: Task,
        project: ProjectRef,
        served: ServedModel,
        batch: "_Batch",
        found: "Sequence[_Part]",
        failed: Sequence[Doubt],
    ) -> Outcome:
        """One answer of all series: their regions, and the mean of their scores, as that of the heads of one model."""
        doubts = (*(doubt for each in found for doubt in each.doubts), *failed)
        scores = [each.score for each in found]
        least = self._settings.task_score == "min-segment"
        score = min(scores) if least else sum(scores) / len(scores)
        answer: Answer = Prediction(
            result=[region for each in found for region in each.regions],
            score=doubtful_score(score, doubts),
            model_version=served.version,
            notes=tuple(doubt.sentence for doubt in doubts),
        )
        rows = sum(each.rows for each in found)
        passing = next((doubt for doubt in doubts if doubt.effect is Effect.PASSING), None)
        if passing is not None:
            outcome = self._not_data(project.id, task.id, served.version, batch, passing, rows)
            return msgspec.structs.replace(outcome, doubts=doubts)
        self._awaited.arrived(project.id, task.id)
        return Outcome(project.id, task.id, answer, rows=rows, doubts=doubts)

    def _make_room(self, batch: "_Batch", regions: int) -> None:
        with self._lock:
            if self._regions + regions > MOST_REGIONS:
                raise OutOfRoomError(
                    f"Answers that are not sent yet hold {self._regions} regions, this one has {regions}, and at most "
                    f"{MOST_REGIONS} are held: ask for fewer tasks at a time."
                )
            self._regions += regions
            batch.regions += regions

    def _check_time(self, batch: "_Batch") -> None:
        if self._clock() > batch.deadline:
            raise OutOfTimeError(
                f"PREDICT_BUDGET_SECONDS={self._settings.predict_budget_seconds:g} ended before this task was done; "
                "Label Studio asks again."
            )


class _Part(NamedTuple):
    """What one series of a task adds to its answer."""

    regions: list[dict[str, Any]]
    score: float
    doubts: tuple[Doubt, ...]
    rows: int


def _value(task: Task, config: LabelConfig) -> Any:
    """What the task's data hold for the TimeSeries tag; only the part that is needed is decoded."""
    keys = config.data_keys
    return config.value_of(
        {
            name: decode_value(raw) if name in keys or (not config.value_key and name.lower() in keys) else NOT_DECODED
            for name, raw in task.data.items()
        }
    )


@lru_cache(maxsize=64)
def _remembered(xml: str) -> LabelConfig:
    """The configuration of an XML: Label Studio sends the same one with each request."""
    return parse_label_config(xml)


class _Batch:
    """What the tasks of one request share: one model a project and one configuration, looked up once."""

    def __init__(
        self, project: ProjectRef | None, label_config: str | None, interactive: bool, deadline: float
    ) -> None:
        self.project = project
        self.deadline = deadline
        self.regions = 0  # found so far
        self.context: list[Any] | None = None  # of interactive suggestions
        self._interactive = interactive
        self._xml = label_config
        self._config: LabelConfig | LabelConfigError | None = None
        self._serving: dict[ProjectRef, ServedModel | SegmenterError] = {}

    def serving(self, project: ProjectRef, models: ModelCache) -> ServedModel:
        """The model that serves a project throughout this request."""
        found = self._serving.get(project)
        if found is None:
            try:
                found = models.serving(project)
            except SegmenterError as error:
                found = error
            found = self._serving.setdefault(project, found)
        if isinstance(found, SegmenterError):
            raise found
        return found

    def label_config(self, trained: LabelConfig) -> LabelConfig:
        """The configuration that Label Studio sent, or else the one the model was trained with."""
        if not self._xml:
            return trained
        if self._config is None:
            try:
                self._config = (_remembered if len(self._xml) <= REMEMBERED else parse_label_config)(self._xml)
            except LabelConfigError as error:
                self._config = error
        if isinstance(self._config, LabelConfigError):
            raise self._config
        return self._config

    def nothing_yet(self, version: str) -> Answer:
        """An answer that stores nothing; in the editor, where an object is due, an empty one."""
        return Prediction(result=[], score=0.0, model_version=version) if self._interactive else NO_ANSWER
