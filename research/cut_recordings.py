"""What is lost when only a part of a recording is there, or two recordings are joined: cross-validated.

`python -m research.cut_recordings --tasks EXPORT.json --label-config CONFIG.xml [--before]`. Tasks whose meta.split is
`test` are left out. The loss is the metric on the same rows when the whole recording is predicted, minus the metric
when only the cut is; five seeded positions a recording, pooled. Pairs are of one group where there are any. `--before`:
decoding and statistics of cards that know neither parts nor pairs, networks fitted on whole recordings only.
`--bound`: also with the annotated borders, labels alone decoded: what better decoding of the same rows could reach.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from msgspec.structs import replace as with_fields

from research.ablation import Quiet, splits, training_part
from research.compare_peers import Material
from shared.labelling.segments import Segment
from shared.model_file.card import Head, RangeHead
from shared.segmentation.label_sequence_prior import prior_for, relabel
from shared.segmentation.scores import log_probabilities
from shared.settings import Settings
from training.data.annotations import Recording, label_runs
from training.fitting.trainer import FittedModel, Trainer
from training.judging.cut_predictions import join
from training.judging.decoding import choose_decoding, decode_with
from training.judging.evaluate import HeldOutPrediction, classes_of, predict, score
from training.judging.metrics import Classes, Counts, add, compute_metrics, count
from training.planning.plan import make_plan

SHARES = (0.75, 0.5, 0.25)
POSITIONS = 5
METRICS = ("accuracy", "macro_f1", "segment_f1_50", "event_f1")


class Predicted(NamedTuple):
    """Held-out predictions of whole recordings, and those of cuts or pairs, each beside the whole ones' keys."""

    whole: list[HeldOutPrediction]
    others: list[tuple[str, HeldOutPrediction, tuple[str, ...]]]
    tolerance: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.cut_recordings", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--repetitions", type=int, default=1, help="partitions into three folds (default: 1)")
    parser.add_argument("--groups", type=int, default=0, help="of the first so many groups only (default: all)")
    parser.add_argument("--before", action="store_true", help="without what parts and joined recordings are given")
    parser.add_argument("--bound", action="store_true", help="also with the annotated borders, of ranges")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = training_part(options.tasks, options.label_config)
    print("| repetition | metric | whole | " + " | ".join(f"{share:.0%}" for share in SHARES) + " | joined |")
    print("|---|---|---|" + "---|" * (1 + len(SHARES)))
    for repetition in range(options.repetitions):
        predicted = measure(material, repetition, options.groups, before=options.before)
        found = metrics_by_kind(predicted)
        for name in METRICS:
            if name in found["whole"]:
                print(row(repetition, name, found), flush=True)
        if options.bound:
            whole = [with_annotated_borders(each) for each in predicted.whole]
            others = [(kind, with_annotated_borders(each), keys) for kind, each, keys in predicted.others]
            found = metrics_by_kind(Predicted(whole, others, predicted.tolerance))
            print(row(repetition, "accuracy, annotated borders", found, "accuracy"), flush=True)


def measure(material: Material, repetition: int, groups: int, *, before: bool) -> Predicted:
    """Fit three folds and predict what each holds out: whole, cut, joined."""
    recordings = list(material.recordings.values())
    chosen = sorted({each.group for each in recordings})[: groups or None]
    recordings = [each for each in recordings if each.group in chosen]
    settings = replace(Settings.from_environment(), seed=repetition)
    whole: list[HeldOutPrediction] = []
    others: list[tuple[str, HeldOutPrediction, tuple[str, ...]]] = []
    tolerance = 1.0
    for number, split in enumerate(splits(recordings, repetition, 0)):
        plan = make_plan(split.training, material.kinds, settings, {})
        tolerance = plan.tolerance
        if before:
            plan = replace(plan, recipe=replace(plan.recipe, parts=0.0))
        trainer = Trainer(plan, material.data.config, settings, Quiet())
        model = trainer.fit(split.training, plan.first_steps(settings.train_epochs), number + 1, "")
        segmenter = trainer.load(as_before(model) if before else model)
        whole += predict(segmenter, split.held_out, number)
        for kind, recording, keys in variations(split.held_out):
            others.append((kind, predict(segmenter, [recording], number)[0], keys))

    def macro_f1(some: Sequence[HeldOutPrediction]) -> float:
        return score(some, material.kinds, tolerance).metrics().get("macro_f1", 0.0)

    decoding, whole = choose_decoding(whole, macro_f1)
    return Predicted(whole, [(kind, decode_with(each, decoding), keys) for kind, each, keys in others], tolerance)


def as_before(model: FittedModel) -> FittedModel:
    """The model under a card that knows neither parts nor joined recordings."""
    return replace(
        model,
        statistics=replace(model.statistics, recording=None),
        heads=tuple(_head_before(head) for head in model.heads),
    )


def _head_before(head: Head) -> Head:
    if not isinstance(head, RangeHead):
        return head
    prior = head.label_sequence_prior
    return with_fields(
        head, sure_rows=(), label_sequence_prior=None if prior is None else with_fields(prior, usual_rows=0)
    )


def variations(recordings: Sequence[Recording]) -> Iterator[tuple[str, Recording, tuple[str, ...]]]:
    """Cuts and pairs, with their kinds and the keys of the recordings that they are made of."""
    for recording in recordings:
        for share in SHARES:
            rows = round(share * recording.rows)
            random = np.random.default_rng([sum(map(ord, recording.key)), round(100 * share)])
            for first in random.integers(0, recording.rows - rows + 1, POSITIONS).tolist():
                yield f"{share:.0%}", recording.part(first, first + rows), (recording.key,)
    for one, other in pairs(recordings):
        yield "joined", join(one, other), (one.key, other.key)


def pairs(recordings: Sequence[Recording]) -> list[tuple[Recording, Recording]]:
    """Two and two of one group; of any where no group has two."""
    found = []
    for group in sorted({each.group for each in recordings}):
        some = [each for each in recordings if each.group == group]
        found += list(pairwise(some))[::2]
    return found or list(pairwise(recordings))[::2]


def metrics_by_kind(predicted: Predicted) -> dict[str, dict[str, float]]:
    """Metrics of whole recordings, of each kind of others ("50%") and of the whole ones on the same rows ("of 50%")."""
    by_key = {each.recording.key: each for each in predicted.whole}
    counts: dict[str, list[Counts]] = {"whole": [count_matches(each, predicted.tolerance) for each in predicted.whole]}
    for kind, each, keys in predicted.others:
        counts.setdefault(kind, []).append(count_matches(each, predicted.tolerance))
        same = counts.setdefault(f"of {kind}", [])
        if len(keys) > 1:
            same += [count_matches(by_key[key], predicted.tolerance) for key in keys]
            continue
        cut, whole = each.recording, by_key[keys[0]]
        first = cut.offset - whole.recording.offset
        same.append(count(cut, clipped(whole.segments, first, first + cut.rows), predicted.tolerance))
    kinds = predicted.whole[0].recording.kinds
    classes = Classes(kinds, np.ones(len(kinds.range_classes) + len(kinds.instants), bool))
    metrics: dict[str, Any] = {name: compute_metrics(add(each), classes) for name, each in counts.items()}
    return {name: {key: float(value) for key, value in each.items()} for name, each in metrics.items()}


def count_matches(prediction: HeldOutPrediction, tolerance: float) -> Counts:
    """Counts of one prediction."""
    return count(prediction.recording, prediction.segments, tolerance)


def clipped(segments: Sequence[Segment], first: int, end: int) -> list[Segment]:
    """What lies within rows `first` to `end` − 1 of segments, counted from `first`."""
    return [
        with_fields(each, first=max(each.first - first, 0), last=min(each.last, end - 1) - first)
        for each in segments
        if each.last >= first and each.first < end
    ]


def with_annotated_borders(prediction: HeldOutPrediction) -> HeldOutPrediction:
    """Segments of the first head with the borders that people set; labels by rows and the label-sequence prior."""
    head = prediction.heads[0]
    if not isinstance(head, RangeHead):
        raise SystemExit("--bound is of ranges, and the first head is one of instants.")
    logs = log_probabilities(classes_of(prediction.heads, 0, prediction.probabilities))
    runs = label_runs(prediction.recording.labels[:, 0])
    means = np.array([logs[first : last + 1].mean(axis=0, dtype=np.float64) for first, last, _ in runs])
    classes = means.argmax(axis=1)
    prior = prior_for(head.label_sequence_prior, prediction.recording.rows, len(runs))
    if prior is not None:
        classes = relabel(means, classes, prior).classes
    segments = [
        Segment(first, last, head.labels[label - 1])
        for (first, last, _), label in zip(runs, classes.tolist(), strict=True)
        if label
    ]
    return replace(prediction, segments=tuple(segments))


def row(repetition: int, name: str, found: dict[str, dict[str, float]], metric: str = "") -> str:
    """A line of the table: the metric on whole recordings, and for each kind what it was and what was lost."""
    metric = metric or name
    cells = [str(repetition), name, f"{found['whole'][metric]:.3f}"]
    for kind in (*(f"{share:.0%}" for share in SHARES), "joined"):
        lost = found[f"of {kind}"][metric] - found[kind][metric]
        cells.append(f"{found[kind][metric]:.3f} ({lost:+.3f})")
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
