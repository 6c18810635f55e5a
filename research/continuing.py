"""May a network continue from that of the run before, instead of starting over?

`python -m research.continuing --tasks EXPORT.json --label-config CONFIG.xml`. From START groups of recordings on,
groups are added one by one, as a labeller would. Folds keep their recordings. After each addition every fold's network
is fitted from scratch, continued from its own last network (1/8 of the steps, a third of the rate, statistics as they
were), or fitted from scratch in 1/8 of the steps. Shown is macro F1 on what the folds hold out, and the paired
difference from scratch. A network continues only where `may_continue` allows it, else it starts from scratch.
"""

import argparse
import copy
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from research.ablation import Quiet, training_part
from research.compare_peers import Material
from shared.lineage import LearnedRecording
from shared.settings import Settings
from training.data.annotations import Recording
from training.fitting.batches import TrainingSet
from training.fitting.doubtful_recordings import leave_out_doubtful
from training.fitting.experts import fit_event_expert, fit_experts
from training.fitting.fit import _fit_recurrent, _head_weights
from training.fitting.fit_input import content_digest
from training.fitting.trainer import SEEDS, FittedModel, Trainer
from training.judging.cross_validation import HeldOutPredictions
from training.planning.decoding_parameters import learn_heads
from training.planning.folds import Split, assign_folds, class_sizes_by_group, split_by_fold
from training.planning.plan import make_plan
from training.planning.recipe import EVENT_EXPERT, EXPERTS

START = 5  # groups
SHARE = 8  # of the steps that a continued network gets
RATE = 3.0  # times lower
SCRATCH, CONTINUED, SHORT = "from scratch", "continued", f"from scratch, 1/{SHARE} of the steps"
WAYS = (SCRATCH, CONTINUED, SHORT)


@dataclass(frozen=True)
class Taught:
    """A network, and all that it or an ancestor learned from."""

    model: FittedModel
    lineage: frozenset[LearnedRecording]


def learned(recordings: Sequence[Recording]) -> frozenset[LearnedRecording]:
    """Recordings as lineages name them."""
    return frozenset(
        LearnedRecording(task=each.key, group=each.group, content=content_digest(each)) for each in recordings
    )


def may_continue(
    lineage: Collection[LearnedRecording],
    training: Collection[LearnedRecording],
    held_out: Collection[LearnedRecording],
) -> bool:
    """Whether a network may learn on and be evaluated on `held_out` as if it had never seen it.

    All that it or an ancestor learned from must be taught again as it was: nothing held out by now, deleted, corrected,
    withdrawn or in another group. And nothing of it may be held out under another name.
    """
    taught = {each.content for each in lineage}
    return set(lineage) <= set(training) and not taught & {each.content for each in held_out}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.continuing", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--additions", type=int, default=3, help="groups that are added (default: 3)")
    parser.add_argument("--repetitions", type=int, default=3, help="orders and seeds (default: 3)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for repetition in range(options.repetitions):
        for way, values in grow(material, repetition, options.additions).items():
            found[way].append(values)
    print("| way | " + " | ".join(f"{START + 1 + step} groups" for step in range(options.additions)) + " | mean |")
    print("|---|" + "---|" * (options.additions + 1))
    base = np.array(found[SCRATCH])
    for way in WAYS:
        measured = np.array(found[way])
        both = np.concatenate([measured, measured.mean(axis=1, keepdims=True)], axis=1)
        gains = both - np.concatenate([base, base.mean(axis=1, keepdims=True)], axis=1)
        errors = gains.std(axis=0, ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.zeros(gains.shape[1])
        cells = [
            f"{mean:.3f}" + (f" {gain:+.3f} ({error:.3f})" if way != SCRATCH else "")
            for mean, gain, error in zip(both.mean(axis=0), gains.mean(axis=0), errors, strict=True)
        ]
        print(f"| {way} | " + " | ".join(cells) + " |")


def grow(material: Material, repetition: int, additions: int) -> dict[str, list[float]]:
    """Macro F1 of each way after each addition."""
    everything = list(material.recordings.values())
    groups = sorted({each.group for each in everything})
    order = [groups[place] for place in np.random.default_rng(repetition).permutation(len(groups))]
    settings = replace(Settings.from_environment(), seed=repetition)
    folds: Mapping[str, int] = {}
    before: list[Taught] = []
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for count in range(START, START + additions + 1):
        inside = [each for each in everything if each.group in order[:count]]
        folds = assign_folds(class_sizes_by_group(inside), folds)
        splits = split_by_fold(inside, folds)
        plan = make_plan(inside, material.kinds, settings, folds)
        trainer = Trainer(plan, material.data.config, settings, Quiet())
        steps = plan.first_steps(settings.train_epochs)
        if not before:
            before = [_scratch(trainer, split, steps, number) for number, split in enumerate(splits)]
            continue
        continued = []
        for way in WAYS:
            held_out, began = HeldOutPredictions(), time.process_time()
            for number, split in enumerate(splits):
                if way == CONTINUED and may_continue(
                    before[number].lineage, learned(split.training), learned(split.held_out)
                ):
                    taught = _continued(trainer, before[number], split, steps // SHARE, number)
                else:
                    taught = _scratch(trainer, split, steps // SHARE if way == SHORT else steps, number)
                if way == CONTINUED:
                    continued.append(taught)
                held_out.add(trainer, taught.model, split.held_out, number)
            scores = held_out.evaluation(plan, steps).scores
            found[way].append(scores.metrics()["macro_f1"] if scores else 0.0)
            spent = time.process_time() - began
            print(
                f"{repetition}: {count} groups, {way}: {found[way][-1]:.3f}, {spent:.0f} CPU s",
                file=sys.stderr,
                flush=True,
            )
        before = continued
    return found


def _scratch(trainer: Trainer, split: Split, steps: int, number: int) -> Taught:
    return Taught(trainer.fit(split.training, steps, number + 1, ""), learned(split.training))


def _continued(trainer: Trainer, before: Taught, split: Split, steps: int, number: int) -> Taught:
    """The LSTM goes on; its experts, which cost little, are fitted again."""
    plan, statistics = trainer.plan, before.model.statistics
    heads = learn_heads(split.training, plan.kinds)
    seed = trainer.settings.seed * SEEDS + number + 1
    some = leave_out_doubtful(split.training, heads, plan.shape, statistics, plan.recipe, seed)
    data = TrainingSet(some, heads, plan.shape, statistics, plan.recipe)
    torch.manual_seed(seed)
    random = np.random.Generator(np.random.PCG64(seed + len(before.lineage)))
    network = copy.deepcopy(before.model.fit.network)
    weights = [
        _head_weights(data, head, plan.recipe, balanced=trainer.settings.use_class_weights)
        for head in range(len(data.head_classes))
    ]
    recipe = replace(plan.recipe, learning_rate=plan.recipe.learning_rate / RATE)
    _fit_recurrent(network, data, weights, steps, random, recipe, lambda *_: None)
    if network.experts is not None:
        of_ranges = weights[: len(plan.kinds.heads)]
        fit_experts(network.experts, data, of_ranges, random, EXPERTS, EXPERTS.steps, plan.shape.downsampling)
    if network.event_expert is not None:
        fit_event_expert(
            network.event_expert, data, weights[-1], random, EVENT_EXPERT, EVENT_EXPERT.steps, plan.shape.downsampling
        )
    fit = replace(before.model.fit, network=network.eval(), steps=steps)
    return Taught(FittedModel(fit, statistics, heads), before.lineage | learned(split.training))


if __name__ == "__main__":
    main()
