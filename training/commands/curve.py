"""`python -m training curve`: score against the number of recordings. Is labelling more worth it?

Networks are fitted on 1, 2, 4, 8 … groups of recordings. As in a run, every recording is held out once: each fold's
networks learn from groups of the other folds only, so all points share the evaluated recordings. Draws are nested:
what a smaller number holds, a larger one holds too. Each fit has one schedule, as long as its rows ask for.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
import numpy as np
import torch

from shared.errors import TrainingDataError
from shared.labelling.label_config import LabelConfig
from shared.quoting import quoted
from shared.settings import Settings
from shared.store.learning_curve import LearningCurve, Point, keep_curve
from shared.store.opening import open_storage
from training.commands.source import add_source, check_source, of_one_series, read_source
from training.data.annotations import Recording
from training.fitting.trainer import Trainer
from training.judging.cross_validation import HeldOutPredictions
from training.judging.evaluate import LEAST_GROUPS, Scores, draw_groups, resample, score
from training.judging.metrics import compute_metrics
from training.judging.references import serving_heads
from training.planning.decoding_parameters import choose_shape
from training.planning.plan import Plan, make_plan

CRITERION = "macro_f1"  # unlike balanced accuracy it counts false alarms of instants
MATTERS = 0.02  # of macro F1: two seeds differ by as much
SHOWN = {
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "segment_f1_50": "segment F1@50",
    "event_f1": "event F1",
}

log = logging.getLogger("training")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `curve`."""
    add_source(parser)
    parser.add_argument("--json", action="store_true", help="write the curve to stdout as JSON instead of a table")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Measure, print and store the curve of a project. Returns 0."""
    check_source(arguments, "curve")
    torch.set_num_threads(1)  # fits go on side by side instead: TRAIN_THREADS
    project = arguments.project or 0
    storage = open_storage(settings.model_dir, settings.new_store)
    whole = read_source(arguments, settings, storage)
    data = of_one_series(whole, arguments.series)
    loaded = data.load(settings, serving_heads(storage, project, data.config))
    plan = make_plan(loaded.recordings, loaded.kinds, settings, {})
    curve = measure(plan, data.config, settings, [*data.notes, *loaded.notes])
    if whole.config.others:
        verdict = f"Of the series {quoted(data.config.to_name)}: {curve.verdict}"
        curve = msgspec.structs.replace(curve, verdict=verdict)
    keep_curve(storage, project, curve)
    text = json.dumps(msgspec.to_builtins(curve), indent=1) if arguments.json else "\n".join(table(curve))
    sys.stdout.write(text + "\n")
    return 0


@dataclass(frozen=True, slots=True)
class _Measured:
    point: Point
    scores: Scores


class _FitLog:
    """Logs which fit begins."""

    def begin(self, what: str, steps: int) -> None:
        log.info("Fitting %s: %d steps.", what, steps)

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        """Fits are short."""

    def taken(self, what: str) -> None:
        """A curve takes no fits of earlier runs."""


def measure(plan: Plan, config: LabelConfig, settings: Settings, notes: Sequence[str] = ()) -> LearningCurve:
    """Fit and evaluate every number of groups. Raises TrainingDataError with fewer than three evaluated recordings."""
    if plan.how == "not judged":
        raise TrainingDataError("A curve needs three annotated recordings or more: annotate more, then measure it.")
    orders = [draw_order(split.training, settings.seed) for split in plan.splits]
    measured = [_measure(count, orders, plan, config, settings) for count in counts(min(map(len, orders)))]
    return LearningCurve(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        recordings=len(plan.recordings),
        groups=len(plan.folds),
        points=tuple(each.point for each in measured),
        verdict=_verdict(measured),
        notes=(*plan.notes, *notes),
    )


def counts(most: int) -> list[int]:
    """1, 2, 4, 8 … and `most`."""
    return sorted({*(2**power for power in range(most.bit_length()) if 2**power <= most), most})


def draw_order(recordings: Sequence[Recording], seed: int) -> list[list[Recording]]:
    """Groups in the order in which they are drawn, each with its recordings."""
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.group, []).append(recording)
    names = sorted(groups)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(names))
    return [groups[names[index]] for index in order]


def _measure(
    count: int, orders: Sequence[Sequence[Sequence[Recording]]], plan: Plan, config: LabelConfig, settings: Settings
) -> _Measured:
    held_out = HeldOutPredictions()
    recordings, steps = [], []
    for index, (order, split) in enumerate(zip(orders, plan.splits, strict=True)):
        drawn = tuple(recording for group in order[:count] for recording in group)
        shape = choose_shape(settings.sequence_size, plan.recipe.most_fit_rows, drawn, plan.kinds)
        part = replace(plan, recordings=drawn, shape=shape)
        trainer = Trainer(part, config, settings, _FitLog())
        recordings.append(len(drawn))
        steps.append(part.first_steps(settings.train_epochs))
        what = f"{len(drawn)} recordings, fold {index + 1} of {len(plan.splits)}"
        model = trainer.fit(drawn, steps[-1], index + 1, what)
        held_out.add(trainer, model, split.held_out, index)
    scores = score(held_out.evaluation(plan, steps[-1]).predictions, plan.kinds, plan.tolerance)
    point = Point(
        groups=count,
        recordings=float(np.mean(recordings)),
        steps=float(np.mean(steps)),
        estimates=scores.estimates(),
    )
    return _Measured(point, scores)


def _verdict(measured: Sequence[_Measured]) -> str:
    """What the last doubling or so gained, against its standard error over the same resampled recordings."""
    last = measured[-1]
    before = next((each for each in reversed(measured) if 2 * each.point.groups <= last.point.groups), None)
    if before is None or len(last.scores.groups) < LEAST_GROUPS:
        return "Too few recordings to measure whether labelling more is worth it: measure again with three or more."
    draws = draw_groups(len(last.scores.groups))
    classes = last.scores.classes
    many, few = (
        compute_metrics(resample(each.scores.group_counts, draws), classes)[CRITERION] for each in (last, before)
    )
    gain = last.scores.metrics().get(CRITERION, 0.0) - before.scores.metrics().get(CRITERION, 0.0)
    error = float(np.nanstd(many - few)) if not np.isnan(many - few).all() else float("inf")
    return say(gain, error, before.point, last.point)


def say(gain: float, error: float, before: Point, last: Point) -> str:
    """Is labelling more worth it? gain: of macro F1 between the two points; error: its standard error."""
    change = f"from {before.recordings:.3g} to {last.recordings:.3g} recordings macro F1 changed by {gain:+.3f}"
    change += f" ± {error:.3f}"
    if gain >= MATTERS and gain > 2 * error:
        return f"Labelling more is worth it: {change}; the next doubling should bring part of that again."
    if gain + 2 * error < MATTERS:
        return f"Labelling more of the same is hardly worth it: {change}."
    return f"It is not clear yet whether labelling more is worth it: {change}, which may be chance."


def table(curve: LearningCurve) -> list[str]:
    """Lines for a terminal."""
    shown = {name: title for name, title in SHOWN.items() if any(name in each.estimates for each in curve.points)}
    lines = [
        f"Evaluated on {curve.recordings} recordings, each by models that had not seen it.",
        "recordings  " + "  ".join(f"{title:>17}" for title in shown.values()),
    ]
    for point in curve.points:
        cells = []
        for name in shown:
            found = point.estimates.get(name)
            error = f" ± {found.standard_error:.3f}" if found and found.standard_error is not None else ""
            cells.append(f"{f'{found.value:.3f}{error}' if found else '–':>17}")
        lines.append(f"{point.recordings:>10.3g}  " + "  ".join(cells))
    return [*lines, curve.verdict, *(f"Note: {note}" for note in curve.notes)]
