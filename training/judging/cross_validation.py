"""One schedule, evaluated on held-out recordings: fit each split, predict what it holds out, choose the decoding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.fitting.trainer import FittedModel, Trainer
from training.judging.decoding import NO_PRIORS, Decoding, choose_decoding, decode_with
from training.judging.evaluate import HeldOutPrediction, Scores, predict, score
from training.planning.folds import Split
from training.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out predictions of a schedule of `steps` steps. models: one for each split.

    scores: None where nothing could be held out. without_priors: the scores if no prior were used in decoding; None
    where none is.
    """

    steps: int
    predictions: tuple[HeldOutPrediction, ...]
    scores: Scores | None
    models: tuple[FittedModel, ...]
    decoding: Decoding = NO_PRIORS
    without_priors: Scores | None = None

    def metric(self, name: str) -> float:
        """A metric on held-out recordings, 0 where there is none."""
        return self.scores.metrics().get(name, 0.0) if self.scores else 0.0


def cross_validate(trainer: Trainer, splits: Sequence[Split], steps: int, title: str) -> Evaluation:
    """Fit and evaluate every split. title: names the fits in logs."""
    plan = trainer.plan
    predictions: list[HeldOutPrediction] = []
    models = []
    for index, split in enumerate(splits):
        model = trainer.fit(split.training, steps, index + 1, f"{title}, fold {index + 1} of {len(splits)}")
        predictions += predict(trainer.load(model), split.held_out, index)
        models.append(model)
    if not predictions:
        return Evaluation(steps, (), None, tuple(models))
    decoding, chosen = choose_decoding(predictions, lambda some: score_with(plan, some).metrics().get("macro_f1", 0.0))
    without = None
    if decoding != NO_PRIORS:
        without = score_with(plan, [decode_with(each, NO_PRIORS) for each in predictions])
    decoded = tuple(replace(each, heads=decoding.heads(each.heads)) for each in models)
    return Evaluation(steps, tuple(chosen), score_with(plan, chosen), decoded, decoding, without)


def score_with(plan: Plan, predictions: Sequence[HeldOutPrediction]) -> Scores:
    """Scores under the plan's labels and tolerance."""
    return score(predictions, plan.kinds, plan.tolerance)
