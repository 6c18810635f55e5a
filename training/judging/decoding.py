"""Which priors decoding uses: those that held-out recordings gain by, or do not lose by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray

from shared.model_file.card import Head, InstantHead, RangeHead
from shared.segmentation.instant_decoder import InstantDecoder, Peaks
from training.judging.cut_predictions import halves, joined_pairs
from training.judging.evaluate import HeldOutPrediction, classes_of, decode
from training.judging.metrics import match_events

HURTS = 0.02  # of macro F1: cross-validated differences of two seeds are as large

Integers = NDArray[np.int64]
Criterion = Callable[[Sequence[HeldOutPrediction]], float]


@dataclass(frozen=True, slots=True)
class Decoding:
    """What decoding uses: the label-sequence prior is for ranges, the event-label prior and gaps for instants."""

    label_sequence_prior: bool
    event_label_prior: bool
    event_gaps: bool = False  # beside the event-label prior only

    def heads(self, heads: Sequence[Head]) -> tuple[Head, ...]:
        """The heads with the priors that are used."""
        return tuple(self._head(head) for head in heads)

    def _head(self, head: Head) -> Head:
        if isinstance(head, RangeHead):
            return head if self.label_sequence_prior else with_fields(head, label_sequence_prior=None)
        if not self.event_label_prior:
            return with_fields(head, event_label_prior=(), event_gaps=())
        return head if self.event_gaps else with_fields(head, event_gaps=())


NO_PRIORS = Decoding(label_sequence_prior=False, event_label_prior=False)


def choose_decoding(
    predictions: Sequence[HeldOutPrediction], criterion: Criterion
) -> tuple[Decoding, list[HeldOutPrediction]]:
    """How to decode, and the held-out predictions decoded so.

    A prior that all models have learned is used unless held-out predictions lose more than HURTS by it: smaller losses
    are noise, and on average new recordings gain, most where few are labelled. The label-sequence prior must not hurt
    halves of recordings and joined pairs either, and must help on the mean of the three. Gaps between events must not
    lose anything: they gain .01 on ten-minute recordings and lose .004 on short ones of few rare events. criterion:
    larger is better.
    """
    decoding = NO_PRIORS
    chosen = [decode_with(each, decoding) for each in predictions]
    for name, hurts in (("label_sequence_prior", HURTS), ("event_label_prior", HURTS), ("event_gaps", 0.0)):
        changes: dict[str, Any] = {name: True}
        wider = replace(decoding, **changes)
        if not all(wider.heads(each.heads) != decoding.heads(each.heads) for each in predictions):
            continue
        found = [decode_with(each, wider) for each in predictions]
        gains = [criterion(found) - criterion(chosen)]
        if name == "label_sequence_prior":
            others = [each for each in (halves(predictions), joined_pairs(predictions)) if each]
            gains += [_gain(each, decoding, wider, criterion) for each in others]
            if sum(gains) < 0:
                continue
        if min(gains) >= -hurts:
            decoding, chosen = wider, found
    return decoding, chosen


def _gain(predictions: Sequence[HeldOutPrediction], narrow: Decoding, wide: Decoding, criterion: Criterion) -> float:
    """Of the criterion, by what `wide` uses beyond `narrow`."""
    before, after = (criterion([decode_with(each, way) for each in predictions]) for way in (narrow, wide))
    return after - before


def decode_with(prediction: HeldOutPrediction, decoding: Decoding) -> HeldOutPrediction:
    """The same probabilities under another decoding."""
    heads = decoding.heads(prediction.heads)
    return replace(prediction, heads=heads, segments=tuple(decode(heads, prediction.probabilities)))


def instant_events(prediction: HeldOutPrediction, index: int) -> Peaks:
    """Events of head `index` on known rows."""
    head = prediction.heads[index]
    if not isinstance(head, InstantHead):
        raise TypeError(f"Head {index} decodes ranges, not instants.")
    decoder = InstantDecoder(head)
    decoder.add(classes_of(prediction.heads, index, prediction.probabilities))
    events = decoder.events()
    known = prediction.recording.known[events.rows, index]
    return events.chosen(known)


def true_classes(prediction: HeldOutPrediction, index: int, events: Peaks, tolerance: float) -> Integers:
    """The class that is right for each event: 0 where nothing is there."""
    labels = prediction.heads[index].labels
    true = [event for event in prediction.recording.events if event.label in labels]
    classes = np.zeros(len(events.rows), np.int64)
    for i, j in match_events(np.array([event.row for event in true], np.int64), events.rows, tolerance):
        classes[j] = 1 + labels.index(true[i].label)
    return classes
