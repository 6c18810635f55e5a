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
    split_in_parts,
)
from training.planning.recipe import Recipe, recipe_for

How = Literal["out-of-fold", "by-recording", "optimistic", "not judged"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fitted and how it is evaluated.

    folds: of each group, {} where parts of a recording are held out. halves: splits of two recordings into halves,
    evaluated as well: what a model finds in a recording that it has seen the other half of.
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
    halves: tuple[Split, ...] = ()

    def most_steps(self, epochs: int) -> int:
        """Steps in `epochs` passes over the training windows, at least one."""
        windows = sum(self.shape.windows(recording.rows) for recording in self.recordings)
        return max(1, epochs * windows // self.recipe.batch)

    def first_steps(self, epochs: int) -> int:
        """Steps of the first schedule: by the number of training rows, within bounds and `epochs`."""
        rows = sum(recording.rows for recording in self.recordings)
        recipe = self.recipe
        early = min(rows / recipe.rows_per_early_step, recipe.enough_steps)
        wanted = int(np.clip(rows / recipe.rows_per_step, max(early, recipe.least_steps), recipe.most_steps))
        return min(wanted, self.most_steps(epochs))


def make_plan(recordings: Sequence[Recording], kinds: LabelKinds, settings: Settings, folds: Mapping[str, int]) -> Plan:
    """Folds by group; by recording where there are fewer than two groups; parts of the recording where there is one."""
    recipe = recipe_for(kinds)
    shape = choose_shape(settings.sequence_size, recipe.most_fit_rows, recordings, kinds)
    notes: list[str] = []
    how: How = "out-of-fold"
    recordings = list(recordings)
    groups = {recording.group for recording in recordings}
    if len(groups) < min(len(recordings), 3):
        recordings, how = merge_groups(recordings), "by-recording"
        notes.append(f"Only {len(groups)} groups for {len(recordings)} recordings: held out by recording instead.")
    assigned: dict[str, int] = {}
    if len(recordings) > 1:
        assigned = assign_folds(class_sizes_by_group(recordings), folds)
        splits = split_by_fold(recordings, assigned)
    else:
        splits, how = split_in_parts(recordings, shape.window), "optimistic"
        notes.append("Only one recording: evaluated on held-out parts of it, which is optimistic.")
    splits = evaluable(splits)
    if not splits:
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
        halves=tuple(evaluable(split_in_parts(recordings, shape.window, 2))) if len(recordings) == 2 else (),
    )
