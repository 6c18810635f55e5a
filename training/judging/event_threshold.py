"""How much evidence makes an event: thresholds of instants, learned from held-out predictions.

Every label has a threshold of its own, on a grid, shrunk towards the threshold of all labels, which is shrunk towards
the default: what few events show is noise.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray

from shared.model_file.card import Head, InstantHead
from training.judging.decoding import Decoding, decode_with, instant_events, true_classes
from training.judging.evaluate import HeldOutPrediction
from training.planning.decoding_parameters import THRESHOLD

GRID = tuple(round(0.15 + 0.05 * step, 2) for step in range(13))  # .15 to .75
NOISE = 0.002  # of F1: a threshold that gains less is not worth leaving the default for
PSEUDO_EVENTS = 20.0  # that the wider threshold counts as
LEAST_EVENTS, LEAST_GROUPS = 30, 3  # with fewer a label has no threshold of its own

Doubles = NDArray[np.float64]


class _Evidence(NamedTuple):
    """Predicted events at the lowest threshold: height, label, whether that is right; and all true events.

    heights: float64 [n]. labels: int64 [n], 0 the first one. right: bool [n]. true: number of true events [labels].
    groups: that hold true events [labels].
    """

    heights: Doubles
    labels: NDArray[np.int64]
    right: NDArray[np.bool_]
    true: Doubles
    groups: NDArray[np.int64]


def learn_thresholds(predictions: Sequence[HeldOutPrediction], tolerance: float) -> tuple[float, ...]:
    """Thresholds of the labels of the head of instants; () where there is none or nothing to learn from."""
    index = _instant_head(predictions[0].heads) if predictions else None
    if index is None:
        return ()
    evidence = _gather(predictions, index, tolerance)
    events, every = float(evidence.true.sum()), np.arange(len(evidence.true))
    if not _enough(events, len({each.recording.group for each in predictions})):
        return (THRESHOLD,) * len(every)
    pooled = _shrunk(_best(evidence, every), events, THRESHOLD)
    own = [
        _shrunk(_best(evidence, every[label : label + 1]), float(count), pooled) if _enough(count, groups) else pooled
        for label, (count, groups) in enumerate(zip(evidence.true.tolist(), evidence.groups.tolist(), strict=True))
    ]
    return tuple(round(each, 3) for each in own)


def cross_thresholds(predictions: Sequence[HeldOutPrediction], tolerance: float) -> list[HeldOutPrediction]:
    """Predictions decoded with thresholds that were learned on the other folds."""
    found = []
    for fold in sorted({each.fold for each in predictions}):
        thresholds = learn_thresholds([each for each in predictions if each.fold != fold], tolerance)
        decoding = Decoding(label_sequence_prior=True, event_label_prior=True, thresholds=thresholds)
        found += [decode_with(each, decoding) for each in predictions if each.fold == fold]
    return found


def _instant_head(heads: Sequence[Head]) -> int | None:
    return next((index for index, head in enumerate(heads) if isinstance(head, InstantHead)), None)


def _enough(events: float, groups: int) -> bool:
    return events >= LEAST_EVENTS and groups >= LEAST_GROUPS


def _gather(predictions: Sequence[HeldOutPrediction], index: int, tolerance: float) -> _Evidence:
    labels = predictions[0].heads[index].labels
    heights: list[Doubles] = [np.zeros(0)]
    found: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    right: list[NDArray[np.bool_]] = [np.zeros(0, bool)]
    true = np.zeros(len(labels))
    groups: list[set[str]] = [set() for _ in labels]
    for each in predictions:
        lowest = tuple(
            with_fields(head, threshold=(GRID[0],) * len(labels), event_label_prior=())
            if isinstance(head, InstantHead)
            else head
            for head in each.heads
        )
        prediction = replace(each, heads=lowest)
        events = instant_events(prediction, index)
        heights.append(events.heights)
        found.append(events.classes - 1)
        right.append(true_classes(prediction, index, events, tolerance) == events.classes)
        for event in each.recording.events:
            if event.label in labels and each.recording.known[event.row, index]:
                true[labels.index(event.label)] += 1
                groups[labels.index(event.label)].add(each.recording.group)
    return _Evidence(
        np.concatenate(heights),
        np.concatenate(found),
        np.concatenate(right),
        true,
        np.array([len(each) for each in groups], np.int64),
    )


def _best(evidence: _Evidence, labels: NDArray[np.int64]) -> float:
    """Of the thresholds whose F1 of these labels is within NOISE of the best one, that nearest to the default."""
    own, true = np.isin(evidence.labels, labels), float(evidence.true[labels].sum())
    scores = []
    for threshold in GRID:
        predicted = own & (evidence.heights >= threshold)
        scores.append(2 * float((predicted & evidence.right).sum()) / max(true + float(predicted.sum()), 1.0))
    level = [each for each, score in zip(GRID, scores, strict=True) if score >= max(scores) - NOISE]
    return min(level, key=lambda each: abs(each - THRESHOLD))


def _shrunk(found: float, events: float, towards: float) -> float:
    return (events * found + PSEUDO_EVENTS * towards) / (events + PSEUDO_EVENTS)
