"""Are annotation errors found? Errors are planted, a model is trained, and its list of suspects is looked through.

    python -m research.label_errors ../shared/data/{watch,hapt,mitbih_long} --shares 0.05,0.1 --draws 3

Each draw plants errors of four kinds in a share of all segments and cross-validates one schedule. Shown is how many of
the first k suspects are planted ones, k being their number; beside it, what looking at segments at random gives, and
what looking at them task by task gives, the task with the lowest score first.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from research.ablation import Quiet
from research.compare_peers import Material, read_material
from research.planted_errors import PlantedError, plant
from shared.model_file.card import RangeHead
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.scores import TaskScorer
from shared.settings import Settings
from shared.store.report import LabelError
from training.fitting.trainer import Trainer
from training.judging import label_errors
from training.judging.cross_validation import cross_validate
from training.judging.evaluate import HeldOutPrediction, classes_of
from training.planning.plan import make_plan

MANY = 300  # segments from which on 2 % of them are enough to count


class Draw(NamedTuple):
    """Precision at k, of three ways to look. kind: share of found errors whose kind is right. listed: on the page."""

    segments: int
    planted: int
    surest: float
    by_score: float
    random: float
    kind: float
    listed: int
    listed_right: float


def main() -> None:
    """Plant, train, print a table."""
    parser = argparse.ArgumentParser(prog="python -m research.label_errors", description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="tasks.json, label_config.xml, csv/")
    parser.add_argument("--shares", default="0.02,0.05,0.1", help="of all segments; .02 only where there are 300")
    parser.add_argument("--draws", type=int, default=3, help="trainings for each share (default: 3)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| set | segments | planted | draws | surest first | by task score | at random | kind right | listed | right |"
    )
    print("|---" * 10 + "|")
    for folder in options.folders:
        material = read_material(folder / "tasks.json", folder / "label_config.xml")
        count = sum(len(each.segments()) for each in material.recordings.values())
        for share in map(float, options.shares.split(",")):
            if share >= 0.05 or count >= MANY:
                draws = [measure(material, share, seed) for seed in range(options.draws)]
                print(row(folder.name, share, draws), flush=True)


def measure(material: Material, share: float, seed: int) -> Draw:
    """One draw."""
    recordings = list(material.recordings.values())
    count = round(share * sum(len(each.segments()) for each in recordings))
    wrong, planted = plant(recordings, count, seed)
    settings = Settings.from_environment()
    plan = make_plan(wrong, material.kinds, settings, {})
    trainer = Trainer(plan, material.data.config, settings, Quiet())
    found = cross_validate(trainer, plan.splits, plan.first_steps(settings.train_epochs), f"seed {seed}")
    return look(found.predictions, planted, plan.tolerance)


def look(predictions: Sequence[HeldOutPrediction], planted: Sequence[PlantedError], tolerance: float) -> Draw:
    """How many of the first k suspects are planted errors, each counted once."""
    suspects = label_errors.find_label_errors(predictions, tolerance, least=-np.inf)
    hits = [_planted(each, planted, tolerance) for each in suspects]
    count, segments = len(planted), sum(len(each.recording.segments()) for each in predictions)
    first = {number for number in hits[:count] if number is not None}
    right = [suspects[i].kind == planted[n].kind for i, n in enumerate(hits[:count]) if n is not None]
    listed = [number is not None for each, number in zip(suspects, hits, strict=True) if is_listed(each)]
    listed = listed[: label_errors.MOST]
    return Draw(
        segments=segments,
        planted=count,
        surest=len(first) / count,
        by_score=_precision_by_score(predictions, planted),
        random=count / (segments + sum(each.kind == "missing" for each in planted)),
        kind=float(np.mean(right)) if right else 0.0,
        listed=len(listed),
        listed_right=float(np.mean(listed)) if listed else 0.0,
    )


def is_listed(error: LabelError) -> bool:
    """Whether the page would show it, if there were room."""
    return error.log_odds >= label_errors.LEAST_LOG_ODDS


def _planted(suspect: LabelError, planted: Sequence[PlantedError], tolerance: float) -> int | None:
    """Number of the error that a suspect is: half of the shorter one in common, or as near as an event may be."""
    for number, error in enumerate(planted):
        if error.key != suspect.task:
            continue
        rows = min(error.last, suspect.last) - max(error.first, suspect.first) + 1
        shorter = min(error.last - error.first, suspect.last - suspect.first) + 1
        if rows > -tolerance if suspect.instant else rows >= shorter / 2:
            return number
    return None


def _precision_by_score(predictions: Sequence[HeldOutPrediction], planted: Sequence[PlantedError]) -> float:
    """Looking at all segments of the task with the lowest score first, and at the missing ones in their places."""
    items: list[bool] = []
    for prediction in sorted(predictions, key=_score):
        own = [each for each in planted if each.key == prediction.recording.key]
        places = [(each.first, True) for each in own]
        touched = [(each.first, each.last) for each in own if each.kind != "missing"]
        for segment in prediction.recording.segments():
            if not any(segment.first <= last + 1 and segment.last >= first - 1 for first, last in touched):
                places.append((segment.first, False))
        items += [wrong for _, wrong in sorted(places)]
    return float(np.mean(items[: len(planted)]))


def _score(prediction: HeldOutPrediction) -> float:
    """Of the task, by the default of `TASK_SCORE`, before calibration."""
    scores = []
    for index, head in enumerate(prediction.heads):
        decoder = RangeDecoder(head) if isinstance(head, RangeHead) else InstantDecoder(head)
        scorer = TaskScorer(Settings().task_score, head)
        probabilities = classes_of(prediction.heads, index, prediction.probabilities)
        decoder.add(probabilities)
        scorer.add(probabilities)
        scores.append(scorer.score(decoder.finish(), decoder))
    return float(np.mean(scores))


def row(name: str, share: float, draws: Sequence[Draw]) -> str:
    """A line of the table: means over the draws."""
    shares = [
        f"{np.mean([getattr(each, field) for each in draws]):.2f}" for field in ("surest", "by_score", "random", "kind")
    ]
    listed = f"{np.mean([each.listed for each in draws]):.0f} | {np.mean([each.listed_right for each in draws]):.2f}"
    planted = f"{draws[0].planted} ({share:.0%})"
    return f"| {name} | {draws[0].segments} | {planted} | {len(draws)} | {' | '.join(shares)} | {listed} |"


if __name__ == "__main__":
    main()
