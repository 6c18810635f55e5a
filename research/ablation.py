"""Why the recipe is what it is: variants of it, cross-validated on training recordings only.

`python -m research.ablation --tasks EXPORT.json --label-config CONFIG.xml`. Tasks whose meta.split is `test` are left
out. Every repetition partitions the groups of recordings again into three folds, or draws `--recordings` of them to fit
on and evaluates on the rest; it is the same for all variants, and so are its seeds. Shown are means over
repetitions, and the paired difference from what is shipped with its standard error. Repetitions share
recordings: errors are too small.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from research.compare_peers import Material, read_material
from research.variants import INSTANTS, RANGES, Variant
from shared.settings import Settings
from training.data.annotations import Recording
from training.fitting.trainer import Trainer
from training.judging.cross_validation import HeldOutPredictions
from training.judging.evaluate import HeldOutPrediction, decode
from training.planning.decoding_parameters import learn_heads
from training.planning.folds import Split, split_by_fold
from training.planning.plan import make_plan

METRICS = ("accuracy", "macro_f1", "segment_f1_50", "event_f1", "min_class_f1", "event_time_error_rows")
BASE = "as shipped"
FOLDS = 3
Metrics = dict[str, float]


class Quiet:
    """Progress of fits that nobody watches."""

    def begin(self, what: str, steps: int) -> None:
        """A fit begins."""

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        """It goes on."""

    def taken(self, what: str) -> None:
        """It was made before."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--recordings", type=int, default=0, help="fit on as many drawn groups only; default: 2 of 3")
    parser.add_argument("--repetitions", type=int, default=3, help="partitions or draws (default: 3)")
    parser.add_argument("--variants", help="names, separated by commas (default: all)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    variants = RANGES if material.kinds.ranges else INSTANTS
    names = [BASE, *options.variants.split(",")] if options.variants else list(variants)
    if unknown := set(names) - set(variants):
        raise SystemExit(f"{', '.join(sorted(unknown))}: not one of {', '.join(variants)}")
    found = {}
    for name in names:
        found[name] = [
            measure(variants[name], material, repetition, options.recordings)
            for repetition in range(options.repetitions)
        ]
        print(row(name, found[name], found[BASE]), file=sys.stderr, flush=True)
    shown = [name for name in METRICS if name in found[BASE][0]]
    print("| variant | " + " | ".join(f"{name} | d" for name in shown) + " |")
    print("|---|" + "---|---|" * len(shown))
    for name in names:
        print(row(name, found[name], found[BASE]))


def training_part(tasks: Path, xml: Path) -> Material:
    """The export without the tasks that others are evaluated on."""
    kept = [each for each in json.loads(tasks.read_bytes()) if each.get("meta", {}).get("split") != "test"]
    whole = read_material(tasks, xml)
    if len(kept) == len(whole.raw):
        return whole
    with TemporaryDirectory() as folder:
        export = Path(folder) / "tasks.json"
        export.write_text(json.dumps([whole.raw[str(each["id"])] for each in kept]))
        return read_material(export, xml)


def measure(variant: Variant, material: Material, repetition: int, drawn: int) -> Metrics:
    """Metrics of one variant in one repetition, pooled over held-out recordings."""
    recordings = list(material.recordings.values())
    settings = replace(Settings.from_environment(), seed=repetition, **variant.settings)
    with variant.applied():
        held_out = HeldOutPredictions()
        for number, split in enumerate(splits(recordings, repetition, drawn)):
            plan = variant.plan(make_plan(split.training, material.kinds, settings, {}))
            trainer = Trainer(plan, material.data.config, settings, Quiet())
            steps = max(1, round(variant.steps * plan.first_steps(settings.train_epochs)))
            if variant.networks == "folds":
                held_out.predictions += averaged(trainer, split, steps, number)
            else:
                model = trainer.fit(split.training, steps, number + 1, "")
                held_out.add(trainer, model, split.held_out, number)
        evaluation = held_out.evaluation(plan, steps)
        return evaluation.scores.metrics() if evaluation.scores else {}


def splits(recordings: Sequence[Recording], repetition: int, drawn: int) -> list[Split]:
    """Three folds of the groups, or `drawn` groups and the rest."""
    groups = sorted({each.group for each in recordings})
    order = np.random.default_rng(repetition).permutation(len(groups))
    if not drawn:
        return split_by_fold(recordings, {groups[group]: place % FOLDS for place, group in enumerate(order)})
    chosen = {groups[group] for group in order[:drawn]}
    inside = tuple(each for each in recordings if each.group in chosen)
    return [Split(inside, tuple(each for each in recordings if each.group not in chosen))]


def averaged(trainer: Trainer, split: Split, steps: int, number: int) -> list[HeldOutPrediction]:
    """Held-out recordings by the mean of three networks, each fitted without a third of the training recordings."""
    segmenters = []
    for fold, inner in enumerate(splits(split.training, number, 0)):
        model = trainer.fit(inner.training, steps, FOLDS * (number + 1) + fold, "")
        segmenters.append(trainer.load(model.without_event_expert()))
    heads = learn_heads(split.training, split.training[0].kinds)
    found = []
    for recording in split.held_out:
        every = [segmenter.probabilities(recording.series) for segmenter in segmenters]
        mean = np.asarray(np.mean(every, axis=0), np.float32)
        found.append(HeldOutPrediction(recording, number, heads, mean, tuple(decode(heads, mean))))
    return found


def row(name: str, found: Sequence[Metrics], base: Sequence[Metrics]) -> str:
    """A line of the table: mean, and difference from the base ± its standard error over repetitions."""
    cells = [name]
    for figure in (each for each in METRICS if each in base[0]):
        differences = np.array([one[figure] - other[figure] for one, other in zip(found, base, strict=True)])
        error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else float("nan")
        cells.append(f"{np.mean([each[figure] for each in found]):.3f}")
        cells.append("" if name == BASE else f"{differences.mean():+.3f} ({error:.3f})")
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
