"""Is a model better than nothing? A candidate that is not is kept, and published only when a person asks for it."""

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import Estimate
from training.judging.evaluate import LEAST_GROUPS, Scores

CONFIDENCE = 0.90  # one-sided, that either agreement is above chance; .95 withholds 12 % of useful models of 3 gaits
AGREEMENT = {"kappa": "kappa of rows", "event_f1_above_even": "event F1 above that of events placed evenly"}
SAME = 0.2  # kappa of two labels among themselves up to which nobody can tell them apart
LEAST_SHARE = 0.2  # of the rows (or events) of two labels that must be found under either of them


def withheld_because(scores: Scores) -> str:
    """Why a candidate is not published by itself, and what to do; "" if it is.

    With fewer than three groups nothing is known, and nothing withheld.
    """
    if len(scores.groups) < LEAST_GROUPS:
        return ""
    estimates = scores.estimates()
    saved = estimates.get("work_saved")
    agreement = {name: estimates[name] for name in AGREEMENT if name in estimates}
    if saved is None or not agreement:
        return ""
    if saved.value <= 0:
        told = f"to correct its predictions is no less work than to label by hand (work saved {saved.value:.0%})"
    elif not any(_is_above_chance(each, len(scores.groups)) for each in agreement.values()):
        shown = ", ".join(f"{AGREEMENT[name]} {_shown(each)}" for name, each in agreement.items())
        told = f"it agrees with annotations no better than chance ({shown})"
    else:
        return ""
    return f"on recordings that it had not seen, {told}. {_advice(scores)}"


def _is_above_chance(estimate: Estimate, groups: int) -> bool:
    from scipy.special import stdtrit  # .1 s

    return estimate.value > float(stdtrit(groups - 1, CONFIDENCE)) * (estimate.standard_error or 0.0)


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ± {estimate.standard_error or 0.0:.2f}"


def _advice(scores: Scores) -> str:
    told = ["Annotate more recordings, and check that the channels show the labels at all"]
    pairs = alike(scores)
    if len(pairs) < len({label for pair in pairs for label in pair}):  # else no label is told apart from any other
        told += [f"“{one}” and “{other}” are not told apart and might be merged" for one, other in pairs]
    return "; ".join(told) + ". “Publish anyway” on the project's page lets it serve"


def alike(scores: Scores) -> list[tuple[str, str]]:
    """Pairs of labels that are found under each other's names about as often as under their own."""
    kinds, total = scores.classes.kinds, scores.total
    found, first = [], 0
    for labels in kinds.heads:
        inside = slice(first + 1, first + 1 + len(labels))
        found += _alike(total["rows"][inside, inside], labels)
        first += 1 + len(labels)
    if kinds.instants:
        found += _alike(total["crossed"][1:, 1:], kinds.instants)
    return found


def _alike(confusion: NDArray[np.float64], labels: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    supports = confusion.sum(axis=1)
    for i, one in enumerate(labels):
        for j in range(i + 1, len(labels)):
            pair = confusion[np.ix_([i, j], [i, j])]
            total = float(pair.sum())
            if not total or total < LEAST_SHARE * (supports[i] + supports[j]):
                continue
            expected = float(pair.sum(axis=0) @ pair.sum(axis=1)) / total
            if np.trace(pair) - expected <= SAME * (total - expected):
                found.append((one, labels[j]))
    return found
