"""What people marked in a task, as training would learn from it: a strip of segments for each annotator."""

from collections.abc import Sequence

import numpy as np

from shared.label_studio.messages import TaskWithAnnotations
from shared.labelling.annotations import Annotation, read_annotation, results_by_id, select_annotations
from shared.labelling.label_config import LabelConfig
from shared.labelling.left_out import LeftOut, count_by_kind
from shared.labelling.regions import from_regions
from shared.labelling.segments import Segment
from shared.recordings.series import Series
from shared.settings import Settings


def annotated_strips(
    task: TaskWithAnnotations, series: Series, config: LabelConfig, settings: Settings
) -> tuple[dict[str, list[Segment]], list[str]]:
    """Segments of the annotations that count, by annotator, and sentences about what does not count or differs."""
    annotations: list[Annotation] = []
    sentences: list[str] = []
    predictions = results_by_id(task.predictions)
    for raw in task.annotations:
        try:
            annotations.append(read_annotation(raw, predictions))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            sentences.append(f"An annotation cannot be read: {error}.")
    selected = select_annotations(annotations, settings.annotators, settings.machine_annotations)
    left_out = [
        (f"annotation {each.id}", LeftOut("machine-made", "", "nobody changed it"))
        for each in annotations
        if each.machine_made and not each.was_cancelled and each not in selected
    ]
    strips: dict[str, list[Segment]] = {}
    for annotation in selected:
        parsed = from_regions(annotation.result, series.axis, config)
        who = annotation.annotator or f"annotation {annotation.id}"
        strips["annotated" if len(selected) == 1 else f"annotated by {who}"] = parsed.segments
        left_out += [(f"annotation {annotation.id}", each) for each in parsed.left_out]
    sentences += [doubt.sentence for doubt in count_by_kind(left_out)]
    share = _differing(list(strips.values()), series.rows)
    if share:
        differ = f"{len(strips)} annotators differ on {100 * share:.1f} % of its rows"
        sentences.append(f"{differ}; what has no majority is unknown.")
    return strips or {"annotated": []}, sentences


def _differing(marked: Sequence[Sequence[Segment]], rows: int) -> float:
    """Share of the rows to which annotators give different labels. Instants are compared in the strips only."""
    different = np.zeros(rows, bool)
    for label in sorted({each.label for segments in marked for each in segments}):
        carries = np.zeros((len(marked), rows), bool)
        for place, segments in enumerate(marked):
            for each in segments:
                if each.label == label and not each.instant:
                    carries[place, each.first : each.last + 1] = True
        different |= carries.any(axis=0) & ~carries.all(axis=0)
    return float(different.mean()) if rows else 0.0
