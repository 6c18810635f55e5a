"""Annotated tasks ► recordings with layers of segments: fetch, parse, select. A bad task is skipped and named."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from shared.doubts import Doubt
from shared.errors import FetchError, SegmenterError, SeriesError, TemporaryError, TrainingDataError
from shared.labelling.annotations import select_annotations
from shared.labelling.choice_results import from_results
from shared.labelling.label_config import LabelConfig
from shared.labelling.left_out import LeftOut
from shared.labelling.regions import from_regions
from shared.recordings.series import is_address, read_series
from shared.segmentation.normalisation import missing
from shared.segmentation.recording_doubts import empty_channels, outliers, without_values
from shared.settings import Annotators, MachineAnnotations, Overlaps
from training.data.annotations import (
    AnnotatedSeries,
    LabelKinds,
    Recording,
    choose_label_kinds,
    label_rows,
    segment_durations,
    tolerance_between,
)
from training.data.chosen import ChosenRecording, chosen_recordings
from training.data.common_rate import at_common_rate
from training.data.findings import MOST_NAMED, Findings
from training.data.label_heads import Heads, covered_labels, covered_regions, separate_labels
from training.data.opinions import Author
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
    chosen: tuple[ChosenRecording, ...] = ()  # recordings of which people chose something as a whole
    unknown_labels: frozenset[str] = frozenset()  # `label_topic` of labels that annotations have and no configuration


def load_recordings(
    tasks: Sequence[AnnotatedTask],
    config: LabelConfig,
    source: Source,
    unlabelled: str,
    *,
    annotators: Annotators = "majority",
    machine_annotations: MachineAnnotations = "leave-out",
    overlaps: Overlaps = "auto",
    previous: Heads = (),
    to_learn: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Loaded:
    """Read every task's recording and label its rows; a fetch that fails in passing is tried again, WAITS in all.

    unlabelled, annotators, machine_annotations, overlaps: the settings of these names. previous: labels by head of
    ranges of the model that serves. to_learn: at one sampling rate, without recordings that hold no value, and refused
    where there is nothing to learn; not so for what is only looked at.

    Raises TrainingDataError with one sentence, and notes, where nothing can be learned; FetchError where that may be
    because recordings did not arrive.
    """
    if not tasks:
        raise TrainingDataError(
            "There is no annotated task: annotate at least one recording (skipped ones don't count), then train."
        )
    findings = Findings()
    tasks = _select(tasks, annotators, machine_annotations, findings)
    layered: list[AnnotatedSeries] = []
    failures: list[tuple[AnnotatedTask, SegmenterError]] = []
    waits = iter(WAITS)
    for task in tasks:
        try:
            read = _read_with_retries(task, config, source, findings, waits, sleep)
            if to_learn and len(empty_channels(read.series.values)) == len(config.channels):
                raise SeriesError("none of its channels holds a value.")
            layered.append(read)
        except SegmenterError as error:
            failures.append((task, error))
    missing = [task for task, error in failures if isinstance(error, TemporaryError)]
    if not layered:
        raise _nothing_readable(failures)
    if config.time_column and to_learn:
        layered, other_rates = at_common_rate(layered)
        findings.series += other_rates
    notes: list[str] = []
    try:
        found = _label(layered, config, unlabelled, overlaps, previous, failures, findings, missing, notes)
        if to_learn:
            _check_learnable(found.recordings, found.kinds, config)
        return found
    except TrainingDataError as error:
        for note in notes:
            error.add_note(note)
        if missing:
            raise FetchError(f"{error} But {len(missing)} recordings did not arrive; they are tried again.") from error
        raise


def _select(
    tasks: Sequence[AnnotatedTask],
    annotators: Annotators,
    machine_annotations: MachineAnnotations,
    findings: Findings,
) -> list[AnnotatedTask]:
    """Tasks that have annotations that count, with those alone. Raises TrainingDataError if there is none."""
    found: list[AnnotatedTask] = []
    for task in tasks:
        selected = select_annotations(task.annotations, annotators, machine_annotations)
        findings.left_out += [
            (f"task {task.id}", LeftOut("machine-made", "", f"annotation {each.id}"))
            for each in task.annotations
            if each.machine_made and each not in selected
        ]
        if selected:
            found.append(msgspec.structs.replace(task, annotations=selected))
    if not found:
        raise TrainingDataError(
            f"All annotations of the {len(tasks)} annotated tasks are predictions accepted without a change: look at "
            "them and submit them one by one, or set MACHINE_ANNOTATIONS=learn."
        )
    return found


def _label(
    layered: Sequence[AnnotatedSeries],
    config: LabelConfig,
    unlabelled: str,
    overlaps: Overlaps,
    previous: Heads,
    failures: Sequence[tuple[AnnotatedTask, SegmenterError]],
    findings: Findings,
    missing: list[AnnotatedTask],
    notes: list[str],
) -> Loaded:
    """Rows of what was read; `notes` takes sentences about what was not, whatever comes of the rest."""
    notes += [f"Task {task.id} was skipped: {error}" for task, error in failures[:MOST_NAMED]]
    if len(failures) > MOST_NAMED:
        notes.append(f"{len(failures) - MOST_NAMED} more tasks were skipped.")
    doubts = findings.doubts(len(layered))
    notes += [doubt.sentence for doubt in doubts]
    kinds = choose_label_kinds(layered, config.labels)
    kinds = separate_labels(kinds, layered, previous, config.label_sets, overlaps)
    if not kinds.ranges and not kinds.instants:
        raise TrainingDataError(
            f"None of the {len(layered)} annotated recordings holds a segment with a label of the configuration: mark "
            "some, then train."
            + (" Choices about a recording are learned beside segments only." if config.choice_tags else "")
            + (f" ({notes[0]})" if notes else "")
        )
    tolerance = tolerance_between(layered, kinds.instants)
    recordings = [label_rows(each, kinds, unlabelled, 0, tolerance) for each in layered]
    covered = covered_regions(layered, recordings, kinds, overlaps)
    if unlabelled == "ignore":
        recordings, more = _with_margins(layered, recordings, kinds, tolerance)
        notes += more
    differing = _disagreements(recordings)
    doubts += differing
    notes += [doubt.sentence for doubt in differing]
    notes += kinds.notes
    covered += covered_labels(recordings, kinds, overlaps)
    doubts += covered
    notes += [doubt.sentence for doubt in covered]
    chosen = tuple(chosen_recordings(layered, config.choice_tags))
    return Loaded(recordings, kinds, notes, doubts, missing, chosen, findings.topics("unknown-label"))


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
    doubts = [
        *series.doubts,
        *outliers(series.values, config.channels),
        *without_values(series.values, config.channels),
    ]
    findings.series += [(f"task {task.id}", doubt) for doubt in doubts]
    parsed = [from_regions(annotation.result, series.axis, config) for annotation in task.annotations]
    findings.left_out += [(f"task {task.id}", each) for one in parsed for each in one.left_out]
    pairs = zip(task.annotations, parsed, strict=True)
    readable = [(annotation, each) for annotation, each in pairs if each.says_something]
    if not readable:
        raise TrainingDataError("none of its regions can be read.")
    chosen = [from_results(annotation.result, config.choice_tags, config.to_name) for annotation, _ in readable]
    findings.left_out += [(f"task {task.id}", each) for _, left_out in chosen for each in left_out]
    name = f"task {task.id}" + (f" ({storable(value[-80:])})" if isinstance(value, str) and len(value) < 500 else "")
    return AnnotatedSeries(
        key=str(task.id),
        name=name,
        group=group_of(task),
        series=series,
        layers=tuple(tuple(each.segments) for _, each in readable),
        unclear=tuple(tuple(each.unclear) for _, each in readable),
        machine_made=any(each.machine_made for each in task.annotations),
        authors=tuple(Author(each.annotator, each.updated_at, each.prelabelled) for each, _ in readable),
        chosen=tuple(found for found, _ in chosen),
    )


def group_of(task: AnnotatedTask) -> str:
    """What is held out together: `meta.group` or `meta.subject` where a task carries one, else the task."""
    for key in ("group", "subject"):
        value = task.meta.get(key)
        if isinstance(value, str | int | float) and value != "":
            return storable(f"{key} {value}")
    return f"task {task.id}"


def storable(text: str) -> str:
    """The text with halves of characters spelled out: JSON may hold half an emoji, but no file can."""
    return text.encode(errors="backslashreplace").decode()


def _nothing_readable(failures: Sequence[tuple[AnnotatedTask, SegmenterError]]) -> SegmenterError:
    task, error = failures[0]
    sentence = f"None of the {len(failures)} annotated recordings could be read; the first, task {task.id}: {error}"
    if any(isinstance(each, TemporaryError) for _, each in failures):
        return FetchError(sentence)
    return TrainingDataError(sentence)


def _disagreements(recordings: Sequence[Recording]) -> list[Doubt]:
    """What annotators differ on, by recording; those on which they differ most first."""
    found = [each.disagreement for each in recordings if each.disagreement]
    found.sort(key=lambda doubt: -(doubt.share or 0.0))
    rest = len(found) - MOST_NAMED
    more = [Doubt(kind="disagreement", sentence=f"Annotators differ on {rest} more recordings.")] if rest > 0 else []
    return found[:MOST_NAMED] + more


def _with_margins(
    layered: Sequence[AnnotatedSeries], recordings: Sequence[Recording], kinds: LabelKinds, tolerance: float
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
    known = [label_rows(each, kinds, "ignore", margin, tolerance) for each in layered]
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
        if not any(map(len, present)):
            raise TrainingDataError(
                f"No row of the {len(recordings)} annotated recordings is known for certain: correct regions that "
                "cannot be read, or labels on which annotators differ, then train."
            )
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
