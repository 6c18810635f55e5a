"""What a run does for one time series: read ► plan ► fit ► evaluate ► compare. A project may have several."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from shared.labelling.left_out import label_topic
from shared.labelling.renames import Rename, rename_sentence, suggest_renames
from shared.lineage import KeptFits
from shared.model_file.card import ModelCard
from shared.model_file.several import model_of_series
from shared.retraining.active_run import ActiveRun
from shared.settings import Settings
from shared.store.models import ModelStore
from training.choices import learn_choices
from training.commands.progress import RunProgress
from training.data.recordings import Loaded
from training.data.training_data import TrainingData
from training.fitting.trainer import ALL_RECORDINGS, FittedModel, Trainer
from training.judging.gate import Verdict, pass_gate
from training.judging.known_recordings import known_recordings
from training.judging.references import load_references, read_card
from training.judging.step_search import StepSearch, search_steps
from training.planning.plan import make_plan
from training.publishing.model_files import make_card

log = logging.getLogger("training")


class SeriesData(NamedTuple):
    """One series' recordings, and the card of the model that serves it; None without one."""

    data: TrainingData
    loaded: Loaded
    champion: ModelCard | None
    renames: list[Rename]
    notes: list[str]

    @property
    def name(self) -> str:
        """Of its tag."""
        return self.data.config.to_name


class TrainedSeries(NamedTuple):
    """A candidate for one series."""

    data: TrainingData
    trainer: Trainer
    search: StepSearch
    model: FittedModel
    verdict: Verdict
    is_new: bool  # nothing serves the series yet
    card: ModelCard

    @property
    def name(self) -> str:
        """Of its tag."""
        return self.data.config.to_name

    @property
    def graph(self) -> bytes:
        """Its sealed model file."""
        return self.trainer.export(self.model, self.card)


@dataclass(frozen=True)
class SeriesRun:
    """The steps of a run that are taken series by series.

    alone: whether the project has one series only.
    """

    active: ActiveRun
    store: ModelStore
    settings: Settings
    champion: bytes | None
    alone: bool

    @property
    def project(self) -> int:
        """Which is trained."""
        return self.active.record.project

    def read(self, data: TrainingData) -> SeriesData:
        """Read the recordings. Raises TrainingDataError or FetchError where nothing can be learned from them."""
        config = data.config
        champion = model_of_series(self.champion, config.to_name, alone=self.alone) if self.champion else None
        card = read_card(champion) if champion else None
        loaded = data.load(self.settings, card.range_labels if card else ())
        notes = [*data.notes, *loaded.notes]
        renames: list[Rename] = []
        if card:
            renames = suggest_renames(card.label_config.labels, config, config.aliases, card.renames)
            renames = [each for each in renames if label_topic(each[0]) in loaded.unknown_labels]
            notes += [rename_sentence(self.project, *each) for each in renames]
        for note in notes:
            log.warning("%s", note)
        return SeriesData(data, loaded, card, renames, notes)

    def train(self, series: SeriesData, kept: KeptFits, more: Sequence[str] = ()) -> TrainedSeries:
        """Fit, evaluate and compare. more: notes for the card that are not about the series itself."""
        data, loaded, settings = series.data, series.loaded, self.settings
        plan = make_plan(loaded.recordings, loaded.kinds, settings, series.champion.folds if series.champion else {})
        with RunProgress(self.active, len(plan.splits) + 1) as progress:
            trainer = Trainer(plan, data.config, settings, progress, kept)
            search = search_steps(trainer, progress)
            model = trainer.fit(plan.recordings, search.best.steps, ALL_RECORDINGS, "all recordings")
        model = search.best.applied_to(model)

        self.active.report(state="judging")
        references = load_references(self.store, self.project, data.project_created, data.config, alone=self.alone)
        verdict = pass_gate(search.best.predictions, references, plan.tolerance, data.config.labels)

        self.active.report(state="exporting")
        known = known_recordings(trainer, search.best, timed=bool(data.config.time_column))
        notes = [*series.notes, *more]
        draft = trainer.draft_card()
        shares = {each.recording.key: each.probabilities.mean(axis=0) for each in search.best.predictions}
        choices = learn_choices(loaded.chosen, data.config.choice_tags, shares, draft.class_count)
        for note in choices.notes:
            log.info("%s", note)
        notes += choices.notes
        card = make_card(draft, self.project, data, search, model, settings, notes, known)
        metrics = replace(card.metrics, estimates={**card.metrics.estimates, **choices.estimates})
        card = replace(card, renames=tuple(series.renames), choices=choices.model, metrics=metrics)
        return TrainedSeries(data, trainer, search, model, verdict, series.champion is None, card)
