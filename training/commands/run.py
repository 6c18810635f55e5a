"""One training run: read ► plan ► fit ► evaluate ► publish or reject. `python -m training run`."""

import argparse
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from msgspec.structs import replace

from shared.errors import (
    ExitCode,
    FetchError,
    LeaseHeldError,
    PermanentError,
    RecordError,
    RunCancelledError,
    SegmenterError,
    StoreError,
    TrainingDataError,
)
from shared.labelling.label_config import LabelConfig
from shared.labelling.snapshots import Snapshot
from shared.lineage import KeptFits
from shared.model_file.several import model_of_series
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
from shared.store.model_info import StoredModel
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import RegionUse, ReportFile
from shared.store.storage import Storage
from training.commands import explain
from training.commands.assemble import Kept, assemble, stored_reports, told
from training.commands.output import write_out
from training.commands.progress import KeepLines
from training.commands.request import request_outdated
from training.commands.series_run import SeriesData, SeriesRun, TrainedSeries
from training.commands.stopping import Terminated, stoppable
from training.data.training_data import TrainingData, training_data_of_export, training_data_of_project
from training.judging.gate import Verdict
from training.judging.references import current_model, kept_report, next_number, read_card
from training.people import use_of_predictions

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
    torch.set_num_threads(1)  # fits go on side by side instead: TRAIN_THREADS
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
        champion = current_model(store, self._project)
        champion_card = read_card(champion.data) if champion else None
        if champion_card and self._is_repetition(data.snapshot):
            log.info("Nothing to do: %s was trained on these annotations already.", champion_card.version)
            return "unchanged", "The annotations are those of the last run."

        log.info("Reading %d annotated recordings.", len(data.tasks))
        run = SeriesRun(
            self.active, store, self.settings, champion.data if champion else None, alone=not data.config.others
        )
        series, left_out = self._read_series(run, data)
        missing = [task for each in series for task in each.loaded.missing]
        if missing:  # reconciling then finds annotations that no run has seen
            absent = {task.id for task in missing}
            snapshot = data.snapshot_of(task for task in data.tasks if task.id not in absent)
            series = [each._replace(data=each.data._replace(snapshot=snapshot)) for each in series]
            self.active.report(read=snapshot)
            if champion_card and self._is_repetition(snapshot):
                return "unchanged", "What was annotated since the last run has not arrived yet; it is tried again."

        kept = KeptFits(self.storage, self._project)
        trained = [run.train(each, kept, left_out if each is series[0] else ()) for each in series]
        kept.remove_unused()
        trained = _without_useless(trained)
        not_learned = [each for each in data.config.series if each.to_name not in {one.name for one in trained}]
        candidate = assemble(
            trained,
            [each for config in not_learned for each in _kept(store, champion, config)],
            number=next_number(store, self._project),
            accepted=AcceptedLabels(self.storage).of(self._project),
            region_use=self._region_use(data),
        )

        self.active.report(state="publishing", version=candidate.card.version)
        self.active.beat()  # if this process is killed from here on, the next run looks what became of the version
        reports = stored_reports(candidate.report, data.config)
        outcome, reason = self._publish(store, candidate.graph, candidate.weights, reports, candidate.verdict)
        write_out(told(candidate, trained, outcome=outcome, reason=reason, place=self.storage.address))
        return outcome, reason

    def _read_series(self, run: SeriesRun, data: TrainingData) -> tuple[list[SeriesData], list[str]]:
        """What can be learned from, and sentences about series that are left out; raises the error of the only one."""
        found: list[SeriesData] = []
        errors: list[SegmenterError] = []
        left_out: list[str] = []
        for config in data.config.series:
            try:
                found.append(run.read(data.of_series(config)))
            except (TrainingDataError, FetchError) as error:
                errors.append(error)
                left_out.append(f"The series {config.to_name!r} was not learned: {error}")
                if data.config.others:
                    log.warning("%s", left_out[-1])
        if not found:
            raise errors[0]
        return found, left_out

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


def _without_useless(trained: list[TrainedSeries]) -> list[TrainedSeries]:
    """Without series that nothing serves yet, and whose first model is of no use, if another one is accepted."""
    useless = [each for each in trained if each.is_new and not each.verdict.accepted]
    rest = [each for each in trained if each not in useless]
    if not rest:
        return trained
    for each in useless:
        log.warning("The series %r is left out: %s.", each.name, each.verdict.reason)
    return rest


def _kept(store: ModelStore, champion: StoredModel | None, config: LabelConfig) -> list[Kept]:
    """What serves a series that was not learned again, if anything does."""
    graph = model_of_series(champion.data, config.to_name, alone=False) if champion else None
    if champion is None or graph is None:
        return []
    info = champion.model_info
    project = read_card(champion.data).project
    report = kept_report(store, project, info.version) or ReportFile(version=info.version)
    log.warning("The series %r is served by its model of version %s.", config.to_name, read_card(graph).version)
    return [Kept(graph, replace(report.of_series(config.to_name), series=config.to_name, others=()))]
