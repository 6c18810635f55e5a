"""Whether what a card says of few recordings holds on others: intervals, work saved, withheld models, scores.

`python -m research.honesty draw --tasks EXPORT.json --label-config CONFIG.xml --name NAME --cache FOLDER` draws 3, 5
and 10 recordings, predicts them out of fold (the first schedule of a run) and all others by a model of the drawn ones,
and does the same (out of fold only) with labels exchanged between recordings: whole tracks, cyclically shifted. What
it predicted stays in the folder; `python -m research.honesty table --cache FOLDER` prints the tables. Tasks whose
meta.split is `test` are left out. Every recording is a group of its own, so that drawn and other recordings are alike.
"""

import argparse
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from research.ablation import Quiet, training_part
from research.compare_peers import Material
from research.honesty_tables import Draw, exchange, print_tables
from shared.settings import Settings
from training.fitting.trainer import ALL_RECORDINGS, Trainer
from training.judging.cross_validation import cross_validate
from training.judging.evaluate import HeldOutPrediction, predict
from training.planning.folds import merge_groups
from training.planning.plan import make_plan


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and predict, or print the tables."""
    parser = argparse.ArgumentParser(prog="python -m research.honesty", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    drawing = verbs.add_parser("draw", help="draw recordings, fit, predict")
    drawing.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    drawing.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    drawing.add_argument("--name", required=True, help="of the set, in the tables")
    drawing.add_argument("--draws", default="0-19", help="numbers of the first and the last draw (default: 0-19)")
    drawing.add_argument("--counts", default="3,5,10", help="recordings drawn; too many: all (default: 3,5,10)")
    drawing.add_argument("--cache", type=Path, required=True, help="folder for what was predicted")
    printing = verbs.add_parser("table", help="print the tables")
    printing.add_argument("--cache", type=Path, required=True, help="folder for what was predicted")
    options = parser.parse_args(arguments)
    if options.verb == "table":
        print_tables(options.cache)
        return
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    first, last = map(int, options.draws.split("-"))
    for number in range(first, last + 1):
        for count in map(int, options.counts.split(",")):
            for exchanged in (False, True):
                file = options.cache / f"{options.name}-{count}-{number}-{'exchanged' if exchanged else 'true'}.pickle"
                if not file.exists():
                    found = draw(material, options.name, count, number, exchanged=exchanged)
                    file.write_bytes(pickle.dumps(found))
                    print(file.name, flush=True)


def draw(material: Material, name: str, count: int, number: int, *, exchanged: bool) -> Draw:
    """One draw: what is predicted out of fold, and of the recordings that were not drawn."""
    random = np.random.default_rng([count, number])
    recordings = merge_groups(list(material.recordings.values()))
    order = random.permutation(len(recordings)).tolist()
    drawn = [recordings[index] for index in order[:count]]
    if exchanged:
        drawn = exchange(drawn, random)
    settings = replace(Settings.from_environment(), seed=number)
    plan = make_plan(drawn, material.kinds, settings, {})
    trainer = Trainer(plan, material.data.config, settings, Quiet())
    steps = plan.first_steps(settings.train_epochs)
    found = cross_validate(trainer, plan.splits, steps, "")
    others: list[HeldOutPrediction] = []
    if not exchanged:
        model = found.applied_to(trainer.fit(plan.recordings, steps, ALL_RECORDINGS, ""))
        others = predict(trainer.load(model), [recordings[index] for index in order[count:]])
    return Draw(name, count, number, exchanged, plan.tolerance, material.kinds, list(found.predictions), others)


if __name__ == "__main__":
    main()
