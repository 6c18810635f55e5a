"""What a run would learn from, without training: `python -m training run --explain`."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator

import msgspec

from shared.errors import TrainingDataError
from shared.reporting.wording import label_error_sentence
from shared.retraining.accepted_labels import AcceptedLabels, without_accepted
from shared.settings import Settings
from shared.store.models import ModelStore
from shared.store.storage import Storage
from training.commands.source import existing_storage, read_source
from training.data.chosen import choice_counts
from training.data.recordings import Loaded
from training.data.training_data import TrainingData
from training.judging.references import current_model, kept_report, read_card, serving_heads


class ClassCount(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a class there is."""

    label: str
    rows: int  # 0 for instants
    segments: int
    recordings: int  # that hold it


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would be trained on."""

    tasks: int  # annotated
    recordings: int  # that can be read
    groups: int  # held out together
    rows: int
    ranges: list[ClassCount]
    instants: list[ClassCount]
    choices: list[str] = []  # tags with the number of recordings of each choice: sentences
    left_out: list[str]  # sentences
    missing: list[int]  # tasks whose recordings did not arrive, but may another time
    label_errors: list[str] = []  # annotations that the model in the store suspects, the surest first: sentences
    complaint: str = ""  # why nothing could be learned
    series: str = ""  # name of the TimeSeries tag, where there are several
    others: list["Explanation"] = []  # of further series


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what would be trained on. Returns 0, or 2 where nothing could be learned from it."""
    storage = existing_storage(settings)
    data = read_source(arguments, settings, storage)
    first, *others = (_of_series(data.of_series(each), storage, arguments, settings) for each in data.config.series)
    if others:
        names = [each.to_name for each in data.config.series]
        first, *others = (
            msgspec.structs.replace(each, series=name) for each, name in zip((first, *others), names, strict=True)
        )
    found = msgspec.structs.replace(first, others=others)
    text = json.dumps(msgspec.to_builtins(found), indent=1) if arguments.json else "\n".join(_lines(found))
    sys.stdout.write(text + "\n")
    return 2 if all(each.complaint for each in (found, *others)) else 0


def _of_series(
    data: TrainingData, storage: Storage | None, arguments: argparse.Namespace, settings: Settings
) -> Explanation:
    project = arguments.project or 0
    try:
        loaded = data.load(settings, serving_heads(storage, project, data.config) if storage else ())
        found = explain(len(data.tasks), loaded, data.notes)
        if storage:
            found = msgspec.structs.replace(found, label_errors=label_errors(storage, project, data.config.to_name))
        return found
    except TrainingDataError as error:
        return Explanation(
            tasks=len(data.tasks),
            recordings=0,
            groups=0,
            rows=0,
            ranges=[],
            instants=[],
            left_out=[*data.notes, *getattr(error, "__notes__", ())],
            missing=[],
            complaint=str(error),
        )


def explain(tasks: int, loaded: Loaded, notes: tuple[str, ...]) -> Explanation:
    """Count what was read. tasks: annotated ones, readable or not."""
    rows: Counter[str] = Counter()
    segments: Counter[tuple[str, bool]] = Counter()
    holding: Counter[tuple[str, bool]] = Counter()
    names = loaded.kinds.range_classes or ("background",)
    for recording in loaded.recordings:
        for name, amount in zip(names, recording.class_sizes()[: len(names)], strict=True):
            rows[name] += int(amount)
        marked = [(each.label, each.instant) for each in recording.segments()]
        segments.update(marked)
        holding.update(set(marked))
    return Explanation(
        tasks=tasks,
        recordings=len(loaded.recordings),
        groups=len({recording.group for recording in loaded.recordings}),
        rows=sum(recording.rows for recording in loaded.recordings),
        ranges=[
            ClassCount(label=name, rows=rows[name], segments=segments[name, False], recordings=holding[name, False])
            for name in names
        ],
        instants=[
            ClassCount(label=name, rows=0, segments=segments[name, True], recordings=holding[name, True])
            for name in loaded.kinds.instants
        ],
        choices=choice_counts(loaded.chosen),
        left_out=[*notes, *loaded.notes],
        missing=[task.id for task in loaded.missing],
    )


def label_errors(storage: Storage, project: int, series: str = "") -> list[str]:
    """Annotations that the model in the store suspects and nobody has accepted: sentences, the surest first."""
    store = ModelStore(storage, keep_versions=1)
    champion = current_model(store, project)
    report = kept_report(store, project, read_card(champion.data).version) if champion else None
    errors = report.of_series(series).label_errors if report else ()
    return [label_error_sentence(each) for each in without_accepted(errors, AcceptedLabels(storage).of(project))]


def _lines(found: Explanation) -> Iterator[str]:
    if found.series:
        yield f"Series {found.series}:"
    yield f"{found.tasks} annotated tasks; {found.recordings} recordings in {found.groups} groups, {found.rows} rows."
    width = max((len(each.label) for each in (*found.ranges, *found.instants)), default=0)
    for each in found.ranges:
        if not each.segments:
            yield f"  {each.label:<{width}}  {each.rows:>9} rows"
        else:
            yield (
                f"  {each.label:<{width}}  {each.rows:>9} rows  {each.segments:>5} segments in "
                f"{each.recordings} recordings"
            )
    for each in found.instants:
        yield f"  {each.label:<{width}}  {each.segments:>9} instants in {each.recordings} recordings"
    yield from found.choices
    yield from found.left_out
    yield from found.label_errors
    if found.missing:
        yield f"{len(found.missing)} recordings did not arrive and are tried again: {found.missing[:20]}"
    yield f"Nothing can be learned: {found.complaint}" if found.complaint else "This can be trained on."
    for other in found.others:
        yield from _lines(other)
