"""What a model answers for one recording: segments, score, and what was not understood for certain.

The server, the page of a task, `predict` and `preannotate` answer by this function, and so say the same.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from shared.doubts import Doubt, doubtful_score
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.recordings.series import Series
from shared.segmentation.segmenter import Segmenter
from shared.settings import TaskScore

MOST_NAMED = 5  # labels in a sentence


class Answer(NamedTuple):
    """Segments with a label of the configuration, in order of their first rows; a score that doubts have lowered."""

    segments: list[Segment]
    score: float
    doubts: tuple[Doubt, ...] = ()


def answer_series(
    segmenter: Segmenter,
    series: Series,
    config: LabelConfig,
    *,
    task_score: TaskScore = "mean",
    check: Callable[[], None] = lambda: None,
) -> Answer:
    """Segment a recording under a labelling configuration, which may be newer than the model.

    series: read with the channels of the model. check: called every few thousand rows; what it raises ends the work.
    Raises SeriesError where the recording cannot be segmented.
    """
    found = segmenter.segment(series, task_score=task_score, check=check)
    named = [_renamed(segment, config.synonyms) for segment in found.segments]
    known = [segment for segment in named if segment.label in config.label_set]
    doubts = (*series.doubts, *_missing_labels(named, config.label_set))
    return Answer(known, doubtful_score(found.score, doubts), doubts)


def _renamed(segment: Segment, synonyms: Mapping[str, str]) -> Segment:
    """The segment under the alias that its label was given after the model had learned it."""
    label = synonyms.get(segment.label, segment.label)
    return segment if label == segment.label else replace(segment, label=label)


def _missing_labels(segments: Iterable[Segment], labels: Collection[str]) -> Iterator[Doubt]:
    """A doubt about segments whose label the configuration does not have (any more)."""
    every = Counter(segment.label for segment in segments)
    gone = {label: count for label, count in every.items() if label not in labels}
    if gone:
        told = ", ".join(f"{count} × {label!r}" for label, count in list(gone.items())[:MOST_NAMED])
        yield Doubt(
            kind="missing-label",
            sentence=f"{sum(gone.values())} of {every.total()} segments are left out, because their labels are not in "
            f"the labelling configuration ({told}{' …' if len(gone) > MOST_NAMED else ''}): a training with the "
            "present labels is needed.",
            share=sum(gone.values()) / every.total(),
        )
