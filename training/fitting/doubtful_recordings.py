"""Recordings that a fit leaves out because their instants look wrong: experts that never saw them miss half of those.

Shifted marks teach a network noise: on gait, where four recordings of thirteen have them, event F1 rises from .77 to
.84 (docs/quality.md). Networks outside the training part have no say in it, and evaluation leaves no recording out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from shared.model_file.card import Head, InstantHead
from shared.segmentation.instant_decoder import InstantDecoder
from training.data.annotations import Recording, event_tolerance
from training.fitting.batches import TrainingSet
from training.fitting.dataset import Statistics, normalise
from training.fitting.experts import fit_event_expert
from training.fitting.network import EventExpert, weights_of_seed, window_statistics
from training.planning.decoding_parameters import Shape
from training.planning.recipe import EXPERTS, Recipe

FOLDS = 3
LEAST_RECORDINGS = 6  # fewer teach an expert too little to doubt any of them
LEAST_EVENTS = 10  # of a recording: a few may be missed by chance
SHARE = 0.65  # of the median that the event F1 of a doubtful recording stays below
LEAST_MEDIAN = 0.7  # where most recordings are found no better, it is the expert that is doubtful
MOST_ROWS = 50_000  # of a recording that are looked at: bounds memory
TOLERANCE_SHARE = 0.5  # of what an event may be off in evaluation: marks that are shifted a little teach noise, too


def leave_out_doubtful(
    recordings: Sequence[Recording],
    heads: Sequence[Head],
    shape: Shape,
    statistics: Statistics,
    recipe: Recipe,
    seed: int,
) -> list[Recording]:
    """Recordings to fit on: all of them, or those that are not doubtful."""
    head = heads[-1]
    groups = sorted({each.group for each in recordings if len(each.events) >= LEAST_EVENTS})
    if not isinstance(head, InstantHead) or len(groups) < LEAST_RECORDINGS:
        return list(recordings)
    single = InstantHead(
        labels=("event",), spacing=head.spacing[:1], threshold=head.threshold[:1], half_width=head.half_width
    )
    tolerance = TOLERANCE_SHARE * event_tolerance(recordings)
    found: dict[str, float] = {}
    for fold in range(FOLDS):
        held_out = set(groups[fold::FOLDS])
        inside = [each for each in recordings if each.group not in held_out]
        expert = _fit(TrainingSet(inside, heads, shape, statistics, recipe), len(head.labels), seed + fold)
        for each in recordings:
            if each.group in held_out and len(each.events) >= LEAST_EVENTS:
                features = normalise(each.series.values, statistics)[:MOST_ROWS]
                found[each.key] = _event_f1(expert, features, single, each, max(1.0, tolerance))
    median = float(np.median(list(found.values())))
    if median < LEAST_MEDIAN:
        return list(recordings)
    return [each for each in recordings if found.get(each.key, 1.0) >= SHARE * median]


def _fit(data: TrainingSet, labels: int, seed: int) -> EventExpert:
    random = np.random.Generator(np.random.PCG64(seed))
    with weights_of_seed(seed):
        expert = EventExpert(data.features)
    fit_event_expert(expert, data, torch.ones(1 + labels), random, EXPERTS, EXPERTS.steps, downsampling=1)
    return expert.eval()


@torch.inference_mode()
def _event_f1(
    expert: EventExpert, features: NDArray[np.float32], head: InstantHead, recording: Recording, tolerance: float
) -> float:
    some = expert(window_statistics(torch.from_numpy(features)[None], 1))[0].sigmoid().numpy()
    decoder = InstantDecoder(head)
    decoder.add(np.concatenate([1 - some, some], axis=1))
    predicted = np.array([each.first for each in decoder.finish()], np.int64)
    true = np.array([each.row for each in recording.events if each.row < len(features)], np.int64)
    if not len(predicted) or not len(true):
        return 0.0
    apart = np.abs(true[:, None] - predicted) <= tolerance
    recall, precision = float(apart.any(axis=1).mean()), float(apart.any(axis=0).mean())
    return 2 * recall * precision / max(recall + precision, 1e-9)
