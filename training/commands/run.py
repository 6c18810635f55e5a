"""One training run: read ► plan ► fit ► evaluate ► publish or reject. `python -m training run`."""

import argparse
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch

from shared.errors import (
    ExitCode,
    LeaseHeldError,
    PermanentError,
    RecordError,
    RunCancelledError,
    SegmenterError,
    StoreError,
)
from shared.labelling.left_out import label_topic
from shared.labelling.renames import Rename, rename_sentence, suggest_renames
from shared.labelling.snapshots import Snapshot
from shared.lineage import KeptFits
from shared.reporting import render_report
from shared.retraining.accepted_labels import AcceptedLabels
from shared.retraining.active_run import ActiveRun, begin_run
from shared.retraining.region_use import RegionUses, summarise
from shared.retraining.repetition import is_repetition
from shared.retraining.runs import Outcome
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.keys import read_project
from shared.store.lease import LEASE_SECONDS
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import RegionUse
from shared.store.storage import Storage
from training.commands import explain
from training.commands.output import write_out
from training.commands.progress import KeepLines, RunProgress
from training.commands.request import request_outdated
from training.commands.stopping import Terminated, stoppable
from training.data.training_data import TrainingData, training_data_of_export, training_data_of_project
from training.fitting.trainer import ALL_RECORDINGS, Trainer
from training.judging.gate import Verdict, pass_gate
from training.judging.known_recordings import known_recordings
from training.judging.references import load_references, next_number, read_card
from training.judging.step_search import search_steps
from training.people import use_of_predictions
from training.planning.plan import make_plan
from training.publishing.model_files import make_card, make_weights
from training.publishing.report import make_report, text_report

log = logging.getLogger("training")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `run`."""
    parser.add_argument(
        "--project", type=read_project, help="id in Label Studio; 0 (default offline) serves all others"
    )
    parser.add_argument("--tasks", type=Path, help="train offline from this JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, help="labelling configuration (XML) that goes with --tasks")
    parser.add_argument("--attached", action="store_true", help="end when standard input does (child of a server)")
    parser.add_argument("--number", type=int, help="number that the launcher has given this run")
    parser.add_argument("--explain", action="store_true", help="show what would be trained on, and train nothing")
    parser.add_argument(
        "--all-outdated",
        action="store_true",
        help="ask for a training of every project whose model was trained by older rules for what annotations mean",
    )
    parser.add_argument("--json", action="store_true", help="with --explain: as JSON")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run one training. Returns 0 for published or rejected, 75 when asked to stop; other ends raise SegmenterError."""
    if arguments.all_outdated:
        return request_outdated(settings)
    if bool(arguments.tasks) != bool(arguments.label_config) or (arguments.tasks is None and arguments.project is None):
        raise PermanentError(
            "run needs --project N, or --tasks EXPORT.json with --label-config CONFIG.xml, or --all-outdated."
        )
    if arguments.explain:
        return explain.main(arguments, settings)
    torch.set_num_threads(settings.train_threads)
    storage = open_storage(settings.model_dir, settings.new_store)
    project = arguments.project or 0
    launcher = (
        "process" if arguments.attached else "kubernetes" if "KUBERNETES_SERVICE_HOST" in os.environ else "by hand"
    )
    with stoppable(attached=arguments.attached):
        try:
            with begin_run(
                storage,
                project,
                launcher=launcher,
                host=f"{socket.gethostname()} pid {os.getpid()}",
                number=arguments.number,
                wait_seconds=2 * LEASE_SECONDS if launcher == "kubernetes" else 0.0,
            ) as active:
                return _conduct(active, storage, arguments, settings, by_hand=launcher == "by hand")
        except Terminated:
            log.warning("Stopped before the end; nothing was published, and what waits will be trained again.")
            return ExitCode.TEMPORARY


def _conduct(
    active: ActiveRun, storage: Storage, arguments: argparse.Namespace, settings: Settings, *, by_hand: bool
) -> int:
    """Train, and record however that ends. Updates go where another run on the same annotations would do the same."""
    keeper = KeepLines(active)
    logging.getLogger().addHandler(keeper)
    try:
        active.start_from(Updates(storage).of(active.record.project))
        outcome, reason = _Run(active, storage, arguments, settings, by_hand=by_hand).execute()
        active.end(outcome, exit_code=0, reason=reason)
    except RunCancelledError as error:
        active.end("cancelled", exit_code=0, reason=str(error))
        log.warning("%s", error)
    except LeaseHeldError:
        raise  # its new holder records what was left
    except SegmenterError as error:
        active.end("failed", exit_code=error.exit_code, reason=str(error))
        raise
    except Terminated:
        active.end(
            "failed", exit_code=ExitCode.TEMPORARY, reason="It was asked to stop (SIGTERM) before it had finished."
        )
        raise
    except Exception as error:
        active.end("failed", exit_code=1, reason=f"It crashed: {type(error).__name__}: {error}")
        raise
    finally:
        logging.getLogger().removeHandler(keeper)
    return 0


@dataclass
class _Run:
    active: ActiveRun
    storage: Storage
    arguments: argparse.Namespace
    settings: Settings
    by_hand: bool

    def execute(self) -> tuple[Outcome, str]:
        """Read, plan, fit, evaluate, compare, publish. Returns how it ended and a sentence for people."""
        data = self._read_training_data()
        self.active.report(state="fetching", snapshot=data.snapshot)
        store = ModelStore(self.storage, keep_versions=self.settings.keep_versions)
        champion = store.current(self._project)
        champion_card = read_card(champion.data) if champion else None
        if champion_card and self._is_repetition(data.snapshot):
            log.info("Nothing to do: %s was trained on these annotations already.", champion_card.version)
            return "unchanged", "The annotations are those of the last run."

        log.info("Reading %d annotated recordings.", len(data.tasks))
        loaded = data.load(self.settings, champion_card.range_labels if champion_card else ())
        notes = [*data.notes, *loaded.notes]
        renames: list[Rename] = []
        if champion_card:
            before, earlier = champion_card.label_config.labels, champion_card.renames
            renames = suggest_renames(before, data.config, data.config.aliases, earlier)
            renames = [each for each in renames if label_topic(each[0]) in loaded.unknown_labels]
            notes += [rename_sentence(self._project, *each) for each in renames]
        for note in notes:
            log.warning("%s", note)
        if loaded.missing:  # reconciling then finds annotations that no run has seen
            absent = {task.id for task in loaded.missing}
            data = data._replace(snapshot=data.snapshot_of(task for task in data.tasks if task.id not in absent))
            self.active.report(read=data.snapshot)
            if champion_card and self._is_repetition(data.snapshot):
                return "unchanged", "What was annotated since the last run has not arrived yet; it is tried again."

        plan = make_plan(loaded.recordings, loaded.kinds, self.settings, champion_card.folds if champion_card else {})
        with RunProgress(self.active, len(plan.splits) + 1) as progress:
            kept = KeptFits(self.storage, self._project)
            trainer = Trainer(plan, data.config, self.settings, progress, kept)
            search = search_steps(trainer, progress)
            model = trainer.fit(plan.recordings, search.best.steps, ALL_RECORDINGS, "all recordings")
            kept.remove_unused()
        model = search.best.applied_to(model)

        self.active.report(state="judging")
        references = load_references(store, self._project, data.project_created, data.config)
        verdict = pass_gate(search.best.predictions, references, plan.tolerance, data.config.labels)

        self.active.report(state="exporting")
        known = known_recordings(trainer, search.best, timed=bool(data.config.time_column))
        card = make_card(trainer.draft_card(), self._project, data, search, model, self.settings, notes, known)
        card = msgspec.structs.replace(card, renames=tuple(renames))
        graph, weights = trainer.export(model, card), make_weights(model, card)
        accepted = AcceptedLabels(self.storage).of(self._project)
        number, used = next_number(store, self._project), self._region_use(data)
        report = make_report(card, search, model, verdict, number, accepted, used)
        reports = {"report.json": msgspec.json.encode(report), "report.html": render_report(report, data.config)}

        self.active.report(state="publishing", version=card.version)
        self.active.beat()  # if this process is killed from here on, the next run looks what became of the version
        outcome, reason = self._publish(store, graph, weights, reports, verdict)
        place = self.storage.address
        write_out(text_report(card, search, model, report, outcome=outcome, reason=reason, place=place))
        return outcome, reason

    def _region_use(self, data: TrainingData) -> tuple[RegionUse, ...]:
        """What people made of predictions; a model does not depend on whether that can be read."""
        uses, read = RegionUses(self.storage), data.label_studio.prediction if data.label_studio else None
        try:
            known = uses.of(self._project)
            found = use_of_predictions(data.tasks, data.config, known, read)
            if {each.annotation: each for each in found} != known:
                uses.replace(self._project, found)
        except (RecordError, StoreError) as error:
            log.warning("What people made of predictions is not known: %s", error)
            return ()
        return summarise(found)

    def _publish(
        self, store: ModelStore, data: bytes, weights: bytes, reports: Mapping[str, bytes], verdict: Verdict
    ) -> tuple[Outcome, str]:
        if not verdict.accepted:
            store.reject(self.active.lease, data, weights, reason=verdict.reason, reports=reports)
            return "rejected", verdict.reason
        asked = self.by_hand or bool(self.active.record.train_jobs)
        publication = store.publish(self.active.lease, data, weights, reports=reports, again=asked)
        return ("published", verdict.reason) if publication.published else ("rejected", publication.reason)

    @property
    def _project(self) -> int:
        return self.active.record.project

    def _read_training_data(self) -> TrainingData:
        aliases = LabelAliases(self.storage).of(self._project)
        if self.arguments.tasks:
            return training_data_of_export(self.arguments.tasks, self.arguments.label_config, self.settings, aliases)
        # The store's clock: machines whose own clocks differ must not take each other's models for newer ones.
        return training_data_of_project(
            self._project, self.settings, aliases, now=lambda: datetime.fromtimestamp(self.storage.now(), UTC)
        )

    def _is_repetition(self, snapshot: Snapshot) -> bool:
        """Whether no person asked for this run and it would only repeat an earlier one."""
        asked = self.by_hand or bool(self.active.record.train_jobs)
        return not asked and is_repetition(self.storage, self._project, snapshot)
