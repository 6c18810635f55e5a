"""Numbers of recordings ► weights of a linear classifier, its scale and the temperature of its scores."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

# Of squared weights, beside the summed log loss. Of 1 to 100, 3 and 10 are level on `hapt`: log loss .40 and .40 of
# what is in a cut, .38 and .35 of what is wrong with it (research/choices.py with another constant here).
PENALTY = 3.0
CLASS_PENALTY = PENALTY / 9  # what the network finds of a label says more than one number of the values
# Held-out shares are those of the networks of the folds, the shares at an answer those of another network: what differs
# by less than networks do must not decide.
LEAST_CLASS_SPREAD = 0.25
ITERATIONS = 200
TEMPERATURES = np.geomspace(0.25, 8.0, 61)
TEMPERATURE_SPREAD = 1.0  # prior standard deviation of the temperature's logarithm, as that of segments


class Scale(NamedTuple):
    """Centre and spread of each feature: float64 [features]; a spread of 0 is not used."""

    center: Doubles
    spread: Doubles


class Weights(NamedTuple):
    """float64 [options, inputs] and [options]."""

    weights: Doubles
    bias: Doubles

    def logits(self, inputs: Doubles) -> Doubles:
        """[recordings, inputs] ► [recordings, options]."""
        found: Doubles = inputs @ self.weights.T + self.bias
        return found


def learn_scale(features: Doubles, classes: int) -> Scale:
    """Median and robust spread over recordings [recordings, features]; features that are never known have neither.

    classes: how many of the last features are logarithms of the shares of classes.
    """
    known = ~np.isnan(features).all(axis=0)
    some = np.where(known, features, 0.0)
    center = np.nanmedian(some, axis=0)
    first, third = np.nanquantile(some, (0.25, 0.75), axis=0)
    spread = np.maximum((third - first) / 1.349, np.nanstd(some, axis=0) / 3)
    used = known & (spread > 1e-9 * np.maximum(np.abs(center), 1.0))
    least = np.where(np.arange(len(spread)) < len(spread) - classes, 0.0, LEAST_CLASS_SPREAD)
    return Scale(center, np.where(used, np.maximum(spread, least), 0.0))


def penalties(features: int, classes: int) -> Doubles:
    """Of the weight of each input: [2 · features], where the last features are those of classes."""
    found = np.full(features, PENALTY)
    found[features - classes :] = CLASS_PENALTY
    return np.concatenate([found, found])


def fit(inputs: Doubles, right: Integers, options: int, penalty: Doubles) -> Weights:
    """Multinomial logistic regression; the bias is free.

    inputs: [recordings, inputs]. right: [recordings], which option. penalty: [inputs].
    """
    from scipy.optimize import minimize  # .2 s, only where there are choices

    rows, width = inputs.shape
    one_hot = np.eye(options)[right]

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        weights = parameters[: width * options].reshape(options, width)
        logs = log_softmax(inputs @ weights.T + parameters[width * options :])
        surplus = np.exp(logs) - one_hot
        value = -logs[np.arange(rows), right].sum() + (penalty * np.square(weights)).sum() / 2
        return float(value), np.concatenate([(surplus.T @ inputs + penalty * weights).ravel(), surplus.sum(axis=0)])

    start = np.concatenate([np.zeros(width * options), np.log(one_hot.sum(axis=0) + 0.5)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}).x
    return Weights(found[: width * options].reshape(options, width), found[width * options :])


def fit_temperature(logits: Doubles, right: Integers) -> float:
    """The temperature under which held-out logits [recordings, options] mean what they say."""
    losses = [
        -log_softmax(logits / each)[np.arange(len(right)), right].sum() + (np.log(each) / TEMPERATURE_SPREAD) ** 2 / 2
        for each in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])


def log_softmax(logits: Doubles) -> Doubles:
    """Logarithms of probabilities over the last axis."""
    moved = logits - logits.max(axis=-1, keepdims=True)
    found: Doubles = moved - np.log(np.exp(moved).sum(axis=-1, keepdims=True))
    return found


def spread_folds(groups: Sequence[str], right: Integers, most: int) -> Integers:
    """A fold for each recording: groups stay together, and each option is spread over the folds."""
    by_group: dict[str, list[int]] = {}
    for group, option in zip(groups, right.tolist(), strict=True):
        by_group.setdefault(group, []).append(option)
    order = sorted(by_group, key=lambda group: (-len(by_group[group]), min(by_group[group]), group))
    count = min(most, len(order))
    folds = {group: place % count for place, group in enumerate(order)}
    return np.array([folds[group] for group in groups], np.int64)
