"""What a correction in an open task sets right by itself: suggestions around what a person fixed.

    python -m research.corrections --tasks watch/tasks.json --label-config watch/label_config.xml

Each recording is predicted by a model that has not seen it. A segment is wrong that no predicted one of its label
matches (IoU of at least a half; instants: within the tolerance). A person fixes one of them, the page takes what is
suggested then, and the other segments are counted: how many came right, how many went wrong. And from the first
segment to the last: how many corrections until all are right.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from inference.serving.suggestions import Layout, suggest
from research.ablation import Quiet, splits, training_part
from research.compare_peers import Material
from shared.labelling.label_config import LabelConfig
from shared.labelling.regions import from_regions
from shared.labelling.segments import Segment
from shared.recordings.series import Series
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from training.fitting.trainer import Trainer
from training.judging.cross_validation import cross_validate
from training.planning.plan import make_plan

MOST_FIXES = 12  # of a recording that are tried one by one
LEAST_IOU = 0.5


@dataclass
class Counts:
    """Sums over recordings and fixes."""

    wrong: int = 0  # segments
    fixes: int = 0
    others: int = 0  # other wrong segments, over fixes
    came_right: int = 0
    right: int = 0  # other right segments, over fixes
    went_wrong: int = 0
    corrections: int = 0  # until all segments of every recording are right


@dataclass(frozen=True)
class Draft:
    """What lies in the open task."""

    fixed: tuple[Segment, ...] = ()
    loose: dict[str, Segment] = field(default_factory=dict)
    moved: tuple[Segment, ...] = ()

    @property
    def segments(self) -> list[Segment]:
        """All of it."""
        return [*self.fixed, *self.loose.values()]


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.corrections", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--label-config", type=Path, required=True)
    parser.add_argument("--drawn", type=int, default=0, help="groups of recordings to fit on (default: three folds)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(training_part(options.tasks, options.label_config), options.drawn)
    fixes = max(found.fixes, 1)
    print(f"{found.wrong} wrong segments; {found.fixes} fixed one by one.")
    print(
        f"After each, of {found.others / fixes:.2f} other wrong ones {found.came_right / fixes:.2f} came right, of "
        f"{found.right / fixes:.1f} right ones {found.went_wrong / fixes:.2f} went wrong."
    )
    print(f"Until all were right: {found.corrections} corrections, {found.wrong} without suggestions.")


def measure(material: Material, drawn: int = 0) -> Counts:
    """Fit three folds, or once on `drawn` groups, and correct what each model finds in recordings it has not seen."""
    settings = Settings.from_environment()
    recordings = list(material.recordings.values())
    plan = make_plan(recordings, material.kinds, settings, {})
    config = material.data.config
    trainer = Trainer(plan, config, settings, Quiet())
    folds = splits(recordings, 0, drawn)
    evaluation = cross_validate(trainer, folds, plan.first_steps(settings.train_epochs), "")
    counts = Counts()
    for split, model in zip(folds, evaluation.models, strict=True):
        segmenter = trainer.load(model)
        for recording in split.held_out:
            _correct(segmenter, recording.series, recording.segments(), plan.tolerance, config, counts)
    return counts


def _correct(
    segmenter: Segmenter,
    series: Series,
    true: Sequence[Segment],
    tolerance: float,
    config: LabelConfig,
    counts: Counts,
) -> None:
    found = segmenter.segment(series).segments
    start = Draft(loose={str(place): each for place, each in enumerate(found)})
    wrong = _wrong(true, start.segments, tolerance)
    counts.wrong += len(wrong)
    for place in wrong[:MOST_FIXES]:
        after = _suggested(segmenter, series, _fixed(start, true[place]), config)
        still = _wrong(true, after.segments, tolerance)
        before, others = set(wrong) - {place}, set(range(len(true))) - set(wrong)
        counts.fixes += 1
        counts.others += len(before)
        counts.came_right += len(before - set(still))
        counts.right += len(others)
        counts.went_wrong += len(others & set(still))
    draft, left = start, wrong
    while left:
        draft = _suggested(segmenter, series, _fixed(draft, true[left[0]]), config)
        counts.corrections += 1
        now = _wrong(true, draft.segments, tolerance)
        left = [each for each in now if true[each] not in draft.fixed]


def _fixed(draft: Draft, segment: Segment) -> Draft:
    """A person resizes what lies there with the right label, or relabels what lies there, or draws."""
    reach = 2 if segment.instant else 0
    near = {
        name: (each.label == segment.label, _iou(each, segment))
        for name, each in draft.loose.items()
        if each.instant == segment.instant and each.first <= segment.last + reach and segment.first <= each.last + reach
    }
    name = max(near, key=lambda each: near[each], default="")
    fixed = (*draft.fixed, segment)
    if not name or not (near[name][0] or segment.instant or near[name][1] >= LEAST_IOU):
        return replace(draft, fixed=fixed)
    loose = {each: some for each, some in draft.loose.items() if each != name}
    return Draft(fixed, loose, (*draft.moved, draft.loose[name]) if near[name][0] else draft.moved)


def _suggested(segmenter: Segmenter, series: Series, draft: Draft, config: LabelConfig) -> Draft:
    """The draft after the page has taken what is suggested."""
    layout = Layout(draft.fixed, draft.loose, (), draft.moved, frozenset(draft.loose))
    found = segmenter.segment(series, given=layout.given).segments
    regions = suggest(found, layout, segmenter.card.heads, series.axis, config)
    loose = dict(draft.loose)
    for region in regions:
        loose[region["id"]] = from_regions([region], series.axis, config).segments[0]
    return replace(draft, loose=loose)


def _wrong(true: Sequence[Segment], found: Sequence[Segment], tolerance: float) -> list[int]:
    """Places of true segments that no found one matches."""
    left = list(found)
    wrong = []
    for place, each in enumerate(true):
        match = next((one for one in left if _matches(each, one, tolerance)), None)
        if match is None:
            wrong.append(place)
        else:
            left.remove(match)
    return wrong


def _matches(true: Segment, found: Segment, tolerance: float) -> bool:
    if (true.label, true.instant) != (found.label, found.instant):
        return False
    if true.instant:
        return abs(true.first - found.first) <= tolerance
    return _iou(true, found) >= LEAST_IOU


def _iou(one: Segment, other: Segment) -> float:
    shared = min(one.last, other.last) - max(one.first, other.first) + 1
    return max(shared, 0) / (max(one.last, other.last) - min(one.first, other.first) + 1)


if __name__ == "__main__":
    main()
