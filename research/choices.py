"""What choices about recordings are decided by: statistics of values, what the network finds, or both; out of fold.

`python -m research.choices --set NAME --tasks EXPORT.json --label-config CONFIG.xml --rows N`. Cuts of N rows of every
recording are drawn. Two tasks are made of each set: which label has most of a cut's rows (of instants: whether the
last label occurs), and which cuts were spoiled (a dead channel, noise, a clipped channel, lost rows; in all of the
cut or a part). Networks are fitted in three folds and predict what they have not seen; choices are held out by group.
Tasks whose meta.split is `test` are left out.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from research.ablation import Quiet, splits, training_part
from research.compare_peers import Material
from shared.segmentation.choices import describe_recording
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from training.choices import held_out_logits
from training.choices.classifier import fit_temperature, log_softmax, spread_folds
from training.choices.learning import LEAST_RECORDINGS, MOST_FOLDS
from training.data.annotations import Recording
from training.fitting.trainer import Trainer
from training.planning.plan import make_plan

SPOILED = 0.3  # of the cuts
MOST = 0.5  # of a cut's rows that a label must have
Doubles = NDArray[np.float64]


class Cut(NamedTuple):
    """A cut of a recording that is to be told apart. features: those of the values, then those of classes."""

    group: str
    choice: str
    features: Doubles


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print rows of a table."""
    parser = argparse.ArgumentParser(prog="python -m research.choices", description=__doc__.split("\n")[0])
    parser.add_argument("--set", required=True, help="its name in the table")
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--rows", type=int, required=True, help="of a cut")
    parser.add_argument("--cuts", type=int, default=4, help="of each recording (default: 4)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    tasks: dict[str, list[Cut]] = {"what": [], "spoiled": []}
    random = np.random.default_rng(0)
    for segmenter, recordings in fitted(material):
        for recording in recordings:
            for first in random.integers(0, max(1, recording.rows - options.rows), options.cuts).tolist():
                cut = recording.part(first, min(first + options.rows, recording.rows))
                tasks["what"] += described(segmenter, cut, what(cut), cut.series.values)
                spoiled = random.random() < SPOILED
                values = spoil(cut.series.values, random) if spoiled else cut.series.values
                tasks["spoiled"] += described(segmenter, cut, "bad" if spoiled else "good", values)
    for name, cuts in tasks.items():
        for row in rows(f"{options.set}, {name}", cuts, len(material.kinds.range_classes) + _instants(material)):
            print(row, flush=True)


def _instants(material: Material) -> int:
    return 1 + len(material.kinds.instants) if material.kinds.instants else 0


def fitted(material: Material) -> Iterator[tuple[Segmenter, Sequence[Recording]]]:
    """A network for each fold, and what it has not seen."""
    settings = Settings.from_environment()
    for number, split in enumerate(splits(list(material.recordings.values()), 0, 0)):
        plan = make_plan(split.training, material.kinds, settings, {})
        trainer = Trainer(plan, material.data.config, settings, Quiet())
        yield (
            trainer.load(trainer.fit(split.training, plan.first_steps(settings.train_epochs), number + 1, "")),
            (split.held_out),
        )


def what(cut: Recording) -> str:
    """The label with most of the rows, "" where none has; of instants whether the last one is there."""
    if cut.kinds.instants:
        return "some" if any(event.label == cut.kinds.instants[-1] for event in cut.events) else "none"
    counts = Counter({each.label: 0 for each in cut.segments()})
    for each in cut.segments():
        counts[each.label] += each.last - each.first + 1
    label, most = counts.most_common(1)[0] if counts else ("", 0)
    return label if most >= MOST * cut.rows else ""


def spoil(values: Doubles, random: np.random.Generator) -> Doubles:
    """The values with one fault, in all of the rows or a third of them."""
    values = values.copy()
    first = int(random.integers(0, 2 * len(values) // 3))
    rows = slice(None) if random.random() < 0.5 else slice(first, first + len(values) // 3)
    part, channel = values[rows], int(random.integers(values.shape[1]))
    faults: list[Callable[[], Doubles]] = [
        lambda: np.where(np.arange(part.shape[1]) == channel, part[0], part),
        lambda: part + random.normal(size=part.shape) * values.std(axis=0),
        lambda: np.clip(part, *np.quantile(part, (0.2, 0.8), axis=0)),
        lambda: np.where(random.random((len(part), 1)) < 0.3, np.nan, part),
    ]
    values[rows] = faults[int(random.integers(len(faults)))]()
    return values


def described(segmenter: Segmenter, cut: Recording, choice: str, values: Doubles) -> list[Cut]:
    """A cut by its features; none where it has no choice. values: its own, spoiled or not."""
    if not choice:
        return []
    shares = segmenter.probabilities(replace(cut.series, values=values)).mean(axis=0, dtype=float)
    return [Cut(cut.group.split(", row")[0], choice, describe_recording(values, shares))]


def rows(title: str, cuts: Sequence[Cut], classes: int) -> Iterator[str]:
    """A row of the table for each kind of features."""
    counts = Counter(each.choice for each in cuts)
    options = sorted(choice for choice, count in counts.items() if count >= LEAST_RECORDINGS)
    cuts = [each for each in cuts if each.choice in options]
    right = np.array([options.index(each.choice) for each in cuts])
    groups = [each.group for each in cuts]
    every = np.array([each.features for each in cuts])
    statistics, of_classes = every.copy(), every.copy()
    statistics[:, -classes:] = np.nan
    of_classes[:, :-classes] = np.nan
    for name, features in {"statistics": statistics, "classes": of_classes, "both": every}.items():
        logits = held_out_logits(features, right, groups, len(options), classes)
        hits = logits.argmax(axis=1) == right
        folds = spread_folds(groups, right, MOST_FOLDS)
        scores = np.zeros(len(right))
        for fold in range(int(folds.max()) + 1):
            inside = folds == fold
            logs = log_softmax(logits / fit_temperature(logits[~inside], right[~inside]))
            scores[inside] = np.exp(logs[inside]).max(axis=1)
        loss = -log_softmax(logits)[np.arange(len(right)), right].mean()
        commonest = np.bincount(right).max() / len(right)
        measured = " | ".join(f"{each:.3f}" for each in (commonest, hits.mean(), loss, scores.mean()))
        yield f"| {title} | {len(cuts)} of {len(set(groups))} | {len(options)} | {name} | {measured} |"


if __name__ == "__main__":
    main()
