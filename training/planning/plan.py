"""What is fitted and how it is evaluated: shape of windows, recipe, and which recordings are held out together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared.settings import Settings
from training.data.annotations import LabelKinds, Recording, event_tolerance
from training.planning.decoding_parameters import Shape, choose_shape
from training.planning.folds import (
    Split,
    assign_folds,
    class_sizes_by_group,
    evaluable,
    merge_groups,
    split_by_fold,
)
from training.planning.recipe import Recipe, recipe_for

How = Literal["out-of-fold", "by-recording", "not judged"]
LENGTHS = 4  # of a first schedule in each doubling: one more recording seldom changes it, and so repeats fewer fits
LEAST_EVALUATED = 3  # recordings: what one or two say of each other is no metric of a model


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fitted and how it is evaluated.

    how: "not judged" of fewer than three recordings; two are held out all the same, to choose steps and decoding.
    folds: of each group, {} of a single recording.
    """

    recordings: tuple[Recording, ...]
    kinds: LabelKinds
    shape: Shape
    recipe: Recipe
    splits: tuple[Split, ...]
    how: How
    folds: Mapping[str, int]
    tolerance: float
    notes: tuple[str, ...]

    def most_steps(self, epochs: int) -> int:
        """Steps in `epochs` passes over the training windows, at least one."""
        windows = sum(self.shape.windows(recording.rows) for recording in self.recordings)
        return max(1, epochs * windows // self.recipe.batch)

    def first_steps(self, epochs: int) -> int:
        """Steps of the first schedule: by the number of training rows, within bounds and `epochs`."""
        rows = sum(recording.rows for recording in self.recordings)
        recipe = self.recipe
        least, most = recipe.least_steps, recipe.most_steps
        doublings = np.log2(np.clip(rows / recipe.rows_per_step, least, most) / least)
        wanted = int(min(least * 2 ** (round(float(doublings) * LENGTHS) / LENGTHS), most))
        return min(wanted, self.most_steps(epochs))


def make_plan(recordings: Sequence[Recording], kinds: LabelKinds, settings: Settings, folds: Mapping[str, int]) -> Plan:
    """Folds by group; by recording where there are too few groups."""
    recipe = recipe_for(kinds)
    shape = choose_shape(settings.sequence_size, recipe.most_fit_rows, recordings, kinds)
    notes: list[str] = []
    how: How = "out-of-fold"
    recordings = list(recordings)
    groups = {recording.group for recording in recordings}
    if len(groups) < min(len(recordings), 3):
        recordings, how = merge_groups(recordings), "by-recording"
        notes.append(f"Only {len(groups)} groups for {len(recordings)} recordings: held out by recording instead.")
    several = len(recordings) > 1
    assigned = assign_folds(class_sizes_by_group(recordings), folds) if several else {}
    splits = evaluable(split_by_fold(recordings, assigned))
    if sum(len(split.held_out) for split in splits) < LEAST_EVALUATED:
        how = "not judged"
    return Plan(
        recordings=tuple(recordings),
        kinds=kinds,
        shape=shape,
        recipe=recipe,
        splits=tuple(splits),
        how=how,
        folds=assigned,
        tolerance=event_tolerance(recordings),
        notes=tuple(notes),
    )
