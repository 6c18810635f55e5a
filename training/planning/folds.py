"""Which recordings are held out together: groups ► folds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.data.annotations import Recording

MOST_FOLDS = 3  # more cost a fit each and change the metrics little


def class_sizes_by_group(recordings: Sequence[Recording]) -> dict[str, NDArray[np.float64]]:
    """How much of each class a group holds: float64 [classes] as Recording.class_sizes gives it, summed."""
    found: dict[str, NDArray[np.float64]] = {}
    for recording in recordings:
        found[recording.group] = found.get(recording.group, np.zeros(1)) + recording.class_sizes()
    return found


def assign_folds(class_sizes: Mapping[str, NDArray[np.float64]], previous: Mapping[str, int]) -> dict[str, int]:
    """A fold for every group, min(3, groups) of them, each class spread over them as evenly as greedy choice gets.

    Groups named in `previous` keep their fold, so that metrics of two versions compare; a fold that would stay empty
    starts all afresh.
    """
    count = min(MOST_FOLDS, len(class_sizes))
    kept = {group: fold for group, fold in previous.items() if group in class_sizes and fold < count}
    if count - len(set(kept.values())) > len(class_sizes) - len(kept):
        kept = {}
    totals = np.maximum(sum(class_sizes.values(), np.zeros_like(next(iter(class_sizes.values())))), 1e-9)
    shares = {group: amount / totals for group, amount in class_sizes.items()}
    held = np.zeros((count, len(totals)))
    sizes = np.zeros(count, int)
    for group, fold in kept.items():
        held[fold] += shares[group]
        sizes[fold] += 1
    waiting = sorted((group for group in shares if group not in kept), key=lambda group: (-shares[group].max(), group))
    folds = dict(kept)
    for position, group in enumerate(waiting):
        empty = [fold for fold in range(count) if sizes[fold] == 0]
        allowed = empty if len(empty) >= len(waiting) - position else range(count)
        costs = [(float((held[fold] * shares[group]).sum()), int(sizes[fold]), fold) for fold in allowed]
        fold = min(costs)[2]
        folds[group] = fold
        held[fold] += shares[group]
        sizes[fold] += 1
    return folds


@dataclass(frozen=True, slots=True)
class Split:
    """One fit of the evaluation: what it learns from and what it is evaluated on."""

    training: tuple[Recording, ...]
    held_out: tuple[Recording, ...]


def split_by_fold(recordings: Sequence[Recording], folds: Mapping[str, int]) -> list[Split]:
    """For every fold, the recordings of the other folds and its own."""
    splits = []
    for fold in sorted(set(folds.values())):
        inside = tuple(recording for recording in recordings if folds[recording.group] == fold)
        outside = tuple(recording for recording in recordings if folds[recording.group] != fold)
        splits.append(Split(outside, inside))
    return splits


def evaluable(splits: Iterable[Split]) -> list[Split]:
    """Splits without held-out recordings that nobody looked at; without those that then hold nothing out."""
    found = [
        replace(each, held_out=tuple(recording for recording in each.held_out if not recording.machine_made))
        for each in splits
    ]
    return [each for each in found if each.held_out]


def merge_groups(recordings: Sequence[Recording]) -> list[Recording]:
    """Every recording as a group of its own."""
    return [replace(recording, group=recording.key) for recording in recordings]
