"""What decoding may use beside the rows themselves: learned without the recordings that judge whether it helps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray

from shared.instants import InstantDecoder, Peaks
from shared.model_card import Adaptation, Head, InstantHead, RangeHead
from training.adaptation import Known, learn_adaptation
from training.evaluate import Prediction, columns_of, decode
from training.metrics import match_events

HURTS = 0.02  # of macro F1: cross-validated differences of two seeds are as large

Integers = NDArray[np.int64]
Judge = Callable[[Sequence[Prediction]], float]
Adaptations = tuple[Adaptation | None, ...]


@dataclass(frozen=True, slots=True)
class Decoding:
    """composition: whether ranges are relabelled by what recordings are made of, as a head has learned it from
    annotations. adaptations: of each head; None for ranges, and where they were not learned or did not help.
    """

    composition: bool
    adaptations: Adaptations

    def heads(self, heads: Sequence[Head]) -> tuple[Head, ...]:
        """Heads that decode so."""
        return tuple(
            with_fields(head, adaptation=adaptation)
            if isinstance(head, InstantHead)
            else head
            if self.composition
            else with_fields(head, composition=None)
            for head, adaptation in zip(heads, self.adaptations, strict=True)
        )


def rows_alone(heads: Sequence[Head]) -> Decoding:
    """Nothing beside the rows."""
    return Decoding(False, (None,) * len(heads))


def choose_decoding(
    predictions: Sequence[Prediction], judge: Judge, tolerance: float
) -> tuple[Decoding, list[Prediction]]:
    """How to decode, and held-out predictions decoded so.

    Each thing is used unless held-out predictions lose more than HURTS by it: smaller losses are noise, and on average
    new recordings gain, those of few labelled ones most. What a fold's recordings are decoded with was learned from
    others. judge: larger is better.
    """
    decoding = rows_alone(predictions[0].heads)
    chosen = [redecoded(each, decoding) for each in predictions]
    if all(_knows_composition(each.heads) for each in predictions):
        composed = replace(decoding, composition=True)
        found = [redecoded(each, composed) for each in predictions]
        if judge(found) >= judge(chosen) - HURTS:
            decoding, chosen = composed, found
    folds = {each.fold for each in predictions}
    others = {fold: [each for each in predictions if each.fold != fold] for fold in folds}
    learned = {fold: learn_adaptations(some, tolerance) for fold, some in others.items()}
    if all(any(each) for each in learned.values()):
        found = [redecoded(each, replace(decoding, adaptations=learned[each.fold])) for each in predictions]
        if judge(found) >= judge(chosen) - HURTS:
            decoding, chosen = replace(decoding, adaptations=learn_adaptations(predictions, tolerance)), found
    return decoding, chosen


def redecoded(prediction: Prediction, decoding: Decoding) -> Prediction:
    """The same probabilities, decoded so."""
    heads = decoding.heads(prediction.heads)
    return replace(prediction, heads=heads, segments=tuple(decode(heads, prediction.probabilities)))


def learn_adaptations(predictions: Sequence[Prediction], tolerance: float) -> Adaptations:
    """Adaptation of each head from predictions of recordings that their graphs had not seen."""
    if not predictions:
        return ()
    found: list[Adaptation | None] = []
    for index, head in enumerate(predictions[0].heads):
        if isinstance(head, RangeHead):
            found.append(None)
        else:
            known = [_known(prediction, index, tolerance) for prediction in predictions]
            found.append(learn_adaptation(known, len(head.labels)))
    return tuple(found)


def instant_events(prediction: Prediction, index: int) -> Peaks:
    """Events of head `index` on known rows."""
    head = prediction.heads[index]
    if not isinstance(head, InstantHead):
        raise TypeError(f"Head {index} tells ranges apart, not instants.")
    decoder = InstantDecoder(head)
    decoder.add(columns_of(prediction.heads, index, prediction.probabilities))
    events = decoder.events()
    known = prediction.recording.known[events.rows]
    return events.chosen(known)


def true_columns(prediction: Prediction, index: int, events: Peaks, tolerance: float) -> Integers:
    """The column that is right for each event: 0 where nothing is there."""
    labels = prediction.heads[index].labels
    true = [event for event in prediction.recording.events if event.label in labels]
    columns = np.zeros(len(events.rows), np.int64)
    for i, j in match_events(np.array([event.row for event in true], np.int64), events.rows, tolerance):
        columns[j] = 1 + labels.index(true[i].label)
    return columns


def _known(prediction: Prediction, index: int, tolerance: float) -> Known:
    events = instant_events(prediction, index)
    columns = true_columns(prediction, index, events, tolerance)
    return Known(events.shares[columns > 0], columns[columns > 0] - 1)


def _knows_composition(heads: Sequence[Head]) -> bool:
    return any(isinstance(head, RangeHead) and head.composition is not None for head in heads)
