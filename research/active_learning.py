"""Does it help to label the recordings first that a model is least sure of?

`python -m research.active_learning --tasks EXPORT.json --label-config CONFIG.xml`. A third of the groups of the
training recordings (tasks whose meta.split is not `test`) is held out. From START drawn recordings on, networks are
fitted on what is labelled; each order then adds the recording of the lowest score, by each TASK_SCORE, or any. Shown is
macro F1 on the held-out recordings, as a mean over repetitions, and the paired difference from any order.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from research.ablation import Quiet, splits, training_part
from research.compare_peers import Material
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings, TaskScore
from training.data.annotations import Recording
from training.fitting.trainer import ALL_RECORDINGS, Trainer
from training.judging.evaluate import predict, score
from training.planning.folds import Split
from training.planning.plan import make_plan

START = 3  # recordings: with fewer, scores mean nothing
MOST = 8
ANY = "any order"
ORDERS: tuple[str, ...] = (ANY, *get_args(TaskScore))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.active_learning", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--repetitions", type=int, default=4, help="partitions, each with its own start (default: 4)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    found: dict[str, list[list[float]]] = {name: [] for name in ORDERS}
    for repetition in range(options.repetitions):
        split = splits(list(material.recordings.values()), repetition, 0)[0]
        for name in ORDERS:
            found[name].append(label(split, name, material, repetition))
            shown = " ".join(f"{each:.3f}" for each in found[name][-1])
            print(f"repetition {repetition}, {name}: {shown}", file=sys.stderr, flush=True)
    print("| recordings labelled | " + " | ".join(str(START + step) for step in range(len(found[ANY][0]))) + " |")
    print("|---|" + "---|" * len(found[ANY][0]))
    base = np.array(found[ANY])
    for name in ORDERS:
        values = np.array(found[name])
        gain, error = (values - base).mean(axis=0), (values - base).std(axis=0, ddof=1) / np.sqrt(len(values))
        cells = [f"{mean:.3f}" for mean in values.mean(axis=0)]
        if name != ANY:
            cells = [f"{cell} {g:+.3f} ({e:.3f})" for cell, g, e in zip(cells, gain, error, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |")


def label(split: Split, order: str, material: Material, repetition: int) -> list[float]:
    """Macro F1 after each recording that is labelled in this order."""
    random = np.random.default_rng(repetition)
    waiting = [split.training[place] for place in random.permutation(len(split.training))]
    labelled, waiting = waiting[:START], waiting[START:]
    found = []
    while True:
        segmenter = fitted(labelled, material, repetition)
        predictions = predict(segmenter, split.held_out)
        found.append(score(predictions, material.kinds, 1.0).metrics()["macro_f1"])
        if not waiting or len(labelled) == MOST:
            return found
        chosen = 0 if order == ANY else least_sure(segmenter, waiting, order)
        labelled.append(waiting.pop(chosen))


def fitted(recordings: Sequence[Recording], material: Material, seed: int) -> Segmenter:
    """A model of these recordings; nothing is held out, so that its scores are uncalibrated."""
    settings = replace(Settings.from_environment(), seed=seed)
    plan = make_plan(recordings, material.kinds, settings, {})
    trainer = Trainer(plan, material.data.config, settings, Quiet())
    return trainer.load(trainer.fit(recordings, plan.first_steps(settings.train_epochs), ALL_RECORDINGS, ""))


def least_sure(segmenter: Segmenter, waiting: Sequence[Recording], order: str) -> int:
    """Place of the recording that the model scores lowest."""
    kind = next(each for each in get_args(TaskScore) if each == order)
    return int(np.argmin([segmenter.segment(each.series, task_score=kind).score for each in waiting]))


if __name__ == "__main__":
    main()
