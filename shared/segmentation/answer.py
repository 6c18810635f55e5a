"""What a model answers for one recording: segments, score, and what was not understood for certain.

The server, the page of a task, `predict` and `preannotate` answer by this function, and so say the same.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.doubts import Doubt, doubtful_score
from shared.errors import SeriesError
from shared.labelling.choice_results import Chosen, under_tags
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.model_file.card import ModelCard
from shared.quoting import quoted
from shared.recordings.series import Series
from shared.segmentation.choices import choose, describe_recording
from shared.segmentation.given import GivenSegments
from shared.segmentation.known_recordings import reading_doubts, unlike_doubts
from shared.segmentation.recording_doubts import empty_channels, names, outliers
from shared.segmentation.resampling import at_known_rate, at_own_rows
from shared.segmentation.scores import calibrate, log_probabilities
from shared.segmentation.segmenter import Segmenter
from shared.settings import TaskScore

MOST_NAMED = 5  # labels in a sentence


class Answer(NamedTuple):
    """Segments with a label of the configuration, in order of their first rows; a score that doubts have lowered.

    chosen: about the recording as a whole, choices of the configuration; they do not count in the score.
    """

    segments: list[Segment]
    score: float
    doubts: tuple[Doubt, ...] = ()
    chosen: tuple[Chosen, ...] = ()


def answer_series(
    segmenter: Segmenter,
    series: Series,
    config: LabelConfig,
    *,
    task_score: TaskScore = "plausible",
    check: Callable[[], None] = lambda: None,
    given: GivenSegments | None = None,
) -> Answer:
    """Segment a recording under a labelling configuration, which may be newer than the model.

    series: read with the channels of the model. check: called every few thousand rows; what it raises ends the work.
    given: what people fixed, under labels of `config`; it comes back as it is, and the rest around it, and nothing is
    chosen about the whole.
    Raises SeriesError where the recording cannot be segmented.
    """
    card = segmenter.card
    at_rate = at_known_rate(series, card.known) if card.known and card.label_config.time_column else None
    fed = at_rate.series if at_rate else series
    reading = _about_values(series, fed, card)
    if given and config.synonyms:
        learned = [label for head in card.heads for label in head.labels]
        given = given.renamed({config.synonyms[label]: label for label in learned if label in config.synonyms})
    if given and at_rate:
        certain, excluded = (at_own_rows(some, 1 / at_rate.ratio, fed.rows) for some in (given.certain, given.excluded))
        given = GivenSegments(tuple(certain), tuple(excluded))
    found = segmenter.segment(fed, task_score=task_score, check=check, given=given)
    own = at_own_rows(found.segments, at_rate.ratio, series.rows) if at_rate else found.segments
    named = [renamed(segment, config.synonyms) for segment in own]
    known = [segment for segment in named if segment.label in config.label_set]
    reading = [*reading_doubts(series, card.known), *([at_rate.doubt] if at_rate else []), *reading]
    chosen, missing = _choose(card, fed, found.shares, config) if given is None else ((), ())
    doubts = (*reading, *_missing_labels(named, config.label_set), *missing)
    return Answer(known, doubtful_score(found.score, doubts), doubts, chosen)


def _choose(
    card: ModelCard, series: Series, shares: NDArray[np.float64] | None, config: LabelConfig
) -> tuple[tuple[Chosen, ...], tuple[Doubt, ...]]:
    """Choices under the configuration, and a doubt where the model knows them by names that it does not have."""
    if card.choices is None or shares is None or not config.choice_tags:
        return (), ()
    found = choose(card.choices, describe_recording(series.values, shares))
    chosen, missing = under_tags(found, config.choice_tags)
    named = ", ".join(f"{quoted(choice)} of {quoted(tag)}" for tag, choice in missing[:MOST_NAMED])
    doubt = Doubt(
        kind="missing-choice",
        sentence=f"The model would choose {named}, which the labelling configuration does not have: a training with "
        "the present choices is needed.",
    )
    return tuple(chosen), (doubt,) if missing else ()


def row_probabilities(segmenter: Segmenter, series: Series) -> NDArray[np.float32]:
    """Calibrated probabilities of every row [rows, classes], the heads of the card side by side.

    Raises SeriesError where the recording cannot be segmented.
    """
    card = segmenter.card
    at_rate = at_known_rate(series, card.known) if card.known and card.label_config.time_column else None
    logs = log_probabilities(segmenter.probabilities(at_rate.series if at_rate else series))
    if at_rate:
        places = np.minimum((np.arange(series.rows) / at_rate.ratio).round().astype(np.int64), len(logs) - 1)
        logs = logs[places]
    found = np.empty_like(logs)
    first = 0
    for head in card.heads:
        width = 1 + len(head.labels)
        found[:, first : first + width] = calibrate(logs[:, first : first + width], head.calibration)
        first += width
    return found


def _about_values(series: Series, fed: Series, card: ModelCard) -> list[Doubt]:
    """Doubts about a recording's values. Raises SeriesError where too few channels have any.

    fed: the same at the rate of the training recordings.
    """
    channels, known = card.label_config.channels, card.known
    if series.values.shape[1] != len(channels) or not series.rows:
        return []  # reported when it is segmented
    doubts = list(outliers(series.values, channels))
    empty = [place for place in empty_channels(series.values) if known is None or known.filled[place]]
    if empty:
        doubts.append(_without(empty, series, card))
    if known is not None:
        outlying = bool(doubts)
        timed = bool(card.label_config.time_column)
        doubts += unlike_doubts(fed, known, channels, timed=timed, outlying=outlying)
    return doubts


def _without(empty: Sequence[int], series: Series, card: ModelCard) -> Doubt:
    """A doubt about channels without a value. Raises SeriesError where the model cannot answer from the others."""
    channels = card.label_config.channels
    left = len(channels) - len(empty)
    without = f"{names(channels, empty)} hold{'s' if len(empty) == 1 else ''} no value."
    reasons = [doubt.sentence for doubt in series.doubts if doubt.kind == "unreadable-cells"]  # doubts by themselves
    sentence = " ".join([without, *reasons])
    if 2 * left < len(channels):
        raise SeriesError(f"Only {left} of {len(channels)} channels have values: {sentence}")
    known = card.known
    if known is not None and known.accuracy_without:
        needed = [place for place in empty if known.accuracy_without[place] <= known.chance]
        if needed:
            raise SeriesError(
                f"{sentence} Without {names(channels, needed)} the model did no better than chance when evaluated."
            )
    return Doubt(
        kind="empty-channel",
        sentence=f"Channel{'s' * (len(empty) > 1)} {without} The cells are missing; the other channels answer.",
        share=len(empty) / len(channels),
    )


def renamed(segment: Segment, synonyms: Mapping[str, str]) -> Segment:
    """The segment under the alias that its label was given after the model had learned it."""
    label = synonyms.get(segment.label, segment.label)
    return segment if label == segment.label else replace(segment, label=label)


def _missing_labels(segments: Iterable[Segment], labels: Collection[str]) -> Iterator[Doubt]:
    """A doubt about segments whose label the configuration does not have (any more)."""
    every = Counter(segment.label for segment in segments)
    gone = {label: count for label, count in every.items() if label not in labels}
    if gone:
        counts = ", ".join(f"{count} × {quoted(label)}" for label, count in list(gone.items())[:MOST_NAMED])
        yield Doubt(
            kind="missing-label",
            sentence=f"{sum(gone.values())} of {every.total()} segments are left out, because their labels are not in "
            f"the labelling configuration ({counts}{' …' if len(gone) > MOST_NAMED else ''}): a training with the "
            "present labels is needed.",
            share=sum(gone.values()) / every.total(),
        )
