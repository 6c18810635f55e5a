"""Temperature and bias of scores, fitted out of fold; and how far scores are from what they say (ECE)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.model_file.card import Calibration, Head, InstantHead, RangeHead
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.scores import calibrate
from training.judging.decoding import instant_events, true_classes
from training.judging.evaluate import HeldOutPrediction, classes_of
from training.judging.metrics import paint

MOST_ROWS = 20_000  # of a fit: neighbouring rows say the same
BIAS_SPREAD = 0.5  # prior standard deviation of a bias [nats]: class weights shift the prior by about so much
TEMPERATURE_SPREAD = 1.0  # prior standard deviation of the temperature's logarithm
BINS = 10  # of equal mass
SIMULATIONS = 200

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class Evidence(NamedTuple):
    """What a calibration is fitted on: logarithms of probabilities [n, classes], and the right classes.

    effective_size: independent observations among the n: segments for rows, which come in runs, events for instants.
    """

    logs: Floats
    right: Integers
    effective_size: float


def calibrate_heads(
    heads: Sequence[Head], predictions: Sequence[HeldOutPrediction], tolerance: float
) -> tuple[Head, ...]:
    """Heads with calibrations fitted on these held-out predictions."""
    return tuple(
        replace(head, calibration=fit_calibration(collect_evidence(index, predictions, tolerance)))
        for index, head in enumerate(heads)
    )


def collect_evidence(index: int, predictions: Sequence[HeldOutPrediction], tolerance: float) -> Evidence:
    """Evidence for head `index`: all known rows for ranges, each with its segment's probabilities; predicted events."""
    logs, right, effective_size = [], [], 0
    for prediction in predictions:
        head, recording = prediction.heads[index], prediction.recording
        if isinstance(head, InstantHead):
            events = instant_events(prediction, index)
            logs.append(events.logs.astype(np.float32))
            true_index = true_classes(prediction, index, events, tolerance)
            effective_size += len(true_index)
        else:
            known = recording.known[:, index]
            logs.append(_segment_logs(prediction, index, head)[known])
            true_index = recording.labels[known, index].astype(np.int64)
            effective_size += 1 + int(np.count_nonzero(np.diff(true_index)))
        right.append(true_index)
    return Evidence(np.concatenate(logs), np.concatenate(right), float(effective_size))


def fit_calibration(evidence: Evidence) -> Calibration:
    """Most likely temperature and bias, both shrunk towards none by a prior that little evidence can't outweigh."""
    if not len(evidence.right):
        return Calibration()
    from scipy.optimize import minimize  # .2 s, at the end of a training

    step = 1 + len(evidence.right) // MOST_ROWS
    logs = torch.from_numpy(evidence.logs[::step].astype(np.float64))
    right = torch.from_numpy(evidence.right[::step])

    def loss(values: Doubles) -> tuple[float, Doubles]:
        parameters = torch.from_numpy(values).requires_grad_()
        scaled = (logs + parameters[1:]) / parameters[0].exp()
        likelihood = evidence.effective_size * torch.nn.functional.cross_entropy(scaled, right)
        prior = (parameters[1:] / BIAS_SPREAD).square().sum() + (parameters[0] / TEMPERATURE_SPREAD).square()
        total = likelihood + prior / 2
        (gradient,) = torch.autograd.grad(total, parameters)
        return float(total.detach()), gradient.numpy()

    found = minimize(loss, np.zeros(1 + logs.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    bias = found[1:] - found[1:].mean()
    return Calibration(
        temperature=float(np.exp(found[0])), bias=tuple(round(float(each), 6) for each in bias), fitted=True
    )


class ScoredSegments(NamedTuple):
    """Scores of held-out segments and events, and the share of each one's rows that is right.

    Each counts once: by rows a few long ranges would outweigh all instants beside them.
    """

    scores: Doubles
    right: Doubles


def cross_calibrate(predictions: Sequence[HeldOutPrediction], tolerance: float) -> ScoredSegments:
    """Scores under calibrations that were fitted on the other folds."""
    scores: list[Doubles] = []
    right: list[Doubles] = []
    for fold in sorted({prediction.fold for prediction in predictions}):
        others = [prediction for prediction in predictions if prediction.fold != fold]
        for index in range(len(predictions[0].heads)):
            calibration = fit_calibration(collect_evidence(index, others, tolerance)) if others else Calibration()
            for prediction in predictions:
                if prediction.fold == fold:
                    found = _score(prediction, index, calibration, tolerance)
                    scores.append(found.scores)
                    right.append(found.right)
    return ScoredSegments(np.concatenate(scores), np.concatenate(right))


def _score(prediction: HeldOutPrediction, index: int, calibration: Calibration, tolerance: float) -> ScoredSegments:
    head, recording = prediction.heads[index], prediction.recording
    if isinstance(head, InstantHead):
        events = instant_events(prediction, index)
        calibrated = calibrate(events.logs.astype(np.float32), calibration)
        every = np.arange(len(events.rows), dtype=np.int64)
        right = true_classes(prediction, index, events, tolerance) == events.classes
        return ScoredSegments(calibrated[every, events.classes].astype(float), right.astype(float))
    calibrated = calibrate(_segment_logs(prediction, index, head), calibration)
    painted = paint(prediction.segments, head.labels, recording.rows)
    rows = np.flatnonzero((painted > 0) & recording.known[:, index])
    changes = np.cumsum(np.diff(painted, prepend=0) != 0)[rows]
    _, segment, lengths = np.unique(changes, return_inverse=True, return_counts=True)
    classes = painted[rows]
    scores = np.bincount(segment, calibrated[rows, classes], len(lengths)) / lengths
    right = np.bincount(segment, recording.labels[rows, index] == classes, len(lengths)) / lengths
    return ScoredSegments(scores, right)


def expected_calibration_error(scores: Doubles, right: Doubles | NDArray[np.bool_]) -> float:
    """Mean distance between score and share of right ones, over 10 bins of equal mass. 0 without scores."""
    return sum(abs(score - share) * count for score, share, count in reliability(scores, right)) / max(len(scores), 1)


def reliability(scores: Doubles, right: Doubles | NDArray[np.bool_]) -> list[tuple[float, float, int]]:
    """Mean score, share of right ones and number of each of 10 bins of equal mass; equal scores share a bin."""
    if not len(scores):
        return []
    bins = _bins(scores)
    parts = [bins == each for each in range(BINS)]
    return [(float(scores[part].mean()), float(right[part].mean()), int(part.sum())) for part in parts if part.any()]


def calibration_noise(scored: ScoredSegments) -> float:
    """90th percentile of the error that perfect scores show with as many segments, each right or wrong as a whole."""
    if not len(scored.scores):
        return 0.0
    random = np.random.Generator(np.random.PCG64(0))
    draws = random.random((SIMULATIONS, len(scored.scores)))
    bins = _bins(scored.scores)  # the same for all draws
    expected = np.bincount(bins, scored.scores, BINS)
    found = [np.bincount(bins[draw < scored.scores], minlength=BINS) for draw in draws]
    errors = np.abs(expected - np.array(found)).sum(axis=1) / len(scored.scores)
    return float(np.percentile(errors, 90))


def _bins(scores: Doubles) -> Integers:
    """Which of 10 bins of equal mass each score lies in."""
    return np.searchsorted(np.quantile(scores, np.arange(1, BINS) / BINS), scores, side="right")


def _segment_logs(prediction: HeldOutPrediction, index: int, head: RangeHead) -> Floats:
    """For every row, the class probabilities of the segment that it is decoded into: float32 [rows, classes]."""
    probabilities = classes_of(prediction.heads, index, prediction.probabilities)
    decoder = RangeDecoder(head, open_runs=len(probabilities))
    decoder.add(probabilities)
    groups = decoder.groups()
    return np.repeat(groups.logs.astype(np.float32), groups.lengths, axis=0)
