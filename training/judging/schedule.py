"""How long to fit: whole schedules of S, 2S, 4S … steps, each judged on recordings that its networks have not seen."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from msgspec.structs import replace as with_fields

from shared.labelling.label_config import LabelConfig
from shared.labelling.snapshots import Snapshot
from shared.model_file.card import Head, ModelCard, ModelMetrics
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from training.data.annotations import Recording
from training.fitting.batches import TrainingSet
from training.fitting.dataset import Statistics, training_statistics
from training.fitting.export import export_model
from training.fitting.fit import FitResult, choose_device, fit
from training.judging.decoding import ROWS_ALONE, Decoding, choose_decoding, redecoded
from training.judging.evaluate import HeldOutPrediction, Scores, predict, score
from training.planning.decoding_parameters import learn_heads
from training.planning.folds import Split
from training.planning.plan import Plan

SEEDS = 1000  # seeds that one SEED stands for
TIME_SHARE = 0.5  # of TRAIN_TIMEOUT_SECONDS after which no further schedule is begun


class ScheduleProgress(Protocol):
    """Told what a run is doing. May raise, which ends the run."""

    def begin(self, what: str, steps: int) -> None:
        """A fit of `steps` steps begins."""

    def step(self, step: int, loss: float, epoch: float) -> None:
        """So far in the fit that began last."""

    def evaluated(self, metrics: Mapping[str, float], *, more: bool) -> None:
        """A schedule was judged on held-out recordings; `more` says that another one follows."""


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A fit, and what an export needs beside the network."""

    fit: FitResult
    statistics: Statistics
    heads: tuple[Head, ...]

    def decoded(self, decoding: Decoding) -> "FittedModel":
        """The same with heads that decode so."""
        return replace(self, heads=decoding.heads(self.heads))


@dataclass(frozen=True, slots=True)
class Round:
    """One schedule, judged. scores: None where nothing could be held out.

    alone: what the scores would be if rows alone were decoded; None where they are.
    """

    steps: int
    predictions: tuple[HeldOutPrediction, ...]
    scores: Scores | None
    models: tuple[FittedModel, ...]
    decoding: Decoding = ROWS_ALONE
    alone: Scores | None = None

    def figure(self, name: str) -> float:
        """A figure on held-out recordings, 0 where there is none."""
        return self.scores.metrics().get(name, 0.0) if self.scores else 0.0


@dataclass(frozen=True, slots=True)
class Trained:
    """The result: the network of all recordings, and the judged round with as many steps."""

    plan: Plan
    final: FittedModel
    evaluated: Round
    rounds: tuple[Round, ...]
    parts: Round | None  # held-out parts of both recordings, where there are only two
    stopped_because: str


class Schedule:
    """Fits and judges a plan under the settings."""

    def __init__(
        self,
        plan: Plan,
        config: LabelConfig,
        settings: Settings,
        progress: ScheduleProgress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._config = config
        self._settings = settings
        self._progress = progress
        self._clock = clock
        self._device = choose_device(settings.device)

    def train(self) -> Trained:
        """Judge S steps, then twice as many, until thresholds hold or more can't help; then fit on all recordings.

        More can't help: the networks exceed the thresholds on their own training rows already, or the next schedule
        would exceed TRAIN_EPOCHS or the time there is. Of the schedules judged, the better is kept.
        """
        began = self._clock()
        steps = self._plan.first_steps(self._settings.train_epochs)
        rounds: list[Round] = []
        best: Round | None = None
        while True:
            started = self._clock()
            evaluated = self._judge(steps, self._plan.splits, f"schedule {len(rounds) + 1}")
            rounds.append(evaluated)
            if best is None or evaluated.figure("balanced_accuracy") > best.figure("balanced_accuracy"):
                best = evaluated
            spent = self._clock() - started
            reason = self._reason_to_stop(evaluated, self._clock() - began + 3 * spent)
            self._progress.evaluated(evaluated.scores.metrics() if evaluated.scores else {}, more=not reason)
            if reason:
                break
            steps *= 2
        parts = self._judge(best.steps, self._plan.parts, "parts") if self._plan.parts else None
        final = self.fit(self._plan.recordings, best.steps, 0, "all recordings")
        final = final.decoded(best.decoding)
        return Trained(self._plan, final, best, tuple(rounds), parts, reason)

    def fit(self, recordings: Sequence[Recording], steps: int, fold: int, what: str) -> FittedModel:
        """Fit on these recordings; `fold` makes the seed."""
        plan, settings = self._plan, self._settings
        heads = learn_heads(recordings, plan.kinds)
        statistics = training_statistics(recordings, plan.recipe.longest_recording)
        data = TrainingSet(recordings, heads, plan.shape, statistics, plan.recipe)
        per_step = plan.recipe.batch / data.windows
        self._progress.begin(what, steps)
        result = fit(
            data,
            hidden_size=settings.hidden_size,
            downsampling=plan.shape.downsampling,
            ranges=1 + len(plan.kinds.ranges) if plan.kinds.ranges else 0,
            steps=steps,
            epochs=settings.train_epochs,
            seed=settings.seed * SEEDS + fold,
            use_class_weights=settings.use_class_weights,
            device=self._device,
            recipe=plan.recipe,
            report=lambda step, loss: self._progress.step(step, loss, step * per_step),
        )
        return FittedModel(result, statistics, heads)

    def export(self, model: FittedModel, card: ModelCard) -> bytes:
        """The sealed file of a model; the card's heads (but for their calibration) and statistics are its own."""
        heads = tuple(
            with_fields(head, calibration=known.calibration)
            for head, known in zip(model.heads, card.heads, strict=True)
        )
        statistics = model.statistics
        card = with_fields(
            card,
            heads=heads,
            channel_mean=tuple(statistics.mean.tolist()),
            channel_std=tuple(statistics.std.tolist()),
        )
        return export_model(model.fit.network, statistics, card)

    def blank_card(self) -> ModelCard:
        """A card that says no more than judging needs."""
        nothing = Snapshot(taken_at="", newest="", tasks=0, annotations=0, digest="", fingerprint="")
        zeros = (0.0,) * len(self._config.channels)
        return ModelCard(
            version="",
            created_at="",
            project=0,
            label_config=self._config,
            heads=learn_heads(self._plan.recordings, self._plan.kinds),
            window=self._plan.shape.window,
            stride=self._plan.shape.stride,
            downsampling=self._plan.shape.downsampling,
            channel_mean=zeros,
            channel_std=zeros,
            metrics=ModelMetrics(how="not judged", recordings=0),
            snapshot=nothing,
        )

    def _judge(self, steps: int, splits: Sequence[Split], title: str) -> Round:
        predictions: list[HeldOutPrediction] = []
        models = []
        blank = self.blank_card()
        for index, split in enumerate(splits):
            what = f"{title}, fold {index + 1} of {len(splits)}"
            model = self.fit(split.training, steps, index + 1, what)
            segmenter = Segmenter.load(self.export(model, blank))
            predictions += predict(segmenter, split.held_out, index)
            models.append(model)
        if not predictions:
            return Round(steps, (), None, tuple(models))
        decoding, chosen = choose_decoding(predictions, self._macro_f1)
        alone = None
        if decoding != ROWS_ALONE:
            alone = self._score([redecoded(each, ROWS_ALONE) for each in predictions])
        decoded = tuple(each.decoded(decoding) for each in models)
        return Round(steps, tuple(chosen), self._score(chosen), decoded, decoding, alone)

    def _macro_f1(self, predictions: Sequence[HeldOutPrediction]) -> float:
        """Unlike balanced accuracy it counts false alarms of instants."""
        return self._score(predictions).metrics().get("macro_f1", 0.0)

    def _score(self, predictions: Sequence[HeldOutPrediction]) -> Scores:
        return score(predictions, self._plan.kinds, self._plan.tolerance)

    def _reason_to_stop(self, evaluated: Round, seconds: float) -> str:
        """Why no longer schedule is tried, "" if one is. seconds: from the start to the end of the next schedule."""
        wanted = (self._settings.balanced_accuracy_threshold, self._settings.min_class_f1_threshold)
        if evaluated.scores is None:
            return "nothing could be held out"
        if not evaluated.scores.classes.evaluated.any():
            return "no class is in two groups of recordings, so that none can be judged"
        if self._holds(evaluated.figure("balanced_accuracy"), evaluated.figure("min_class_f1"), wanted):
            return "both thresholds hold on held-out recordings"
        if all(
            self._holds(*self._training_scores(number, evaluated), wanted) for number in range(len(self._plan.splits))
        ):
            return "the training rows exceed both thresholds already, so that more steps would not help"
        if 2 * evaluated.steps > self._plan.most_steps(self._settings.train_epochs):
            return f"a longer schedule would exceed TRAIN_EPOCHS={self._settings.train_epochs}"
        if seconds > TIME_SHARE * self._settings.train_timeout_seconds:
            return (
                f"a longer schedule would not end within TRAIN_TIMEOUT_SECONDS={self._settings.train_timeout_seconds}"
            )
        return ""

    def _training_scores(self, number: int, evaluated: Round) -> tuple[float, float]:
        """Balanced accuracy and F1 of the worst class of a fold's graph on the recordings that it was fitted on."""
        split = self._plan.splits[number]
        segmenter = Segmenter.load(self.export(evaluated.models[number], self.blank_card()))
        scores = score(predict(segmenter, split.training), self._plan.kinds, self._plan.tolerance)
        found = replace(scores, classes=evaluated.scores.classes if evaluated.scores else scores.classes).metrics()
        return found.get("balanced_accuracy", 0.0), found.get("min_class_f1", 0.0)

    @staticmethod
    def _holds(balanced_accuracy: float, min_class_f1: float, wanted: tuple[float, float]) -> bool:
        return balanced_accuracy >= wanted[0] and min_class_f1 >= wanted[1]
