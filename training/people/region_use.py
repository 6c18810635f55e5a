"""Predictions that annotations were made from ► which of their regions people left, moved, relabelled, deleted, added.

Regions are the same where their ids are: Label Studio keeps the id of a region that is moved, resized or relabelled.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from shared.errors import LabelStudioError
from shared.label_studio.messages import StoredResult
from shared.labelling.annotations import Annotation, ParentPrediction
from shared.labelling.label_config import LabelConfig
from shared.labelling.regions import KIND
from shared.retraining.region_use import AnnotationUse, Uses
from training.data.tasks import AnnotatedTask

MOST_READ = 300  # predictions a run, of the newest annotations: about 10 s where none was compared before

Read = Callable[[int], StoredResult | None]
Drawn = tuple[object, object, tuple[str, ...]]  # start, end, labels


def use_of_predictions(
    tasks: Iterable[AnnotatedTask], config: LabelConfig, known: Mapping[int, AnnotationUse], read: Read | None
) -> list[AnnotationUse]:
    """One entry for each annotation that a person made from a prediction; those of `known` that have not changed stay.

    read: reads a prediction from Label Studio. Where it cannot, or after MOST_READ, what is missing is compared by a
    later run.
    """
    found, unread = [], []
    for annotation in sorted(_by_people(tasks), key=lambda each: each.updated_at, reverse=True):
        before, parent = known.get(annotation.id), annotation.parent
        if before is not None and (before.updated_at == annotation.updated_at or parent is None):
            found.append(before)
        elif parent is not None and parent.result is not None:
            found.append(_use(annotation, parent, config))
        elif parent is not None:
            unread.append((annotation, parent))
    if read is None:
        return found
    for annotation, parent in unread[:MOST_READ]:
        try:
            stored = read(parent.id)
        except LabelStudioError:
            break
        if stored is not None:
            whole = ParentPrediction(id=parent.id, version=stored.model_version or "", result=stored.result)
            found.append(_use(annotation, whole, config))
    return found


def compare_regions(predicted: Sequence[Any], annotated: Sequence[Any], config: LabelConfig) -> dict[str, Uses]:
    """What became of the regions of a prediction in an annotation, by label."""
    before, after = _regions(predicted, config), _regions(annotated, config)
    counts: dict[str, Counter[str]] = {}
    for name, region in before.items():
        counts.setdefault(_label(region), Counter())[_fate(region, after.get(name))] += 1
    for name, region in after.items():
        if name not in before:
            counts.setdefault(_label(region), Counter())["added"] += 1
    return {label: Uses(**each) for label, each in counts.items()}


def _by_people(tasks: Iterable[AnnotatedTask]) -> Iterable[Annotation]:
    return (each for task in tasks for each in task.annotations if not each.machine_made and not each.was_cancelled)


def _use(annotation: Annotation, parent: ParentPrediction, config: LabelConfig) -> AnnotationUse:
    uses = compare_regions(parent.result or (), annotation.result, config)
    return AnnotationUse(annotation.id, annotation.updated_at, annotation.annotator, parent.version, uses)


def _regions(result: Sequence[Any], config: LabelConfig) -> dict[str, Drawn]:
    """Regions of the configuration's sets of labels, by id."""
    owners = {tags: series for series in config.series for tags in series.label_sets}
    found: dict[str, Drawn] = {}
    for place, each in enumerate(result):
        if not isinstance(each, Mapping) or str(each.get("type", "")).lower() != KIND:
            continue
        tags, value = str(each.get("from_name")), each.get("value")
        if tags not in owners or not isinstance(value, Mapping):
            continue
        labels = value.get(KIND)
        names = [str(label) for label in labels] if isinstance(labels, list) else []
        meant = tuple(sorted(owners[tags].meaning(tags, name) or name for name in names))
        found[str(each.get("id") or f"region {place}")] = (value.get("start"), value.get("end"), meant)
    return found


def _fate(before: Drawn, after: Drawn | None) -> str:
    if after is None:
        return "deleted"
    if before[2] != after[2]:
        return "relabelled"
    return "unchanged" if all(map(_same, before[:2], after[:2])) else "moved"


def _same(one: object, other: object) -> bool:
    """Whether two bounds are equal; numbers up to what JavaScript does to their last digits."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
    return one == other


def _label(region: Drawn) -> str:
    return ", ".join(region[2])
