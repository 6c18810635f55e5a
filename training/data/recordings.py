"""Annotated tasks ► recordings with layers of segments: fetch, parse, select. A bad task is skipped and named."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from shared.doubts import Doubt
from shared.errors import FetchError, SegmenterError, TemporaryError, TrainingDataError
from shared.labelling.annotations import select_annotations
from shared.labelling.label_config import LabelConfig
from shared.labelling.regions import from_regions
from shared.recordings.series import is_address, read_series
from shared.segmentation.normalisation import missing
from training.data.annotations import (
    AnnotatedSeries,
    LabelKinds,
    Recording,
    choose_label_kinds,
    label_rows,
    segment_durations,
)
from training.data.findings import MOST_NAMED, Findings
from training.data.tasks import AnnotatedTask

WAITS = (1.0, 2.0, 4.0, 8.0)  # s before trying again, for all recordings of a run together
LONGEST_MARGIN = 500  # rows around regions that count as known where the rest is not


class Source(Protocol):
    """Where recordings come from."""

    def fetch(self, value: Any, *, task_id: int | None = None) -> bytes | str | dict[str, Any]:
        """The recording that a task's value names."""
        ...


class Loaded(NamedTuple):
    """What can be learned from."""

    recordings: list[Recording]
    kinds: LabelKinds
    notes: list[str]  # sentences about what was left out, those of `doubts` among them
    doubts: list[Doubt]
    missing: list[AnnotatedTask]  # whose recordings did not arrive, but may another time


def load_recordings(
    tasks: Sequence[AnnotatedTask],
    config: LabelConfig,
    source: Source,
    unlabelled: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Loaded:
    """Read every task's recording and label its rows; a fetch that fails in passing is tried again, WAITS in all.

    Raises TrainingDataError with one sentence where nothing can be learned; FetchError where that may be because
    recordings did not arrive.
    """
    if not tasks:
        raise TrainingDataError(
            "There is no annotated task: annotate at least one recording (skipped ones don't count), then train."
        )
    layered: list[AnnotatedSeries] = []
    findings = Findings()
    failures: list[tuple[AnnotatedTask, SegmenterError]] = []
    waits = iter(WAITS)
    for task in tasks:
        try:
            layered.append(_read_with_retries(task, config, source, findings, waits, sleep))
        except SegmenterError as error:
            failures.append((task, error))
    missing = [task for task, error in failures if isinstance(error, TemporaryError)]
    if not layered:
        raise _nothing_readable(failures)
    try:
        return _label(layered, config, unlabelled, failures, findings, missing)
    except TrainingDataError as error:
        if missing:
            raise FetchError(f"{error} But {len(missing)} recordings did not arrive; they are tried again.") from error
        raise


def _label(
    layered: Sequence[AnnotatedSeries],
    config: LabelConfig,
    unlabelled: str,
    failures: Sequence[tuple[AnnotatedTask, SegmenterError]],
    findings: Findings,
    missing: list[AnnotatedTask],
) -> Loaded:
    """Rows of what was read, and sentences about what was not."""
    notes = [f"Task {task.id} was skipped: {error}" for task, error in failures[:MOST_NAMED]]
    if len(failures) > MOST_NAMED:
        notes.append(f"{len(failures) - MOST_NAMED} more tasks were skipped.")
    doubts = findings.doubts()
    notes += [doubt.sentence for doubt in doubts]
    kinds = choose_label_kinds(layered, config.labels)
    if not kinds.ranges and not kinds.instants:
        raise TrainingDataError(
            f"None of the {len(layered)} annotated recordings holds a segment with a label of the configuration: mark "
            "some, then train." + (f" ({notes[0]})" if notes else "")
        )
    recordings = [label_rows(each, kinds, unlabelled, 0) for each in layered]
    if unlabelled == "ignore":
        recordings, more = _with_margins(layered, recordings, kinds)
        notes += more
    notes += kinds.notes
    _check_learnable(recordings, kinds, config)
    return Loaded(recordings, kinds, notes, doubts, missing)


def _read_with_retries(
    task: AnnotatedTask,
    config: LabelConfig,
    source: Source,
    findings: Findings,
    waits: Iterator[float],
    sleep: Callable[[float], None],
) -> AnnotatedSeries:
    """Read a task, again after a passing failure as long as there are waits left for the whole run."""
    while True:
        try:
            return _read_task(task, config, source, findings)
        except TemporaryError:
            pause = next(waits, None)
            if pause is None:
                raise
            sleep(pause)


def _read_task(task: AnnotatedTask, config: LabelConfig, source: Source, findings: Findings) -> AnnotatedSeries:
    value = config.value_of(task.data)
    series = read_series(source.fetch(value, task_id=task.id), config, fetched=is_address(value))
    findings.series += [(f"task {task.id}", doubt) for doubt in series.doubts]
    layers = []
    for annotation in select_annotations(task.annotations):
        parsed = from_regions(annotation.result, series.axis, config)
        findings.left_out += [(f"task {task.id}", each) for each in parsed.left_out]
        layers.append(tuple(parsed.segments))
    name = f"task {task.id}" + (f" ({value[-80:]})" if isinstance(value, str) and len(value) < 500 else "")
    return AnnotatedSeries(str(task.id), name, group_of(task), series, tuple(layers))


def group_of(task: AnnotatedTask) -> str:
    """What is held out together: `meta.group` or `meta.subject` where a task carries one, else the task."""
    for key in ("group", "subject"):
        value = task.meta.get(key)
        if isinstance(value, str | int | float) and value != "":
            return f"{key} {value}"
    return f"task {task.id}"


def _nothing_readable(failures: Sequence[tuple[AnnotatedTask, SegmenterError]]) -> SegmenterError:
    task, error = failures[0]
    sentence = f"None of the {len(failures)} annotated recordings could be read; the first, task {task.id}: {error}"
    if any(isinstance(each, TemporaryError) for _, each in failures):
        return FetchError(sentence)
    return TrainingDataError(sentence)


def _with_margins(
    layered: Sequence[AnnotatedSeries], recordings: Sequence[Recording], kinds: LabelKinds
) -> tuple[list[Recording], list[str]]:
    """Rows known around the regions: half a median segment, so that a lone event has a background to stand out from."""
    durations = [
        rows
        for head, labels in enumerate(kinds.heads)
        for each in segment_durations(recordings, head, 1 + len(labels))[1:]
        for rows in each
    ]
    lengths = durations or [segment.last - segment.first + 1 for each in recordings for segment in each.segments()]
    margin = int(np.clip(np.median(lengths) / 2, 10, LONGEST_MARGIN))
    known = [label_rows(each, kinds, "ignore", margin) for each in layered]
    empty = [each.name for each in known if not each.known.any()]
    notes = [f"{len(empty)} recordings without regions say nothing under UNLABELLED=ignore."] if empty else []
    return [each for each in known if each.known.any()], notes


def _check_learnable(recordings: Sequence[Recording], kinds: LabelKinds, config: LabelConfig) -> None:
    if all(_is_constant(recording) for recording in recordings):
        raise TrainingDataError(
            f"Every channel ({', '.join(config.channels)}) is constant or empty in all {len(recordings)} recordings: "
            "there is nothing to learn from; check which columns the configuration names."
        )
    if kinds.instants:
        return
    sizes = np.sum([recording.class_sizes() for recording in recordings], axis=0)
    ends = np.cumsum([1 + len(head) for head in kinds.heads])
    present = [np.flatnonzero(each) for each in np.split(sizes, ends[:-1])]
    if all(len(each) < 2 for each in present):
        names = [
            ("background", *head)[int(each[0])] for head, each in zip(kinds.heads, present, strict=True) if len(each)
        ]
        raise TrainingDataError(
            f"Every row of the {len(recordings)} annotated recordings is {' and '.join(names)}: leave out rows that "
            "are not, or use a second label, then train."
        )


def _is_constant(recording: Recording) -> bool:
    values = recording.series.values
    known = np.where(missing(values), np.nan, values)
    present = ~np.isnan(known).all(axis=0)
    return not present.any() or bool(
        (np.nanmax(known[:, present], axis=0) == np.nanmin(known[:, present], axis=0)).all()
    )
