"""One training through the command line, and what its model or a peer finds in recordings it has not seen."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np
import psutil
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from research.peers import fit_and_find
from shared.labelling.regions import from_regions
from shared.labelling.segments import Segment
from shared.model_file.card import decode_card
from shared.model_file.onnx_file import read_metadata
from shared.settings import Settings
from shared.store.report import ReportFile
from training.data.annotations import LabelKinds, Recording
from training.data.training_data import TrainingData, training_data_of_export
from training.judging.calibration import expected_calibration_error
from training.judging.metrics import Classes, Counts, add, class_scores, compute_metrics, count, match_events, paint

FINAL_FIT = "Fitting all recordings"  # the line of the log at which the evaluation is over


class Material(NamedTuple):
    """An export, read once. raw: its tasks by number, with recordings that any folder can name."""

    data: TrainingData
    xml: Path
    kinds: LabelKinds
    recordings: dict[str, Recording]
    raw: dict[str, dict[str, Any]]

    def split(self, name: str) -> list[str]:
        """Numbers of the tasks whose meta.split is `name`."""
        return [key for key in self.recordings if self.raw[key].get("meta", {}).get("split") == name]


class Found(NamedTuple):
    """Segments of every evaluated recording by task, and what they cost [CPU s]; final: of the final fit alone."""

    segments: dict[str, list[Segment]]
    final: float
    whole: float
    folds: Mapping[str, int] = {}


def read_material(tasks: Path, xml: Path) -> Material:
    """Read an export as training does."""
    settings = Settings.from_environment()
    data = training_data_of_export(tasks, xml, settings)
    loaded = data.load(settings)
    raw = {}
    for number, task in enumerate(json.loads(tasks.read_bytes()), 1):
        value = task.get("data", {}).get(data.config.value_key)
        if isinstance(value, str) and len(value) < 500 and (tasks.parent / value).is_file():
            task["data"][data.config.value_key] = str((tasks.parent / value).resolve())
        raw[str(task.setdefault("id", number))] = task
    return Material(data, xml, loaded.kinds, {each.key: each for each in loaded.recordings}, raw)


def train(material: Material, training: Sequence[str], test: Sequence[str], seed: int) -> Found:
    """`python -m training run` on some tasks, `python -m inference predict` on others; out of fold without others.

    Raises RuntimeError with the end of the log if a command fails.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        export = folder / "tasks.json"
        export.write_text(json.dumps([material.raw[key] for key in training]))
        models = folder / "models"
        environment = {
            **os.environ, "MODEL_DIR": str(models), "SEED": str(seed), "OMP_NUM_THREADS": "1",
            "LOG_FORMAT": "text", "LOG_LEVEL": "info", "DEVICE": "cpu",
        }  # fmt: skip
        final, whole = _run_training(export, material.xml, environment)
        reports = sorted(models.glob("versions/0/*report.json"))
        report = msgspec.json.decode(reports[-1].read_bytes(), type=ReportFile)
        if test:
            return Found(_predict(material, test, folder, environment), final, whole)
        segments = {
            each.task: [Segment(s.first, s.last, s.label, s.score, s.instant) for s in each.predicted]
            for each in report.held_out
        }
        card = decode_card(read_metadata((models / "model_project_0.onnx").read_bytes())["card"])
        return Found(segments, final, whole, card.folds)


def _run_training(export: Path, xml: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    before = _children_seconds()
    command = [sys.executable, "-m", "training", "run", "--tasks", str(export), "--label-config", str(xml)]
    final_at, lines = 0.0, []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr or ():
            lines.append(line)
            if FINAL_FIT in line:
                times = psutil.Process(process.pid).cpu_times()
                final_at = times.user + times.system
    if process.returncode:
        raise RuntimeError(f"training ended with {process.returncode}: {''.join(lines[-5:])}")
    whole = _children_seconds() - before
    return whole - final_at, whole


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _predict(
    material: Material, test: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> dict[str, list[Segment]]:
    config = material.data.config
    files = []
    for key in test:
        content = material.data.source.fetch(config.value_of(material.raw[key]["data"]))
        data = content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
        files.append(folder / f"{key}.csv")
        files[-1].write_bytes(data if isinstance(data, bytes) else data.encode())
    command = [sys.executable, "-m", "inference", "predict", "--json", *map(str, files)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"predict ended with {answer.returncode}: {answer.stderr[-500:]}")
    found = {}
    for key, each in zip(test, json.loads(answer.stdout), strict=True):
        axis = material.recordings[key].series.axis
        found[key] = [
            msgspec.structs.replace(segment, score=region["score"])
            for region in each["result"]
            for segment in from_regions([region], axis, config).segments
        ]
    return found


def fit_peer(name: str, material: Material, training: Sequence[str], test: Sequence[str], seed: int) -> Found:
    """A peer fitted on some recordings and run on others, on one thread; its whole run is one fit."""
    recordings = material.recordings
    with threadpool_limits(1):
        began = time.process_time()
        segments = fit_and_find(
            name, [recordings[key] for key in training], [recordings[key] for key in test], material.kinds, seed
        )
        spent = time.process_time() - began
    return Found(dict(zip(test, segments, strict=True)), spent, spent)


def fit_peer_in_folds(name: str, material: Material, folds: Mapping[str, int], seed: int) -> Found:
    """A peer evaluated on the folds of a run."""
    segments: dict[str, list[Segment]] = {}
    spent = 0.0
    for fold in sorted(set(folds.values())):
        inside = [key for key, each in material.recordings.items() if folds.get(each.group) == fold]
        outside = [key for key, each in material.recordings.items() if folds.get(each.group) != fold]
        found = fit_peer(name, material, outside, inside, seed)
        segments |= found.segments
        spent += found.whole
    return Found(segments, spent / max(1, len(set(folds.values()))), spent)


def judge(material: Material, found: Found, tolerance: float) -> dict[str, float]:
    """Metrics, pooled over recordings, by short name. tolerance: of events, in units of the time column (dates: s)."""
    pairs = [(material.recordings[key], segments) for key, segments in found.segments.items()]
    group_counts = [count(recording, segments, _rows(recording, tolerance)) for recording, segments in pairs]
    total = add(group_counts)
    every = Classes(material.kinds, np.ones(len(material.kinds.range_classes) + len(material.kinds.instants), bool))
    standard = {name: float(value) for name, value in compute_metrics(total, every).items()}
    shown: dict[str, float] = {}
    if material.kinds.ranges:
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "segment_f1_10", "segment_f1_25", "segment_f1_50"):
            shown[name] = standard[name]
        shown["edit"] = standard["edit"]
        shown["segments"] = float(sum(not s.instant for _, segments in pairs for s in segments))
        shown["true"] = float(sum(not s.instant for recording, _ in pairs for s in recording.segments()))
    if material.kinds.instants:
        shown |= _event_metrics(material.kinds, total)
        scale = 1 if pairs[0][0].series.axis.time_format else 1000
        shown["dt ms"] = scale * standard["event_time_error"]
    scores, right = _scores(pairs, tolerance)
    shown["ece"] = expected_calibration_error(scores, right)
    return shown | {"final CPU s": found.final, "whole CPU s": found.whole}


def _event_metrics(kinds: LabelKinds, total: Counts) -> dict[str, float]:
    events, crossed = total["events"], total["crossed"]
    each = class_scores({"events": events})[2]
    whole = events[:, 1:].sum()
    shown = {"event_f1": 2 * float(events[:, 0].sum() / whole)}
    shown |= {f"{label} F1": float(value) for label, value in zip(kinds.instants, each, strict=True)}
    shown["any event F1"] = 2 * float(crossed[1:, 1:].sum() / whole)
    return shown | {"events": float(events[:, 2].sum()), "true events": float(events[:, 1].sum())}


def _scores(pairs: Sequence[tuple[Recording, list[Segment]]], tolerance: float) -> tuple[Any, Any]:
    """Scores and whether they were right: of every row of a range, of every event."""
    scores: list[Any] = [np.zeros(0)]
    right: list[Any] = [np.zeros(0, bool)]
    for recording, segments in pairs:
        for head, labels in enumerate(recording.kinds.heads):
            painted = paint(segments, labels, recording.rows)
            for segment in segments:
                if segment.instant or segment.label not in labels:
                    continue
                rows = np.arange(segment.first, segment.last + 1)
                rows = rows[recording.known[rows, head]]
                scores.append(np.full(len(rows), segment.score))
                right.append(recording.labels[rows, head] == painted[rows])
        for label in recording.kinds.instants:
            said = [s for s in segments if s.instant and s.label == label]
            true = np.array([e.row for e in recording.events if e.label == label], np.int64)
            guesses = np.array([s.first for s in said], np.int64)
            matched = {j for _, j in match_events(true, guesses, _rows(recording, tolerance))}
            scores.append(np.array([s.score for s in said], float))
            right.append(np.array([j in matched for j in range(len(said))], bool))
    return np.concatenate(scores), np.concatenate(right)


def _rows(recording: Recording, tolerance: float) -> float:
    axis = recording.series.axis
    step = float(np.median(np.diff(axis.times))) / (1000 if axis.time_format else 1)
    return tolerance / step if step > 0 else tolerance
