"""Diagnosis of a task: each step from its number to its segments; the recording is drawn in `drawing`."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import NamedTuple, TypeVar

import msgspec

from inference.formatting import counted
from inference.monitoring.annotated import annotated_strips
from inference.monitoring.drawing import HELD_OUT, Drawing, Window, draw
from inference.serving.model_cache import ModelCache, ServedModel
from inference.serving.protocol import ProjectRef
from shared.errors import SegmenterError
from shared.label_studio.client import LabelStudio
from shared.label_studio.fetcher import Fetcher
from shared.label_studio.messages import TaskWithAnnotations
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.renames import with_aliases
from shared.labelling.segments import Segment
from shared.quoting import quoted
from shared.recordings.series import Series, cell_limit, is_address, read_series
from shared.segmentation.answer import Answer, answer_series
from shared.segmentation.known_recordings import reading_doubts
from shared.segmentation.segmenter import Segmenter, ServedSeries
from shared.settings import Settings, TaskScore
from shared.store.projects import KnownProjects
from shared.store.report import HeldOut

T = TypeVar("T")

BUDGET_SECONDS = 60.0
HELD_SECONDS = 120.0  # for which the recording looked at last is held, so that zooming reads and predicts nothing again
MOST_HELD = 2**29  # bytes of its values: 10⁶ rows of 64 channels


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step: whether it succeeded, and a sentence."""

    holds: bool
    sentence: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Result for a task."""

    steps: list[Step]
    version: str = ""
    score: float | None = None
    drawing: Drawing | None = None


class Examined(NamedTuple):
    """A recording that was looked at, and all that is drawn of it."""

    project: int
    task: int
    series: Series
    channels: Sequence[str]
    strips: dict[str, list[Segment]]
    diagnosis: Diagnosis


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
        self._held: Examined | None = None
        self._forget: threading.Timer | None = None

    def close(self) -> None:
        """End the thread."""
        self._hold(None)
        self._thread.shutdown(cancel_futures=True)

    async def run(self, work: Callable[[], T]) -> T:
        """Run something in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def examine(self, project: int, task: int, held_out: HeldOut | None, window: Window) -> Diagnosis:
        """Go through all steps until one fails, and draw a window of the recording.

        Another window of the recording looked at last is drawn from memory.
        """
        held = self._held
        if held is None or (held.project, held.task) != (project, task) or window.whole:
            self._hold(None)  # before another one is read
            found = self._look(project, task, held_out)
            if isinstance(found, Diagnosis):
                return found
            held = found
        drawing = draw(held.series, held.channels, held.strips, window)
        self._hold(held if held.series.values.nbytes <= MOST_HELD else None)
        return msgspec.structs.replace(held.diagnosis, drawing=drawing)

    def _hold(self, examined: Examined | None) -> None:
        """Hold a recording for a while; None: none."""
        if self._forget is not None:
            self._forget.cancel()
            self._forget = None
        self._held = examined
        if examined is not None:
            self._forget = threading.Timer(HELD_SECONDS, setattr, (self, "_held", None))
            self._forget.daemon = True
            self._forget.start()

    def _look(self, project: int, task: int, held_out: HeldOut | None) -> Examined | Diagnosis:
        steps: list[Step] = []
        served = self._served(project, steps)
        config = self._config(project, served, steps)
        first: ServedSeries | None = None
        if config is not None:
            config = with_aliases(config, self._models.aliases(project))
            several = [each.to_name for each in config.series]
            first = served.model.series(config)[0] if served and served.model.series(config) else None
            config = first.config if first else config.series[0]
            if len(several) > 1:
                steps.append(
                    Step(holds=True, sentence=f"Of {len(several)} time series {quoted(config.to_name)} is shown.")
                )
        annotated = self._task(project, task, steps)
        if config is None or annotated is None:
            return Diagnosis(steps=steps, version=served.version if served else "")
        segmenter = first.segmenter if first else None
        read = msgspec.structs.replace(config, channels=segmenter.card.label_config.channels) if segmenter else config
        series = self._series(annotated, read, steps)
        if series is None:
            return Diagnosis(steps=steps, version=served.version if served else "")
        strips, doubts = annotated_strips(annotated, series, config, self._settings)
        steps += [Step(holds=False, sentence=each) for each in doubts]
        score = None
        if held_out is not None:
            strips[HELD_OUT] = [
                Segment(each.first, each.last, each.label, each.score, each.instant) for each in held_out.predicted
            ]
        if segmenter is not None:
            found = _answer(segmenter, series, config, self._settings.task_score, steps)
            if found is not None:
                strips["predicted"], score = found.segments, found.score
        else:
            steps += [Step(holds=False, sentence=doubt.sentence) for doubt in reading_doubts(series, None)]
        diagnosis = Diagnosis(steps=steps, version=served.version if served else "", score=score)
        return Examined(project, task, series, read.channels, strips, diagnosis)

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
        return served.model.label_config

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
        steps.append(Step(holds=True, sentence=f"Label Studio knows the task; it has {counted(count, 'annotation')}."))
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
        span = f"{series.rows} rows of {counted(len(config.channels), 'channel')}"
        if series.rows:
            span += f", time from {series.axis.value(0)} to {series.axis.value(series.rows - 1)}"
        steps.append(Step(holds=True, sentence=f"Its recording arrived and was read: {span}."))
        return series


def _answer(
    segmenter: Segmenter, series: Series, config: LabelConfig, task_score: TaskScore, steps: list[Step]
) -> Answer | None:
    """What the server answers for this recording, None where it cannot be segmented."""
    card = segmenter.card
    if card.label_config.channels != config.channels:
        steps.append(
            Step(
                holds=False,
                sentence=f"The model was trained on the channels {', '.join(card.label_config.channels)}, the "
                f"configuration now names {', '.join(config.channels)}: the next training takes them up.",
            )
        )
    try:
        found = answer_series(segmenter, series, config, task_score=task_score)
    except SegmenterError as error:
        steps += [Step(holds=False, sentence=doubt.sentence) for doubt in reading_doubts(series, card.known)]
        steps.append(Step(holds=False, sentence=str(error)))
        return None
    steps += [Step(holds=False, sentence=doubt.sentence) for doubt in found.doubts]
    count = len(found.segments)
    were = "was" if count == 1 else "were"
    finding = (
        f"{counted(count, 'segment')} {were} found"
        if count
        else "Nothing was found: the model takes everything for background"
    )
    steps.append(Step(holds=bool(count), sentence=f"{finding}; the task's score is {found.score:.2f}."))
    chosen = [f"{each.from_name}: {', '.join(each.choices)} (score {each.score:.2f})" for each in found.chosen]
    steps += [Step(holds=True, sentence=f"Of the recording as a whole it chooses {each}.") for each in chosen]
    return found
