"""Diagnosis of a task: each step from its number to its segments, and a drawing of the recording."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.monitoring.annotated import annotated_strips
from inference.serving.model_cache import ModelCache, ServedModel
from inference.serving.protocol import ProjectRef
from shared.errors import RefusedError, SegmenterError
from shared.label_studio.client import LabelStudio, TaskWithAnnotations
from shared.label_studio.fetcher import Fetcher
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.renames import with_aliases
from shared.labelling.segments import Segment
from shared.recordings.series import Series, cell_limit, is_address, read_series
from shared.segmentation.answer import Answer, answer_series
from shared.segmentation.known_recordings import reading_doubts
from shared.settings import Settings, TaskScore
from shared.store.projects import KnownProjects
from shared.store.report import HeldOut

T = TypeVar("T")

COLUMNS = 1000  # pixel columns of a drawn signal: each shows the minimum and maximum of its rows
BUDGET_SECONDS = 60.0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step: whether it succeeded, and a sentence."""

    holds: bool
    sentence: str


class DrawnSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as it is drawn; `start` and `end` as Label Studio shows them."""

    first: int
    last: int
    label: str
    score: float
    instant: bool
    start: int | float | str = ""
    end: int | float | str = ""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A signal by pixel columns: minimum and maximum, null where values are missing."""

    name: str
    low: list[float | None]
    high: list[float | None]


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """Rows `first` to `last` of a recording, with strips of segments by name."""

    rows: int
    first: int
    last: int
    start: int | float | str
    end: int | float | str
    channels: list[Channel]
    strips: dict[str, list[DrawnSegment]]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Result for a task."""

    steps: list[Step]
    version: str = ""
    score: float | None = None
    drawing: Drawing | None = None


class Diagnoser:
    """Examines one task at a time in a single thread, so that predictions are not delayed."""

    def __init__(
        self,
        models: ModelCache,
        fetcher: Fetcher,
        label_studio: LabelStudio,
        projects: KnownProjects,
        settings: Settings,
    ) -> None:
        self._models = models
        self._fetcher = fetcher
        self._label_studio = label_studio
        self._projects = projects
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "examine")

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    async def run(self, work: Callable[[], T]) -> T:
        """Run something in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def examine(self, project: int, task: int, held_out: HeldOut | None, window: tuple[int, int]) -> Diagnosis:
        """Go through all steps until one fails. window: first and last row to draw; (0, -1) is all."""
        steps: list[Step] = []
        served = self._served(project, steps)
        config = self._config(project, served, steps)
        if config is not None:
            config = with_aliases(config, self._models.aliases(project))
        annotated = self._task(project, task, steps)
        if config is None or annotated is None:
            return Diagnosis(steps=steps, version=served.version if served else "")
        read = (
            msgspec.structs.replace(config, channels=served.segmenter.card.label_config.channels) if served else config
        )
        series = self._series(annotated, read, steps)
        if series is None:
            return Diagnosis(steps=steps, version=served.version if served else "")
        strips, doubts = annotated_strips(annotated, series, config, self._settings)
        steps += [Step(holds=False, sentence=each) for each in doubts]
        score = None
        if held_out is not None:
            strips["predicted by a network that had not seen it"] = [
                Segment(each.first, each.last, each.label, each.score, each.instant) for each in held_out.predicted
            ]
        if served is not None:
            found = _answer(served, series, config, self._settings.task_score, steps)
            if found is not None:
                strips["predicted"], score = found.segments, found.score
        else:
            steps += [Step(holds=False, sentence=doubt.sentence) for doubt in reading_doubts(series, None)]
        return Diagnosis(
            steps=steps,
            version=served.version if served else "",
            score=score,
            drawing=draw(series, read.channels, strips, window),
        )

    def _served(self, project: int, steps: list[Step]) -> ServedModel | None:
        try:
            known = self._projects.get(project)
            served = self._models.serving(ProjectRef(project, known.created if known else ""))
        except SegmenterError as error:
            steps.append(Step(holds=False, sentence=f"No model answers. {error}"))
            return None
        steps.append(Step(holds=True, sentence=f"Version {served.version} answers."))
        return served

    def _config(self, project: int, served: ServedModel | None, steps: list[Step]) -> LabelConfig | None:
        try:
            known = self._projects.get(project)
            if known is not None and known.label_config:
                return parse_label_config(known.label_config)
        except SegmenterError as error:
            steps.append(Step(holds=False, sentence=str(error)))
            return None
        if served is None:
            steps.append(
                Step(holds=False, sentence="The project never connected: connect this address in its Settings.")
            )
            return None
        return served.segmenter.card.label_config

    def _task(self, project: int, task: int, steps: list[Step]) -> TaskWithAnnotations | None:
        try:
            found = self._label_studio.task(project, task)
        except SegmenterError as error:
            steps.append(Step(holds=False, sentence=str(error)))
            return None
        if found is None:
            steps.append(Step(holds=False, sentence=f"Label Studio has no task {task} in project {project}."))
            return None
        count = sum(not each.get("was_cancelled") for each in found.annotations)
        steps.append(Step(holds=True, sentence=f"Label Studio knows the task; it has {count} annotation(s)."))
        return found

    def _series(self, task: TaskWithAnnotations, config: LabelConfig, steps: list[Step]) -> Series | None:
        try:
            value = config.value_of(task.data)
            with self._fetcher.held(value, task_id=task.id, deadline=monotonic() + BUDGET_SECONDS) as data:
                series = read_series(
                    data, config, max_cells=cell_limit(self._settings.max_series_mb), fetched=is_address(value)
                )
        except SegmenterError as error:
            steps.append(Step(holds=False, sentence=str(error)))
            return None
        span = f"{series.rows} rows of {len(config.channels)} channel(s)"
        if series.rows:
            span += f", time from {series.axis.value(0)} to {series.axis.value(series.rows - 1)}"
        steps.append(Step(holds=True, sentence=f"Its recording arrived and was read: {span}."))
        return series


def draw(series: Series, names: Sequence[str], strips: dict[str, list[Segment]], window: tuple[int, int]) -> Drawing:
    """Rows `window` of a recording, reduced to minima and maxima. Raises RefusedError on a recording of no rows."""
    if not series.rows:
        raise RefusedError("The recording has no rows to draw.")
    first = min(max(window[0], 0), series.rows - 1)
    last = series.rows - 1 if window[1] < first else min(window[1], series.rows - 1)
    values = series.values[first : last + 1]
    channels = [
        Channel(name=name, low=_numbers(low), high=_numbers(high))
        for name, (low, high) in zip(names, (envelope(column) for column in values.T), strict=True)
    ]
    return Drawing(
        rows=series.rows,
        first=first,
        last=last,
        start=series.axis.value(first),
        end=series.axis.value(last),
        channels=channels,
        strips={name: list(_pieces(found, series, first, last)) for name, found in strips.items()},
    )


def envelope(column: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimum and maximum of at most COLUMNS parts of a channel [rows]; NaN where a part has no values."""
    count = min(COLUMNS, len(column))
    bounds = np.linspace(0, len(column), count + 1).astype(int)[:-1]
    missing = np.isnan(column)
    low = np.minimum.reduceat(np.where(missing, np.inf, column), bounds)
    high = np.maximum.reduceat(np.where(missing, -np.inf, column), bounds)
    none = ~(np.isfinite(low) & np.isfinite(high))
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values]


def _pieces(segments: Iterable[Segment], series: Series, first: int, last: int) -> Iterable[DrawnSegment]:
    for each in segments:
        if each.last >= first and each.first <= last and each.last < series.rows:
            yield DrawnSegment(
                first=each.first,
                last=each.last,
                label=each.label,
                score=round(each.score, 4),
                instant=each.instant,
                start=series.axis.value(each.first),
                end=series.axis.value(each.last),
            )


def _answer(
    served: ServedModel, series: Series, config: LabelConfig, task_score: TaskScore, steps: list[Step]
) -> Answer | None:
    """What the server answers for this recording, None where it cannot be segmented."""
    card = served.segmenter.card
    if card.label_config.channels != config.channels:
        steps.append(
            Step(
                holds=False,
                sentence=f"The model was trained on the channels {', '.join(card.label_config.channels)}, the "
                f"configuration now names {', '.join(config.channels)}: the next training takes them up.",
            )
        )
    try:
        found = answer_series(served.segmenter, series, config, task_score=task_score)
    except SegmenterError as error:
        steps += [Step(holds=False, sentence=doubt.sentence) for doubt in reading_doubts(series, card.known)]
        steps.append(Step(holds=False, sentence=str(error)))
        return None
    steps += [Step(holds=False, sentence=doubt.sentence) for doubt in found.doubts]
    count = len(found.segments)
    finding = (
        f"{count} segment(s) were found" if count else "Nothing was found: the model takes everything for background"
    )
    steps.append(Step(holds=bool(count), sentence=f"{finding}; the task's score is {found.score:.2f}."))
    return found
