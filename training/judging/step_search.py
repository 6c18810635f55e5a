"""How many steps to fit: schedules of S, 2S, 4S … steps, each from scratch, each evaluated by cross-validation."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from training.fitting.trainer import Trainer
from training.judging.cross_validation import Evaluation, cross_validate, score_with
from training.judging.evaluate import predict
from training.planning.plan import Plan

TIME_SHARE = 0.5  # of TRAIN_TIMEOUT_SECONDS after which no further schedule starts


class EvaluationProgress(Protocol):
    """Follows the evaluation of schedules."""

    def evaluated(self, metrics: Mapping[str, float], *, more: bool) -> None:
        """A schedule was evaluated on held-out recordings; `more`: whether another one follows."""


@dataclass(frozen=True, slots=True)
class StepSearch:
    """Every schedule that was evaluated, and the best of them.

    halves: the best schedule on halves of both recordings, where there are only two.
    """

    plan: Plan
    evaluations: tuple[Evaluation, ...]
    best: Evaluation
    halves: Evaluation | None
    stopped_because: str


def search_steps(
    trainer: Trainer, progress: EvaluationProgress, clock: Callable[[], float] = time.monotonic
) -> StepSearch:
    """Evaluate S steps, then twice as many, until the thresholds hold or more steps cannot help.

    More cannot help where the models exceed the thresholds on their own training rows already, or where the next
    schedule would exceed TRAIN_EPOCHS or the time there is.
    """
    plan, began = trainer.plan, clock()
    steps = plan.first_steps(trainer.settings.train_epochs)
    evaluations: list[Evaluation] = []
    while True:
        started = clock()
        found = cross_validate(trainer, plan.splits, steps, f"schedule {len(evaluations) + 1}")
        evaluations.append(found)
        spent = clock() - started
        reason = _reason_to_stop(trainer, found, clock() - began + 3 * spent)
        progress.evaluated(found.scores.metrics() if found.scores else {}, more=not reason)
        if reason:
            break
        steps *= 2
    best = max(evaluations, key=lambda each: each.metric("balanced_accuracy"))  # the shorter one of equals
    halves = cross_validate(trainer, plan.halves, best.steps, "halves") if plan.halves else None
    return StepSearch(plan, tuple(evaluations), best, halves, reason)


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
