"""What a stream loses against whole recordings, by latency: cross-validated.

`python -m research.streaming --tasks EXPORT.json --label-config CONFIG.xml`. Tasks of meta.split `test` are left out.
Held-out recordings are predicted whole, and row by row as they would come; both by the models of the same folds.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from research.ablation import Quiet, splits, training_part
from research.compare_peers import Material
from shared.labelling.segments import Segment
from shared.segmentation.segmenter import Segmenter
from shared.segmentation.streaming import Latency, SegmentStream
from shared.settings import Settings
from training.data.annotations import Recording
from training.fitting.trainer import Trainer
from training.judging.cross_validation import cross_validate
from training.judging.evaluate import evaluated_classes
from training.judging.metrics import Counts, add, compute_metrics, count
from training.planning.plan import make_plan

METRICS = ("balanced_accuracy", "macro_f1", "segment_f1_50", "event_f1")
SHARES = (1.0, 0.5, 0.25, 0.125)  # of the most latency that a stream can use
MOST = 1 << 30  # rows: as many as a stream can use


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.streaming", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--repetitions", type=int, default=1, help="partitions into three folds (default: 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    print("| repetition | predicted | latency (rows) | " + " | ".join(METRICS) + " |")
    print("|---|---|---|" + "---|" * len(METRICS))
    for repetition in range(options.repetitions):
        for (kind, rows), metrics in measure(material, repetition).items():
            cells = [f"{metrics[name]:.3f}" if name in metrics else "" for name in METRICS]
            print(f"| {repetition} | {kind} | {rows} | " + " | ".join(cells) + " |", flush=True)


def measure(material: Material, repetition: int) -> dict[tuple[str, str], dict[str, float]]:
    """Evaluate three folds, and predict what each holds out whole and as streams. Latency: of the folds' models."""
    recordings = list(material.recordings.values())
    settings = replace(Settings.from_environment(), seed=repetition)
    folds = splits(recordings, repetition, 0)
    plan = make_plan(recordings, material.kinds, settings, {})
    trainer = Trainer(plan, material.data.config, settings, Quiet())
    evaluation = cross_validate(trainer, folds, plan.first_steps(settings.train_epochs), "")
    segmenters = [trainer.load(model) for model in evaluation.models]
    found: dict[tuple[str, str], list[Counts]] = {}
    for share in (None, *SHARES):
        latencies = [_latency(segmenter, share) for segmenter in segmenters]
        least, most = min(latencies), max(latencies)
        shown = f"{least}" if least == most else f"{least} to {most}"
        name = ("whole", "") if share is None else (f"stream, {share:.0%} of the most", shown)
        for split, segmenter in zip(folds, segmenters, strict=True):
            for recording in split.held_out:
                segments = (
                    segmenter.segment(recording.series).segments
                    if share is None
                    else streamed(segmenter, recording, _latency(segmenter, share))
                )
                found.setdefault(name, []).append(count(recording, segments, plan.tolerance))
    classes = evaluated_classes(material.kinds, recordings)
    metrics = {name: compute_metrics(add(each), classes) for name, each in found.items()}
    return {name: {key: float(value) for key, value in each.items()} for name, each in metrics.items()}


def _latency(segmenter: Segmenter, share: float | None) -> int:
    most = Latency.of_model(segmenter.card, MOST)
    return max(round((share or 1.0) * most.rows), most.stride)


def streamed(segmenter: Segmenter, recording: Recording, latency: int) -> list[Segment]:
    """Segments of a recording that comes in ten parts."""
    stream = SegmentStream(segmenter, Latency.of_model(segmenter.card, latency))
    found: list[Segment] = []
    for part in np.array_split(recording.series.values, 10):
        found += stream.add(part)
    return [*found, *stream.finish()]


if __name__ == "__main__":
    main()
