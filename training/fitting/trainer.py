"""Fits models under a plan and the settings, and exports them."""

from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from threading import Event
from typing import NamedTuple, Protocol

from msgspec.structs import replace as with_fields

from shared.labelling.label_config import LabelConfig
from shared.labelling.snapshots import Snapshot
from shared.lineage import KeptFits
from shared.model_file.card import Head, ModelCard, ModelMetrics
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from training.data.annotations import Recording
from training.fitting.batches import TrainingSet
from training.fitting.dataset import Statistics, training_statistics
from training.fitting.doubtful_recordings import leave_out_doubtful
from training.fitting.export import export_model
from training.fitting.fit import FitResult, choose_device, fit
from training.fitting.fit_input import FitInput
from training.fitting.kept_fits import FitMemory
from training.planning.decoding_parameters import learn_heads
from training.planning.plan import Plan

SEEDS = 1000  # seeds that one SEED stands for
ALL_RECORDINGS = 0  # number of the fit on all recordings; those of the folds count from 1


class FitProgress(Protocol):
    """Follows fits, several of which may go on at a time, each in a thread. May raise, which ends the run.

    what: names a fit.
    """

    def begin(self, what: str, steps: int) -> None:
        """A fit of `steps` steps begins."""

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        """So far."""

    def taken(self, what: str) -> None:
        """A fit is that of an earlier run."""


class FitRequest(NamedTuple):
    """A fit on these recordings. number: makes the seed. what: names the fit in logs."""

    recordings: Sequence[Recording]
    steps: int
    number: int
    what: str


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A fit, and what an export needs beside the network."""

    fit: FitResult
    statistics: Statistics
    heads: tuple[Head, ...]

    def without_event_expert(self) -> "FittedModel":
        """The same model without its event expert."""
        network = self.fit.network.without_event_expert()
        return self if network is self.fit.network else replace(self, fit=replace(self.fit, network=network))


class Trainer:
    """Fits the network of a plan on any recordings."""

    def __init__(
        self,
        plan: Plan,
        config: LabelConfig,
        settings: Settings,
        progress: FitProgress,
        kept: KeptFits | None = None,
    ) -> None:
        """kept: of earlier runs; a fit whose whole input is unchanged is taken from there, the others are added."""
        self.plan = plan
        self.settings = settings
        self._config = config
        self._progress = progress
        self._device = choose_device(settings.device)
        self._memory = None if kept is None else FitMemory(kept, FitInput(plan, settings, self._device.type))

    def fit(self, recordings: Sequence[Recording], steps: int, number: int, what: str) -> FittedModel:
        """One fit; the arguments are those of a FitRequest."""
        return self.fit_all([FitRequest(recordings, steps, number, what)])[0]

    def fit_all(self, wanted: Sequence[FitRequest]) -> list[FittedModel]:
        """All fits, TRAIN_THREADS at a time. Each that ends is kept at once; if one fails, the others end."""
        models = {index: found for index, each in enumerate(wanted) if (found := self._remembered(each))}
        over = Event()
        with ThreadPoolExecutor(self.settings.train_threads, "fit") as pool:
            try:
                missing = [index for index in range(len(wanted)) if index not in models]
                futures = {pool.submit(self._fit, wanted[index], over): index for index in missing}
                for future in as_completed(futures):
                    index = futures[future]
                    models[index] = future.result()
                    self._remember(wanted[index], models[index].fit)
            finally:
                over.set()
                pool.shutdown(cancel_futures=True)
        return [models[index] for index in range(len(wanted))]

    def _remembered(self, wanted: FitRequest) -> FittedModel | None:
        found = self._memory.find(wanted.recordings, wanted.steps, self._seed(wanted)) if self._memory else None
        if found is None:
            return None
        self._progress.taken(wanted.what)
        heads = learn_heads(wanted.recordings, self.plan.kinds)
        return FittedModel(found, training_statistics(wanted.recordings, self.plan.recipe.longest_recording), heads)

    def _remember(self, wanted: FitRequest, result: FitResult) -> None:
        if self._memory:
            self._memory.keep(wanted.recordings, wanted.steps, self._seed(wanted), result)

    def _seed(self, wanted: FitRequest) -> int:
        return self.settings.seed * SEEDS + wanted.number

    def _fit(self, wanted: FitRequest, over: Event) -> FittedModel:
        """over: set when the fit is no longer wanted."""
        plan, settings, seed = self.plan, self.settings, self._seed(wanted)
        heads = learn_heads(wanted.recordings, plan.kinds)
        statistics = training_statistics(wanted.recordings, plan.recipe.longest_recording)
        fitted_on = leave_out_doubtful(wanted.recordings, heads, plan.shape, statistics, plan.recipe, seed)
        data = TrainingSet(fitted_on, heads, plan.shape, statistics, plan.recipe)
        per_step = plan.recipe.batch / data.windows
        self._progress.begin(wanted.what, wanted.steps)

        def report(step: int, loss: float) -> None:
            if over.is_set():
                raise CancelledError
            self._progress.step(wanted.what, step, loss, step * per_step)

        found = fit(
            data,
            hidden_size=settings.hidden_size,
            downsampling=plan.shape.downsampling,
            ranges=[1 + len(labels) for labels in plan.kinds.heads],
            steps=wanted.steps,
            epochs=settings.train_epochs,
            seed=seed,
            use_class_weights=settings.use_class_weights,
            device=self._device,
            recipe=plan.recipe,
            report=report,
        )
        return FittedModel(found, statistics, heads)

    def export(self, model: FittedModel, card: ModelCard) -> bytes:
        """The sealed file of a model; the card's heads (but for their calibration) and statistics are its own."""
        heads = tuple(
            with_fields(head, calibration=known.calibration)
            for head, known in zip(model.heads, card.heads, strict=True)
        )
        card = with_fields(
            card,
            heads=heads,
            channel_mean=tuple(model.statistics.mean.tolist()),
            channel_std=tuple(model.statistics.std.tolist()),
            statistics=model.statistics.recording,
        )
        return export_model(model.fit.network, model.statistics, card)

    def load(self, model: FittedModel) -> Segmenter:
        """The model as it would serve, through its exported file."""
        return Segmenter.load(self.export(model, self.draft_card()))

    def draft_card(self) -> ModelCard:
        """A card with no more than predicting needs."""
        nothing = Snapshot(taken_at="", newest="", tasks=0, annotations=0, digest="", fingerprint="")
        zeros = (0.0,) * len(self._config.channels)
        return ModelCard(
            version="",
            created_at="",
            project=0,
            label_config=self._config,
            heads=learn_heads(self.plan.recordings, self.plan.kinds),
            window=self.plan.shape.window,
            stride=self.plan.shape.stride,
            downsampling=self.plan.shape.downsampling,
            channel_mean=zeros,
            channel_std=zeros,
            metrics=ModelMetrics(how="not judged", recordings=0),
            snapshot=nothing,
        )
