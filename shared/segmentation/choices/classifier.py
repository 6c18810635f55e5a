"""A recording's numbers ► what is chosen of each tag, and how likely that is right."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from shared.labelling.choice_results import Chosen
from shared.model_file.choices import ChoiceModel, Decision, LearnedTag

WIDEST = 4.0  # spreads from the centre beyond which a feature counts no more
USUAL = 0.8  # mean distance of a normal distribution from its centre, in standard deviations

Doubles = NDArray[np.float64]


def scaled(features: Doubles, center: Doubles, scale: Doubles) -> Doubles:
    """Features in spreads from their centre, then how much further than usual each of them is: [..., 2 · features].

    Unknown ones are 0. The second half lets a linear classifier find what is unusual in either direction.
    """
    with np.errstate(all="ignore"):
        found = np.clip((features - center) / np.where(scale > 0, scale, np.inf), -WIDEST, WIDEST)
    known = ~np.isnan(found) & (scale > 0)
    return np.concatenate([np.where(known, found, 0.0), np.where(known, np.abs(found) - USUAL, 0.0)], axis=-1)


def choose(model: ChoiceModel, features: Doubles) -> list[Chosen]:
    """What is chosen of each tag; nothing of one of which any number may be chosen, where no choice is likely."""
    inputs = scaled(features, np.asarray(model.center), np.asarray(model.scale))
    found = [_choose(tag, inputs) for tag in model.tags]
    return [each for each in found if each.choices]


def _choose(tag: LearnedTag, inputs: Doubles) -> Chosen:
    picked = [_pick(decision, inputs) for decision in tag.decisions]
    choices = tuple(option for option, _ in picked if option)
    return Chosen(tag.from_name, choices, prod(probability for _, probability in picked))


def _pick(decision: Decision, inputs: Doubles) -> tuple[str, float]:
    logits = (np.asarray(decision.weights) @ inputs + np.asarray(decision.bias)) / decision.temperature
    odds = np.exp(logits - logits.max())
    best = int(odds.argmax())
    return decision.options[best], float(odds[best] / odds.sum())
