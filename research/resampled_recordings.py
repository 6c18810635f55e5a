"""What recordings of another sampling rate lose, as they are and resampled to the rate of the model: cross-validated.

`python -m research.resampled_recordings --tasks EXPORT.json --label-config CONFIG.xml`. Tasks of meta.split `test`
are left out. Held-out recordings are predicted at their own rate, at half and at twice the rate; segments are put back
on the rows of the recording, so that all metrics are of the same rows. `--mixed`: every second recording, whether
learned from or held out, is at half the rate; all are learned from as they are, or at one rate.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

import training.data.recordings
from research.ablation import Quiet, splits, training_part
from research.compare_peers import Material
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.segmentation.resampling import at_own_rows, resample
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from training.data.annotations import Recording
from training.data.common_rate import at_common_rate
from training.data.recordings import Source
from training.data.training_data import TrainingData
from training.fitting.trainer import Trainer
from training.judging.cross_validation import cross_validate
from training.judging.evaluate import evaluated_classes
from training.judging.metrics import Counts, add, compute_metrics, count
from training.planning.plan import make_plan

METRICS = ("balanced_accuracy", "macro_f1", "segment_f1_50", "event_f1")
RATES = {"half the rate": 2.0, "twice the rate": 0.5, "two thirds of the rate": 1.5, "5 times the rate": 0.2}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.resampled_recordings", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--repetitions", type=int, default=1, help="partitions into three folds (default: 1)")
    parser.add_argument("--mixed", action="store_true", help="half of the recordings are at half the rate")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    print("| repetition | recordings | " + " | ".join(METRICS) + " |\n|---|---|" + "---|" * len(METRICS))
    for repetition in range(options.repetitions):
        for kind, metrics in (measure_mixed if options.mixed else measure)(material, repetition).items():
            cells = [f"{metrics[name]:.3f}" if name in metrics else "" for name in METRICS]
            print(f"| {repetition} | {kind} | " + " | ".join(cells) + " |", flush=True)


def measure(material: Material, repetition: int) -> dict[str, dict[str, float]]:
    """Fit three folds and predict what each holds out, in every way."""
    recordings = list(material.recordings.values())
    settings = replace(Settings.from_environment(), seed=repetition)
    counts: dict[str, list[Counts]] = {}
    for number, split in enumerate(splits(recordings, repetition, 0)):
        plan = make_plan(split.training, material.kinds, settings, {})
        trainer = Trainer(plan, material.data.config, settings, Quiet())
        model = trainer.fit(split.training, plan.first_steps(settings.train_epochs), number + 1, "")
        segmenter = trainer.load(model)
        for recording in split.held_out:
            for kind, predict in ways().items():
                found = predict(segmenter, recording)
                counts.setdefault(kind, []).append(count(recording, found, plan.tolerance))
    classes = evaluated_classes(material.kinds, recordings)
    metrics = {kind: compute_metrics(add(each), classes) for kind, each in counts.items()}
    return {kind: {name: float(value) for name, value in each.items()} for kind, each in metrics.items()}


class EverySecondAtHalf:
    """A source in which recordings of even numbers have half the rate: every second row of their files."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def fetch(self, value: Any, *, task_id: int | None = None) -> bytes | str | dict[str, Any]:
        """The file, or half of its rows."""
        found = self._source.fetch(value, task_id=task_id)
        if (task_id or 0) % 2 or not isinstance(found, bytes):
            return found
        header, *rows = found.splitlines(keepends=True)
        return b"".join([header, *rows[::2]])


def measure_mixed(material: Material, repetition: int) -> dict[str, dict[str, float]]:
    """Metrics out of fold, each at the rows that were learned from."""
    settings = replace(Settings.from_environment(), seed=repetition)
    data = material.data._replace(source=EverySecondAtHalf(material.data.source))
    found = {"mixed rates, as they are": _out_of_fold(data, settings, lambda marked: (list(marked), []))}
    found["mixed rates, at one"] = _out_of_fold(data, settings, at_common_rate)
    return found


def _out_of_fold(data: TrainingData, settings: Settings, rate: Callable[..., Any]) -> dict[str, float]:
    with mock.patch.object(training.data.recordings, "at_common_rate", rate):
        loaded = data.load(settings)
    plan = make_plan(loaded.recordings, loaded.kinds, settings, {})
    trainer = Trainer(plan, data.config, settings, Quiet())
    scores = cross_validate(trainer, plan.splits, plan.first_steps(settings.train_epochs), "").scores
    return scores.metrics() if scores else {}


def ways() -> dict[str, Callable[[Segmenter, Recording], list[Segment]]]:
    """Ways to predict a recording, by name."""
    found: dict[str, Callable[[Segmenter, Recording], list[Segment]]] = {"as they are": _as_it_is}
    for name, step in RATES.items():
        found[name] = partial(_changed, step=step, mend=False)
        found[f"{name}, resampled"] = partial(_changed, step=step, mend=True)
    return found


def _as_it_is(segmenter: Segmenter, recording: Recording) -> list[Segment]:
    return segmenter.segment(recording.series).segments


def _changed(segmenter: Segmenter, recording: Recording, step: float, *, mend: bool) -> list[Segment]:
    """Segments of a recording read at steps of `step` rows, on its own rows."""
    changed = _read_at(recording.series.values, step)
    fed = resample(changed, 1 / step) if mend else changed
    found = segmenter.segment(Series(fed, TimeAxis.of_rows(len(fed)))).segments
    if mend:
        found = list(at_own_rows(found, 1 / step, len(changed)))
    return list(at_own_rows(found, step, recording.rows))


def _read_at(values: np.ndarray, step: float) -> np.ndarray:  # type: ignore[type-arg]
    """What a sensor of another rate reads: every second row, or values between two rows."""
    if step == round(step):
        return values[:: round(step)]
    rows = np.arange(len(values))
    places = np.arange(0, len(values) - 1, step)
    return np.stack([np.interp(places, rows, column) for column in np.nan_to_num(values).T], axis=1)


if __name__ == "__main__":
    main()
