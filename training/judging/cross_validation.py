"""One schedule, evaluated on held-out recordings: fit each split, predict what it holds out, choose the decoding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from training.data.annotations import Recording
from training.fitting.trainer import FitRequest, FittedModel, Trainer
from training.judging.decoding import NO_PRIORS, Decoding, choose_decoding, decode_with
from training.judging.evaluate import HeldOutPrediction, Scores, predict, score
from training.planning.folds import Split
from training.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out predictions of a schedule of `steps` steps. models: one for each split.

    scores: None where nothing could be held out. without_priors: the scores if no prior were used in decoding; None
    where none is. event_expert: whether the model that serves keeps its event expert. decoding: of that model.
    """

    steps: int
    predictions: tuple[HeldOutPrediction, ...]
    scores: Scores | None
    models: tuple[FittedModel, ...]
    decoding: Decoding = NO_PRIORS
    without_priors: Scores | None = None
    event_expert: bool = False

    def metric(self, name: str) -> float:
        """A metric on held-out recordings, 0 where there is none."""
        return self.scores.metrics().get(name, 0.0) if self.scores else 0.0

    def applied_to(self, model: FittedModel) -> FittedModel:
        """A model with the decoding that was chosen, and with its event expert only if that was."""
        model = replace(model, heads=self.decoding.heads(model.heads))
        return model if self.event_expert else model.without_event_expert()


def cross_validate(
    trainer: Trainer,
    splits: Sequence[Split],
    steps: int,
    title: str,
    fitted: Mapping[int, FittedModel] = MappingProxyType({}),
) -> Evaluation:
    """Fit and evaluate every split. title: names the fits in logs. fitted: models of splits that have one already."""
    held_out = HeldOutPredictions()
    missing = [index for index in range(len(splits)) if index not in fitted]
    fits = trainer.fit_all([fit_of_split(splits, index, steps, title) for index in missing])
    known = {**fitted, **dict(zip(missing, fits, strict=True))}
    models = [known[index] for index in range(len(splits))]
    for index, split in enumerate(splits):
        held_out.add(trainer, models[index], split.held_out, index)
    if not held_out.predictions:
        return Evaluation(steps, (), None, tuple(models), event_expert=True)  # it gains more than it loses
    found = held_out.evaluation(trainer.plan, steps)
    return replace(found, models=tuple(found.applied_to(each) for each in models))


def fit_of_split(splits: Sequence[Split], index: int, steps: int, title: str) -> FitRequest:
    """The fit of one split."""
    return FitRequest(splits[index].training, steps, index + 1, f"{title}, fold {index + 1} of {len(splits)}")


class HeldOutPredictions:
    """Predictions of held-out recordings, without event experts and, where models have one, with it."""

    def __init__(self) -> None:
        self.predictions: list[HeldOutPrediction] = []
        self._with_expert: list[HeldOutPrediction] = []

    def add(self, trainer: Trainer, model: FittedModel, recordings: Sequence[Recording], fold: int) -> None:
        """What a model makes of recordings that it has not seen. fold: number of the model."""
        self.predictions += predict(trainer.load(model.without_event_expert()), recordings, fold)
        if model.fit.network.event_expert is not None:
            self._with_expert += predict(trainer.load(model), recordings, fold)

    def evaluation(self, plan: Plan, steps: int) -> Evaluation:
        """Scores under the event expert and the priors that are chosen by these predictions; no models."""

        def criterion(some: Sequence[HeldOutPrediction]) -> float:
            return score_with(plan, some).metrics().get("macro_f1", 0.0)

        event_expert, predictions = choose_event_expert(self.predictions, self._with_expert, plan)
        decoding, chosen = choose_decoding(predictions, criterion)
        without = None
        if decoding != NO_PRIORS:
            without = score_with(plan, [decode_with(each, NO_PRIORS) for each in chosen])
        return Evaluation(
            steps, tuple(chosen), score_with(plan, chosen), (), decoding, without, event_expert=event_expert
        )


def choose_event_expert(
    without: Sequence[HeldOutPrediction], with_expert: Sequence[HeldOutPrediction], plan: Plan
) -> tuple[bool, list[HeldOutPrediction]]:
    """Whether an event expert serves, and held-out predictions for which the other folds chose.

    with_expert: empty where there is none. It serves unless held-out predictions lose event F1 by it: gait gains .02 to
    .03, ECGs lose .003.
    """
    if not with_expert:
        return False, list(without)

    def event_f1(some: Sequence[HeldOutPrediction], folds: set[int]) -> float:
        inside = [each for each in some if each.fold in folds]
        return score_with(plan, [decode_with(each, NO_PRIORS) for each in inside]).metrics().get("event_f1", 0.0)

    folds = {each.fold for each in without}
    chosen: list[HeldOutPrediction] = []
    for fold in sorted(folds):
        others = folds - {fold}
        source = with_expert if others and event_f1(with_expert, others) >= event_f1(without, others) else without
        chosen += [each for each in source if each.fold == fold]
    return event_f1(with_expert, folds) >= event_f1(without, folds), chosen


def score_with(plan: Plan, predictions: Sequence[HeldOutPrediction]) -> Scores:
    """Scores under the plan's labels and tolerance."""
    return score(predictions, plan.kinds, plan.tolerance)
