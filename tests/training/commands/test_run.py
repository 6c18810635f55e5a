"""A run from the command line to the store: what is published, what is refused, what is left behind."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.retraining.active_run import begin_run
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import START_TRAINING, Updates
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import ReportFile, read_held_out
from shared.store.storage import Storage
from tests.support.synthetic import FAST, draw_instants, draw_ranges
from tests.training.conftest import export_to
from training.__main__ import main
from training.judging.references import read_card
from training.publishing import read_weights

Export = Callable[..., tuple[Path, Path]]
ANY_MODEL = {"BALANCED_ACCURACY_THRESHOLD": "0", "MIN_CLASS_F1_THRESHOLD": "0"}


class Trainer:
    """The command line with a store of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self.set(MODEL_DIR=str(folder), **FAST, **ANY_MODEL)

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def run(self, export: tuple[Path, Path], *more: str) -> int:
        return main(["run", "--tasks", str(export[0]), "--label-config", str(export[1]), *more])

    @property
    def storage(self) -> Storage:
        return open_storage(str(self.folder))

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.storage)

    def model(self, project: int = 0) -> bytes:
        found = self.store.current(project)
        assert found is not None
        return found.data

    def last(self, project: int = 0) -> RunRecord:
        found = Runs(self.storage).last_ended(project)
        assert found is not None
        return found


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    return Trainer(tmp_path / "models", monkeypatch)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store after one run on what `write_export` writes."""
    folder = tmp_path_factory.mktemp("first-run")
    with pytest.MonkeyPatch.context() as patch:
        assert Trainer(folder / "models", patch).run(export_to(folder / "export")) == 0
    return folder / "models"


@pytest.fixture
def trained(trainer: Trainer, first_run: Path) -> Trainer:
    """A trainer that has run once."""
    shutil.copytree(first_run, trainer.folder)
    return trainer


def flatten(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [region for task in tasks for each in task["annotations"] for region in each["result"]]


def test_an_export_becomes_a_model_that_segments_new_recordings(
    trainer: Trainer, write_export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.set(TRAIN_EPOCHS="60")
    assert trainer.run(write_export()) == 0
    segmenter = Segmenter.load(trainer.model())
    values, true = draw_ranges(np.random.default_rng(99), 240)
    found = segmenter.segment(Series(values, TimeAxis.of_rows(240))).segments
    assert [each.label for each in found] == [each.label for each in true]
    shown = capsys.readouterr().out
    for word in ("precision", "balanced accuracy", "macro F1", "Run", "Walk", "Published", str(trainer.folder)):
        assert word in shown


def test_the_card_says_where_a_model_comes_from(trained: Trainer) -> None:
    card = read_card(trained.model())
    assert (card.project, card.snapshot.tasks, card.metrics.recordings) == (0, 3, 3)
    assert card.metrics.how == "out-of-fold"
    assert set(card.folds) == {"task 1", "task 2", "task 3"}
    assert {"balanced_accuracy", "macro_f1", "segment_f1_50", "edit", "ece"} <= set(card.metrics.estimates)
    assert card.settings["HIDDEN_SIZE"] == "8"
    assert "torch" in card.packages
    assert all(head.calibration.fitted for head in card.heads)
    assert card.known is not None
    assert (card.known.recordings, len(card.known.accuracy_without)) == (3, 2)
    assert trained.last().version == card.version
    assert trained.last().outcome == "published"


def test_half_an_emoji_in_the_subject_is_published(trainer: Trainer, write_export: Export) -> None:
    tasks, config = write_export()
    content = json.loads(tasks.read_text())
    for number, task in enumerate(content):
        task["meta"] = {"subject": "\ud83d" + str(number)}
    tasks.write_text(json.dumps(content))
    assert trainer.run((tasks, config), "--project", "7") == 0
    assert trainer.last(7).outcome == "published"
    assert set(read_card(trainer.model(7)).folds) == {f"subject \\ud83d{number}" for number in range(3)}


@pytest.mark.slow
def test_a_terminal_that_cannot_show_it_fails_no_published_run(
    trainer: Trainer, write_export: Export, tmp_path: Path
) -> None:
    export = write_export()
    trainer.set(MODEL_DIR=str(tmp_path / "m\u00f6dels"), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    command = [sys.executable, "-m", "training", "run", "--tasks", str(export[0]), "--label-config", str(export[1])]
    shown = subprocess.run(command, capture_output=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert b"m\\xf6dels" in shown.stdout
    reading, writing = os.pipe()
    os.close(reading)
    trainer.set(MODEL_DIR=str(tmp_path / "others"))
    with os.fdopen(writing, "w") as closed:
        assert subprocess.run(command, stdout=closed, stderr=closed, check=False).returncode == 0
    found = Runs(open_storage(str(tmp_path / "others"))).last_ended(0)
    assert found is not None
    assert found.outcome == "published"


def test_a_renamed_label_is_learned_once_it_is_confirmed(trainer: Trainer, write_export: Export) -> None:
    tasks, config = write_export()
    config.write_text(config.read_text().replace('"Run"', '"Jog"'))
    aliases = LabelAliases(trainer.storage)
    aliases.add(0, "Run", "Jog", by="test")
    assert trainer.run((tasks, config)) == 0
    card = read_card(trainer.model())
    assert card.label_config.aliases == {"Run": "Jog"}
    assert "Jog" in [label for head in card.heads for label in head.labels]


def test_a_rename_that_nobody_confirmed_stays_offered_by_the_next_model(trained: Trainer, write_export: Export) -> None:
    tasks, config = write_export()
    assert read_card(trained.model()).renames == ()
    config.write_text(config.read_text().replace('"Run"', '"Jog"'))
    for _ in range(2):
        assert trained.run((tasks, config)) == 0
        assert read_card(trained.model()).renames == (("Run", "Jog"),)


def test_instants_become_instants(trainer: Trainer, write_export: Export) -> None:
    trainer.set(TRAIN_EPOCHS="60")
    assert trainer.run(write_export(count=5, draw=draw_instants)) == 0
    values, true = draw_instants(np.random.default_rng(99), 240)
    found = Segmenter.load(trainer.model()).segment(Series(values, TimeAxis.of_rows(240))).segments
    assert all(each.instant for each in found)
    near = [any(abs(each.first - other.first) <= 1 and each.label == other.label for other in found) for each in true]
    assert sum(near) >= 0.8 * len(true)
    assert len(found) <= 1.3 * len(true)


def test_same_data_and_seed_give_the_same_graph(trainer: Trainer, write_export: Export, tmp_path: Path) -> None:
    graphs: list[bytes] = []
    for seed in ("1", "1", "2"):
        trainer.set(MODEL_DIR=str(tmp_path / f"models{len(graphs)}"), SEED=seed)
        assert trainer.run(write_export()) == 0
        data = (tmp_path / f"models{len(graphs)}" / "model_project_0.onnx").read_bytes()
        graphs.append(data[: data.index(b'{"schema"')])
    assert graphs[0][:-20] == graphs[1][:-20] != graphs[2][:-20]


def test_weights_load_into_pytorch_without_trusting_them(trained: Trainer) -> None:
    data = (trained.folder / "model_project_0.pt").read_bytes()
    found = torch.load(io.BytesIO(data), weights_only=True)
    assert json.loads(found["card"])["project"] == 0
    network = read_weights(data)
    assert network.arguments == found["arguments"]
    assert all(torch.equal(network.state()[name], value) for name, value in found["states"][0].items())


def test_the_report_keeps_what_was_held_out(trained: Trainer) -> None:
    version = read_card(trained.model()).version
    data = trained.store.file(0, version, "report.json")
    assert data is not None
    assert sorted(read_held_out(data)) == ["1", "2", "3"]
    report = msgspec.json.decode(data, type=ReportFile)
    assert report.outcome == "published"
    assert report.epochs > 0
    assert all(each.true for each in report.held_out)


def test_a_candidate_of_shuffled_labels_is_rejected_and_kept(
    trainer: Trainer, write_export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.set(TRAIN_EPOCHS="30")
    assert trainer.run(write_export(count=12)) == 0
    good = read_card(trainer.model()).version

    def shuffle(tasks: list[dict[str, Any]]) -> None:
        for place, region in enumerate(flatten(tasks)):  # right for half of each label
            region["value"]["timeserieslabels"] = [("Run", "Walk")[place // 2 % 2]]

    from training.commands import series_run
    from training.judging import gate

    honest = gate.pass_gate  # the candidate learned shuffled labels, the gate judges by the true ones
    true = {each.key: each for each in _recordings(write_export(count=12, name="true"))}

    def judge_by_reference(predictions: Any, references: Any, tolerance: float, *_: object) -> Any:
        return honest(
            [type(p)(true[p.recording.key], p.fold, p.heads, p.probabilities, p.segments) for p in predictions],
            references,
            tolerance,
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_run, "pass_gate", judge_by_reference)
        assert trainer.run(write_export(count=12, change=shuffle)) == 0
    assert read_card(trainer.model()).version == good
    assert "Not published" in capsys.readouterr().out
    assert trainer.last().outcome == "rejected"
    rejected = [each for each in trainer.store.versions(0) if not each.accepted]
    assert len(rejected) == 1
    assert {"report.json", "rejected", "pt"} <= set(rejected[0].files)


def _recordings(export: tuple[Path, Path]) -> Any:
    from training.data.recordings import load_recordings
    from training.data.training_data import training_data_of_export

    reference = training_data_of_export(*export, Settings.from_environment({}))
    return load_recordings(reference.tasks, reference.config, reference.source, "background").recordings


def test_a_changed_label_set_starts_afresh(trained: Trainer, write_export: Export) -> None:
    export = write_export(name="more")
    text = export[1].read_text().replace('<Label value="Walk"/>', '<Label value="Walk"/><Label value="Sit"/>')
    export[1].write_text(text)
    assert trained.run(export) == 0
    assert read_card(trained.model()).label_config.labels == ("Run", "Walk", "Sit")


# What cannot be learned from: one sentence, exit 2, nothing published


def no_annotations(tasks: list[dict[str, Any]]) -> None:
    for task in tasks:
        task["annotations"] = []


def no_segments(tasks: list[dict[str, Any]]) -> None:
    for task in tasks:
        task["annotations"][0]["result"] = []


def all_one_class(tasks: list[dict[str, Any]]) -> None:
    for task in tasks:
        region = task["annotations"][0]["result"][0]
        region["value"] |= {"start": 0, "end": 239, "timeserieslabels": ["Run"]}
        task["annotations"][0]["result"] = [region]


def no_file(tasks: list[dict[str, Any]]) -> None:
    for task in tasks:
        task["data"]["csv_url"] = "nowhere.csv"


def unknown_labels(tasks: list[dict[str, Any]]) -> None:
    for region in flatten(tasks):
        region["value"]["timeserieslabels"] = ["Swim"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (no_annotations, "no annotated task"),
        (no_segments, "holds a segment"),
        (all_one_class, "is Run"),
        (unknown_labels, "holds a segment"),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence(
    trainer: Trainer,
    write_export: Export,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[dict[str, Any]]], None],
    sentence: str,
) -> None:
    assert trainer.run(write_export(change=change)) == 2
    shown = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in shown
    assert trainer.store.projects() == []
    assert trainer.last().exit_code == 2


def break_csv(path: Path) -> None:
    path.write_bytes(b"\x00\x01\x02 no table at all")


def drop_column(path: Path) -> None:
    path.write_text(path.read_text().replace("time,a,b", "time,a,other"))


def flatten_values(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(f"{row},1,2" for row in range(len(lines) - 1))]))


@pytest.mark.parametrize("spoil", [break_csv, drop_column, flatten_values])
def test_recordings_that_cannot_be_used_are_one_sentence(
    trainer: Trainer, write_export: Export, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None]
) -> None:
    export = write_export()
    for path in export[0].parent.glob("*.csv"):
        spoil(path)
    assert trainer.run(export) == 2
    assert capsys.readouterr().err.strip()
    assert trainer.store.projects() == []


def test_one_bad_task_among_good_ones_is_skipped_and_named(
    trainer: Trainer, write_export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(count=4)
    break_csv(export[0].parent / "2.csv")
    assert trainer.run(export) == 0
    assert "Task 2 was skipped" in capsys.readouterr().out
    assert read_card(trainer.model()).metrics.recordings == 3


def test_unknown_labels_and_regions_outside_are_counted_and_named(
    trainer: Trainer, write_export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(tasks: list[dict[str, Any]]) -> None:
        flatten(tasks)[0]["value"]["timeserieslabels"] = ["Swim"]
        flatten(tasks)[1]["value"] |= {"start": 5000, "end": 6000}

    assert trainer.run(write_export(change=spoil)) == 0
    shown = capsys.readouterr().out
    assert "Swim" in shown
    assert "5000" in shown


def test_wrong_arguments_and_settings_exit_with_two(
    trainer: Trainer, write_export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run"]) == 2
    assert "--project" in capsys.readouterr().err
    assert main(["run", "--project", "../7"]) == 2
    trainer.set(HIDDEN_SIZE="many")
    assert trainer.run(write_export()) == 2
    assert "HIDDEN_SIZE" in capsys.readouterr().err


# What a run leaves behind


def test_updates_go_with_the_run_that_started_from_them(trainer: Trainer, write_export: Export) -> None:
    updates = Updates(trainer.storage)
    updates.add(0, "ANNOTATION_CREATED", 1.0)
    updates.add(5, "ANNOTATION_CREATED", 1.0)
    assert trainer.run(write_export()) == 0
    assert updates.of(0) == []
    assert len(updates.of(5)) == 1


def test_a_run_that_may_work_later_keeps_its_updates(
    trainer: Trainer, write_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_answers(tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            task["data"]["csv_url"] = "http://127.0.0.1:1/a.csv"

    monkeypatch.setattr("training.data.recordings.WAITS", ())
    trainer.set(DATA_HOSTS_ALLOWED="127.0.0.1")
    updates = Updates(trainer.storage)
    updates.add(0, "ANNOTATION_CREATED", 1.0)
    assert trainer.run(write_export(change=nobody_answers)) == 75
    assert len(updates.of(0)) == 1
    assert trainer.last().failures == 1


def test_a_project_that_is_being_trained_is_left_alone(
    trainer: Trainer, write_export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    with begin_run(trainer.storage, 0, launcher="test", host="elsewhere"):
        assert trainer.run(write_export()) == 75
    assert "elsewhere" in capsys.readouterr().err


def test_unchanged_annotations_are_not_trained_again_unless_asked(trainer: Trainer, write_export: Export) -> None:
    export = write_export()
    assert trainer.run(export, "--attached") == 0
    version = read_card(trainer.model()).version
    assert trainer.run(export, "--attached") == 0
    assert read_card(trainer.model()).version == version
    assert trainer.last().outcome == "unchanged"
    Updates(trainer.storage).add(0, START_TRAINING, 1.0)
    assert trainer.run(export, "--attached") == 0
    assert (trainer.last().outcome, trainer.last().number) == ("published", 3)


@pytest.fixture(autouse=True)
def open_stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An attached run ends with its standard input: here it never does."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        yield


def long_run(trainer: Trainer, export: tuple[Path, Path], *more: str) -> "subprocess.Popen[bytes]":
    """A run that would take minutes, as a process of its own; returned when it fits."""
    trainer.set(TRAIN_EPOCHS="100000", HIDDEN_SIZE="64", OMP_NUM_THREADS="1")
    command = [sys.executable, "-m", "training", "run", "--tasks", str(export[0]), "--label-config", str(export[1])]
    process = subprocess.Popen([*command, *more], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if b"Fitting" in line:
            return process
    raise AssertionError("the run ended before it began to fit")


def test_sigterm_leaves_nothing_half_written_and_updates_where_they_were(
    trainer: Trainer, write_export: Export
) -> None:
    updates = Updates(trainer.storage)
    updates.add(0, "ANNOTATION_CREATED", 1.0)
    process = long_run(trainer, write_export())
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 75
    assert trainer.store.projects() == []
    assert trainer.store.versions(0) == []
    assert len(updates.of(0)) == 1
    assert trainer.last().outcome == "failed"
    with begin_run(trainer.storage, 0, launcher="test", host="next"):
        pass  # the lease is free at once


def test_an_attached_run_ends_with_the_server_that_started_it(trainer: Trainer, write_export: Export) -> None:
    process = long_run(trainer, write_export(), "--attached")
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    process.communicate()
    assert process.returncode == 75


def test_a_cancelled_run_stops_and_its_updates_are_done_with(
    trainer: Trainer, write_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.commands.progress import RunProgress

    updates = Updates(trainer.storage)
    updates.add(0, "ANNOTATION_CREATED", 1.0)
    begin = RunProgress.begin

    def begin_and_cancel(self: RunProgress, what: str, steps: int) -> None:
        begin(self, what, steps)
        Runs(trainer.storage).request_cancel(0)
        self._active.beat()

    monkeypatch.setattr(RunProgress, "begin", begin_and_cancel)
    assert trainer.run(write_export()) == 0
    assert trainer.last().outcome == "cancelled"
    assert trainer.store.projects() == []
    assert updates.of(0) == []
