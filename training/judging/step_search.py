"""How many steps to fit: schedules of S, 2S, 4S … steps, each from scratch, each evaluated by cross-validation.

A longer schedule costs twice as much, so one fold tries it first: where labels cannot be told apart, thresholds never
hold, and each further schedule is time that a labeller waits for nothing.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from training.fitting.trainer import FittedModel, Trainer
from training.judging.cross_validation import Evaluation, cross_validate, fit_of_split, score_with
from training.judging.decoding import decode_with
from training.judging.evaluate import LEAST_GROUPS, HeldOutPrediction, Scores, predict
from training.judging.gate import MATTERS, paired_differences
from training.planning.plan import Plan

CRITERIA = ("balanced_accuracy", "min_class_f1")  # each has a threshold
TIME_SHARE = 0.5  # of TRAIN_TIMEOUT_SECONDS after which no further schedule starts


class EvaluationProgress(Protocol):
    """Follows the evaluation of schedules."""

    def evaluated(self, metrics: Mapping[str, float], *, more: bool) -> None:
        """A schedule was evaluated on held-out recordings; `more`: whether another one follows."""


@dataclass(frozen=True, slots=True)
class StepSearch:
    """Every schedule that was evaluated, and the best of them."""

    plan: Plan
    evaluations: tuple[Evaluation, ...]
    best: Evaluation
    stopped_because: str


def search_steps(
    trainer: Trainer, progress: EvaluationProgress, clock: Callable[[], float] = time.monotonic
) -> StepSearch:
    """Evaluate S steps, then twice as many, until the thresholds hold or more steps do not help.

    More cannot help where the models exceed the thresholds on their own training rows already, or where the next
    schedule would exceed TRAIN_EPOCHS or the time there is. Else one fold is fitted with twice the steps; the others
    follow only if a held-out metric that has a threshold rises by more than its error.
    """
    plan, began = trainer.plan, clock()
    steps = plan.first_steps(trainer.settings.train_epochs)
    evaluations: list[Evaluation] = []
    pilot: dict[int, FittedModel] = {}
    while True:
        started = clock()
        found = cross_validate(trainer, plan.splits, steps, f"schedule {len(evaluations) + 1}", pilot)
        spent = clock() - started
        reason = _reason_to_stop(trainer, found, clock() - began + 3 * spent)
        if not reason and evaluations and not _improves(trainer, found.predictions, evaluations[-1].predictions, found):
            reason = "twice as many steps did not help"
        evaluations.append(found)
        if not reason:
            pilot, helps = _pilot(trainer, found, f"schedule {len(evaluations) + 1}")
            reason = "" if helps else "twice as many steps did not help on the recordings that one fold holds out"
        known = found.scores is not None and plan.how != "not judged"
        progress.evaluated(found.scores.metrics() if found.scores and known else {}, more=not reason)
        if reason:
            break
        steps *= 2
    best = max(evaluations, key=lambda each: sum(map(each.metric, CRITERIA)))  # the shorter one of equals
    return StepSearch(plan, tuple(evaluations), best, reason)


def _pilot(trainer: Trainer, found: Evaluation, title: str) -> tuple[dict[int, FittedModel], bool]:
    """The fold that holds most rows out, fitted with twice the steps of `found`, and whether that helps."""
    splits = trainer.plan.splits
    index = max(range(len(splits)), key=lambda each: sum(recording.rows for recording in splits[each].held_out))
    (model,) = trainer.fit_all([fit_of_split(splits, index, 2 * found.steps, title)])
    longer = predict(trainer.load(found.applied_to(model)), splits[index].held_out, index)
    shorter = [decode_with(each, found.decoding) for each in found.predictions if each.fold == index]
    return {index: model}, _improves(trainer, longer, shorter, found)


def _improves(
    trainer: Trainer, longer: Sequence[HeldOutPrediction], shorter: Sequence[HeldOutPrediction], found: Evaluation
) -> bool:
    """Whether a metric rises by more than its error; with too few groups for an error, by what matters."""

    def scores(some: Sequence[HeldOutPrediction]) -> Scores:
        scored = score_with(trainer.plan, some)
        return replace(scored, classes=found.scores.classes) if found.scores else scored

    ours = scores(longer)
    differences, errors = paired_differences(ours, scores(shorter))
    if len(ours.groups) < LEAST_GROUPS:
        errors = dict.fromkeys(errors, MATTERS)
    return any(differences.get(name, 0.0) > errors.get(name, 0.0) for name in CRITERIA)


def _reason_to_stop(trainer: Trainer, found: Evaluation, seconds: float) -> str:
    """Why no longer schedule is tried, "" if one is. seconds: from the start to the end of the next schedule."""
    settings = trainer.settings
    wanted = (settings.balanced_accuracy_threshold, settings.min_class_f1_threshold)
    if found.scores is None:
        return "nothing could be held out"
    if not found.scores.classes.evaluated.any():
        return "no class is in two groups of recordings, so that none can be evaluated"
    if _holds(found.metric("balanced_accuracy"), found.metric("min_class_f1"), wanted):
        return "both thresholds hold on held-out recordings"
    if all(_holds(*_training_metrics(trainer, number, found), wanted) for number in range(len(trainer.plan.splits))):
        return "the training rows exceed both thresholds already, so that more steps would not help"
    if 2 * found.steps > trainer.plan.most_steps(settings.train_epochs):
        return f"a longer schedule would exceed TRAIN_EPOCHS={settings.train_epochs}"
    if seconds > TIME_SHARE * settings.train_timeout_seconds:
        return f"a longer schedule would not end within TRAIN_TIMEOUT_SECONDS={settings.train_timeout_seconds}"
    return ""


def _training_metrics(trainer: Trainer, number: int, found: Evaluation) -> tuple[float, float]:
    """Balanced accuracy and F1 of the worst class of a fold's model on the recordings that it was fitted on."""
    segmenter = trainer.load(found.models[number])
    scores = score_with(trainer.plan, predict(segmenter, trainer.plan.splits[number].training))
    metrics = replace(scores, classes=found.scores.classes if found.scores else scores.classes).metrics()
    return metrics.get("balanced_accuracy", 0.0), metrics.get("min_class_f1", 0.0)


def _holds(balanced_accuracy: float, min_class_f1: float, wanted: tuple[float, float]) -> bool:
    return balanced_accuracy >= wanted[0] and min_class_f1 >= wanted[1]
