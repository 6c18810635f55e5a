"""Tables of `python -m research.honesty table`: intervals, withheld models, scores; from predictions in a folder."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import rankdata

from shared.labelling.segments import Segment
from shared.model_file.card import Head, RangeHead
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.scores import TaskScorer
from training.data.annotations import Instant, LabelKinds, Recording
from training.judging.calibration import (
    calibrate_heads,
    calibration_noise,
    cross_calibrate,
    expected_calibration_error,
)
from training.judging.evaluate import HeldOutPrediction, Scores, classes_of, score
from training.judging.metrics import compute_metrics
from training.judging.usefulness import withheld_because

SHOWN = ("balanced_accuracy", "segment_f1_50", "event_f1", "work_saved")
SUBSETS = 60  # drawn of the out-of-fold predictions of a whole set
USEFUL = 0.2  # work saved on others from which a withheld model is a loss
KINDS = ("plausible", "mean", "min-segment", "margin", "entropy")


class Draw(NamedTuple):
    """Predictions of one draw of one set. exchanged: labels have nothing to do with the channels.

    others: predictions of the recordings that were not drawn; empty where all were, or where labels are exchanged.
    """

    name: str
    drawn: int
    number: int
    exchanged: bool
    tolerance: float
    kinds: LabelKinds
    held_out: list[HeldOutPrediction]
    others: list[HeldOutPrediction]


class Case(NamedTuple):
    """What a card would say (scores out of fold), and scores on other recordings; None for exchanged labels."""

    name: str
    drawn: int
    exchanged: bool
    card: Scores
    others: Scores | None


def exchange(recordings: Sequence[Recording], random: np.random.Generator) -> list[Recording]:
    """Each recording with the labels of the next one, shifted cyclically; repeated or cut to its length."""
    found = []
    for place, each in enumerate(recordings):
        other = recordings[(place + 1) % len(recordings)]
        shift = int(random.integers(other.rows // 4, 3 * other.rows // 4))
        source = (np.arange(each.rows) - shift) % other.rows
        places = [(row, event.label) for event in other.events for row in np.flatnonzero(source == event.row).tolist()]
        events = tuple(Instant(row, label) for row, label in sorted(places))
        found.append(replace(each, labels=other.labels[source], known=other.known[source], events=events))
    return found


def print_tables(folder: Path) -> None:
    """All tables, as Markdown."""
    draws = [pickle.loads(file.read_bytes()) for file in sorted(folder.glob("*.pickle"))]
    fitted = [_case(each) for each in draws if each.others or each.exchanged]
    whole = [each for each in draws if not each.others and not each.exchanged]
    subsets = [case for each in whole for case in _subsets(each)]
    for title, cases in (("fitted anew", fitted), (f"{SUBSETS} subsets of out-of-fold predictions", subsets)):
        _print_intervals(title, [each for each in cases if each.others])
        _print_withheld(title, cases)
    _print_scores(whole)


def _case(draw: Draw) -> Case:
    others = score(draw.others, draw.kinds, draw.tolerance) if draw.others else None
    return Case(draw.name, draw.drawn, draw.exchanged, score(draw.held_out, draw.kinds, draw.tolerance), others)


def _subsets(draw: Draw) -> Iterator[Case]:
    """Draws of a set's out-of-fold predictions against the rest of them, and against exchanged labels: no fits."""
    random = np.random.default_rng(draw.number)
    single = [score([each], draw.kinds, draw.tolerance) for each in draw.held_out]
    classes = score(draw.held_out, draw.kinds, draw.tolerance).classes
    for count in (3, 5, 10):
        for _ in range(SUBSETS if count < len(single) else 0):
            order = random.permutation(len(single)).tolist()
            card, others = (
                Scores(
                    classes,
                    tuple(single[index].groups[0] for index in some),
                    tuple(single[index].total for index in some),
                )
                for some in (order[:count], order[count:])
            )
            yield Case(draw.name, count, False, card, others)
            some = [draw.held_out[index] for index in order[:count]]
            labelled = exchange([each.recording for each in some], random)
            mixed = [replace(one, recording=other) for one, other in zip(some, labelled, strict=True)]
            yield Case(draw.name, count, True, score(mixed, draw.kinds, draw.tolerance), None)


def _print_intervals(title: str, cases: Sequence[Case]) -> None:
    print(f"\nThe card's 80 % interval covers what other recordings show ({title}):\n")
    print("| set | recordings | draws | " + " | ".join(f"{name} | covered" for name in SHOWN) + " |")
    print("|---|---|---|" + "---|---|" * len(SHOWN))
    every: list[bool] = []
    for name, count in sorted({(each.name, each.drawn) for each in cases}):
        some = [each for each in cases if (each.name, each.drawn) == (name, count)]
        cells = []
        for metric in SHOWN:
            found = [each for each in (_covered(case, metric) for case in some) if each is not None]
            every += [each[0] for each in found] if metric != "work_saved" else []
            if found:
                covered, card, rest = np.mean(found, axis=0).tolist()
                cells += [f"{card:.2f} / {rest:.2f}", f"{covered:.0%}"]
            else:
                cells += ["", ""]
        print(f"| {name} | {count} | {len(some)} | " + " | ".join(cells) + " |", flush=True)
    if every:
        print(f"\nCovered in all: {np.mean(every):.0%} of {len(every)}, metrics as card / others.")


def _covered(case: Case, metric: str) -> tuple[bool, float, float] | None:
    estimate = case.card.estimates().get(metric)
    if case.others is None or estimate is None or estimate.standard_error is None:
        return None
    rest = float(compute_metrics(case.others.total, case.card.classes).get(metric, np.array(np.nan)))
    if np.isnan(rest):
        return None
    drawn, others = len(case.card.groups), len(case.others.groups)
    # The others are few as well, and vary around what the interval is about.
    reach = float(stdtrit(drawn - 1, 0.9)) * estimate.standard_error * np.sqrt(1 + drawn / others)
    return bool(abs(rest - estimate.value) <= reach), estimate.value, rest


def _print_withheld(title: str, cases: Sequence[Case]) -> None:
    print(f"\nWithheld though useful, published though labels are exchanged ({title}):\n")
    print("| set | recordings | useful | withheld | exchanged | published |")
    print("|---|---|---|---|---|---|")
    for name, count in [*sorted({(each.name, each.drawn) for each in cases}), ("all", 0)]:
        some = [each for each in cases if (each.name, each.drawn) == (name, count) or name == "all"]
        useful = [each for each in some if each.others and each.others.metrics().get("work_saved", 0) > USEFUL]
        exchanged = [each for each in some if each.exchanged]
        withheld = sum(bool(withheld_because(each.card)) for each in useful)
        published = sum(not withheld_because(each.card) for each in exchanged)
        shares = [f"{part / max(len(whole), 1):.1%}" for part, whole in ((withheld, useful), (published, exchanged))]
        print(f"| {name} | {count or ''} | {len(useful)} | {shares[0]} | {len(exchanged)} | {shares[1]} |", flush=True)


def _print_scores(whole: Sequence[Draw]) -> None:
    print("\nScores out of fold:\n")
    print("| set | segments | calibration error | of perfect scores | " + " | ".join(KINDS) + " |")
    print("|---|---|---|---|" + "---|" * len(KINDS))
    pooled: list[tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]] = []
    for draw in whole:
        scored = cross_calibrate(draw.held_out, draw.tolerance)
        segments = len(scored.scores)
        errors, scores = _task_scores(draw)
        ranks = rankdata(errors)
        by_kind = {kind: rankdata(-np.array(scores[kind])) for kind in KINDS}
        pooled.append((ranks, by_kind))
        error, noise = expected_calibration_error(scored.scores, scored.right), calibration_noise(scored)
        cells = [f"{np.corrcoef(ranks, each)[0, 1]:.2f}" for each in by_kind.values()]
        print(f"| {draw.name} {draw.number} | {segments} | {error:.3f} | {noise:.3f} | " + " | ".join(cells) + " |")
    random = np.random.default_rng(0)
    for kind in KINDS:
        pairs = [_centred(ranks, by_kind[kind]) for ranks, by_kind in pooled]
        value = _correlation(np.concatenate(pairs))
        drawn = [
            _correlation(np.concatenate([each[random.integers(len(each), size=len(each))] for each in pairs]))
            for _ in range(2000)
        ]
        print(f"\nTask score `{kind}` against error, ranked within each set, pooled: {value:.2f}", end="")
        print(f" (5 % bound {np.nanpercentile(drawn, 5):.2f}).")


def _centred(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of both as shares of their number, around 0: float64 [tasks, 2]."""
    both = np.stack([one, other], axis=1)
    return np.asarray((both - both.mean(axis=0)) / len(both))


def _correlation(pairs: NDArray[np.float64]) -> float:
    spread = np.sqrt((pairs**2).sum(axis=0).prod())
    return float(pairs.prod(axis=1).sum() / spread) if spread else 0.0


def _task_scores(draw: Draw) -> tuple[list[float], dict[str, list[float]]]:
    """Errors of tasks (1 − accuracy; with instants 1 − event F1), and their scores, calibrated on other folds."""
    errors: list[float] = []
    scores: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for fold in sorted({each.fold for each in draw.held_out}):
        others = [each for each in draw.held_out if each.fold != fold]
        for each in draw.held_out:
            if each.fold != fold:
                continue
            metrics = score([each], draw.kinds, draw.tolerance).metrics()
            errors.append(1 - metrics.get("event_f1", metrics.get("accuracy", 0.0)))
            heads = calibrate_heads(each.heads, others, draw.tolerance)
            for kind in KINDS:
                parts = [_head_score(heads, index, each, kind) for index in range(len(heads))]
                scores[kind].append(min(parts) if kind == "min-segment" else float(np.mean(parts)))
    return errors, scores


def _head_score(heads: Sequence[Head], index: int, prediction: HeldOutPrediction, kind: str) -> float:
    head, probabilities = heads[index], classes_of(heads, index, prediction.probabilities)
    decoder = RangeDecoder(head) if isinstance(head, RangeHead) else InstantDecoder(head)
    scorer = TaskScorer(kind, head)  # type: ignore[arg-type]
    decoder.add(probabilities)
    scorer.add(probabilities)
    segments: list[Segment] = decoder.finish()
    return scorer.score(segments, decoder)
