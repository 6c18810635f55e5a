"""One training run: snapshot ► rows ► fit ► judge ► publish or reject. `python -m training run`."""

import argparse
import hashlib
import io
import logging
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch

from shared.errors import ExitCode, LeaseHeldError, PermanentError, RunCancelledError, SegmenterError
from shared.labelling.snapshots import Snapshot
from shared.model_file.card import ModelCard, decode_card
from shared.model_file.onnx_file import read_metadata
from shared.retraining.active_run import ActiveRun, begin_run
from shared.retraining.repetition import is_repetition
from shared.retraining.runs import Outcome
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import read_held_out
from shared.store.storage import Storage
from training.commands import explain
from training.commands.progress import KeepLines, RunProgress
from training.commands.stopping import Terminated, stoppable
from training.data.recordings import load_recordings
from training.data.training_data import TrainingData, training_data_of_export, training_data_of_project
from training.fitting.export import packages
from training.judging.gate import Reference, Verdict, pass_gate
from training.judging.schedule import Schedule, Trained
from training.planning.plan import make_plan
from training.publishing.report import calibrated_heads, make_figures, make_report, text_report
from training.publishing.report_html import render_report

MOST_REFERENCES = 5  # kept versions that the gate compares with
CARD_SETTINGS = (
    "train_epochs",
    "sequence_size",
    "hidden_size",
    "balanced_accuracy_threshold",
    "min_class_f1_threshold",
    "use_class_weights",
    "unlabelled",
    "seed",
)

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
    parser.add_argument("--explain", action="store_true", help="tell what would be trained on, and train nothing")
    parser.add_argument("--json", action="store_true", help="with --explain: as JSON")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run one training. Returns 0 for published or rejected, 75 when asked to stop; other ends raise SegmenterError."""
    if bool(arguments.tasks) != bool(arguments.label_config) or (arguments.tasks is None and arguments.project is None):
        raise PermanentError("run needs --project N, or --tasks EXPORT.json with --label-config CONFIG.xml.")
    if arguments.explain:
        return explain.main(arguments, settings)
    torch.set_num_threads(settings.train_threads)
    storage = open_storage(settings.model_dir)
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
        raise  # whoever has it now records what was left
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
        """All of it. Returns how it ended and a sentence for people."""
        truth = self._read_truth()
        self.active.report(state="fetching", snapshot=truth.snapshot)
        store = ModelStore(self.storage, keep_versions=self.settings.keep_versions)
        champion = store.current(self._project)
        champion_card = read_card(champion.data) if champion else None
        if champion_card and self._asked_for_nothing_new(truth.snapshot):
            log.info("The annotations are those that %s was trained on: nothing to do.", champion_card.version)
            return "unchanged", "The annotations are those of the last run."
        log.info("Reading %d annotated recordings.", len(truth.tasks))
        loaded = load_recordings(truth.tasks, truth.config, truth.source, self.settings.unlabelled)
        notes = [*truth.notes, *loaded.notes]
        for note in notes:
            log.warning("%s", note)
        if loaded.missing:  # reconciling then finds annotations that no run has seen
            absent = {task.id for task in loaded.missing}
            truth = truth._replace(snapshot=truth.snapshot_of(task for task in truth.tasks if task.id not in absent))
            self.active.report(read=truth.snapshot)
            if champion_card and self._asked_for_nothing_new(truth.snapshot):
                return "unchanged", "What was annotated since the last run has not arrived yet; it is tried again."
        plan = make_plan(loaded.recordings, loaded.kinds, self.settings, champion_card.folds if champion_card else {})
        with RunProgress(self.active, len(plan.splits) + len(plan.parts) + 1) as progress:
            schedule = Schedule(plan, truth.config, self.settings, progress)
            trained = schedule.train()
        self.active.report(state="judging")
        verdict = pass_gate(trained.evaluated.predictions, self._references(store, truth), plan.tolerance)
        self.active.report(state="exporting")
        card = self._card(schedule.blank_card(), truth, trained, notes)
        data, weights = schedule.export(trained.final, card), make_weights(trained, card)
        self.active.report(state="publishing", version=card.version)
        self.active.beat()  # if this process is killed from here on, the next run looks what became of the version
        report = make_report(card, trained, verdict)
        reports = {"report.json": msgspec.json.encode(report), "report.html": render_report(report, truth.config)}
        outcome, reason = self._publish(store, data, weights, reports, verdict)
        sys.stdout.write(text_report(card, trained, outcome, reason, self.storage.address))
        return outcome, reason

    def _publish(
        self, store: ModelStore, data: bytes, weights: bytes, reports: Mapping[str, bytes], verdict: Verdict
    ) -> tuple[Outcome, str]:
        if not verdict.accepted:
            store.reject(self.active.lease, data, weights, reason=verdict.reason, reports=reports)
            return "rejected", verdict.reason
        asked = self.by_hand or bool(self.active.record.buttons)
        publication = store.publish(self.active.lease, data, weights, reports=reports, again=asked)
        return ("published", verdict.reason) if publication.published else ("rejected", publication.reason)

    def _references(self, store: ModelStore, truth: TrainingData) -> list[Reference]:
        """Kept versions that a candidate must not be worse than: of the same project, labels and channels."""
        turned_down = store.turned_down(self._project)
        names = [each.name for each in store.versions(self._project) if each.accepted][:MOST_REFERENCES]
        found = []
        for name in names:
            model = store.load_version(self._project, name)
            if model is None or model.stamp.mismatch(truth.project_created):
                continue
            config = read_card(model.data).label_config
            same = set(config.labels) == set(truth.config.labels) and config.channels == truth.config.channels
            if same and not (turned_down and turned_down.version == name):
                report = store.file(self._project, name, "report.json")
                found.append(Reference(name, read_held_out(report) if report else {}, model.data))
        return found

    @property
    def _project(self) -> int:
        return self.active.record.project

    def _read_truth(self) -> TrainingData:
        if self.arguments.tasks:
            return training_data_of_export(self.arguments.tasks, self.arguments.label_config, self.settings)
        # The store's clock: machines whose own clocks differ must not take each other's models for newer ones.
        return training_data_of_project(
            self._project, self.settings, now=lambda: datetime.fromtimestamp(self.storage.now(), UTC)
        )

    def _asked_for_nothing_new(self, snapshot: Snapshot) -> bool:
        """Whether no person asked for this run and it would only repeat an earlier one."""
        asked = self.by_hand or bool(self.active.record.buttons)
        return not asked and is_repetition(self.storage, self._project, snapshot)

    def _card(self, blank: ModelCard, truth: TrainingData, trained: Trained, notes: list[str]) -> ModelCard:
        now = datetime.now(UTC)
        plan = trained.plan
        environment = self.settings.environment()
        return msgspec.structs.replace(
            blank,
            version=f"{now:%Y%m%dT%H%M%SZ}-{_digest(trained, truth.snapshot)}",
            created_at=now.isoformat(timespec="seconds"),
            project=self._project,
            project_created=truth.project_created,
            heads=calibrated_heads(blank.heads, trained),
            metrics=make_figures(trained, notes),
            snapshot=truth.snapshot,
            folds=dict(plan.folds),
            settings={name.upper(): environment[name.upper()] for name in CARD_SETTINGS},
            packages=packages(),
            seed=self.settings.seed,
        )


def read_card(data: bytes) -> ModelCard:
    """The card of a model file."""
    return decode_card(read_metadata(data)["card"])


def _digest(trained: Trained, snapshot: Snapshot) -> str:
    """Six hex digits that tell two models of one second apart."""
    digest = hashlib.sha256(snapshot.digest.encode())
    for name, value in sorted(trained.final.fit.network.state().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()[:6]


def make_weights(trained: Trained, card: ModelCard) -> bytes:
    """What torch.load(…, weights_only=True) gives back: state of the network, its arguments, the card as JSON."""
    network = trained.final.fit.network
    content: Mapping[str, object] = {
        "states": [network.state()],
        "arguments": network.arguments,
        "card": msgspec.json.encode(card).decode(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
