"""Work that predictions save a labeller, counted for one recording.

W = 1 − (3 · drawn + corrected + deleted) / (3 · true): a segment that was not predicted is drawn, which costs three
times as much as to correct its label or a border, or to delete one that is not there. Predicting nothing saves nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DRAWING = 3.0  # times the work of a correction: two borders and a label
KEPT = 0.5  # least intersection over union of a segment of the right label that is left as it is
CORRECTED = 0.1  # … of one that is worth moving a border of, or relabelling

Doubles = NDArray[np.float64]
Run = tuple[int, int, int]  # first row, last row, label


def work_on_ranges(true: Sequence[Run], predicted: Sequence[Run]) -> Doubles:
    """Segments drawn, corrected and deleted, and true ones: float64 [4]. Runs are in order, those of one side apart."""
    overlaps = _overlaps(true, predicted)
    same = [pair for pair in overlaps if pair[0] >= KEPT and true[pair[1]][2] == predicted[pair[2]][2]]
    kept = _one_to_one(same, set(), set())
    matched_true, matched = {i for i, _ in kept}, {j for _, j in kept}
    corrected = _one_to_one([pair for pair in overlaps if pair[0] >= CORRECTED], matched_true, matched)
    drawn = len(true) - len(kept) - len(corrected)
    return np.array([drawn, len(corrected), len(predicted) - len(kept) - len(corrected), len(true)], float)


def work_on_events(crossed: Doubles) -> Doubles:
    """The same for instants, from their confusion: crossed [1 + labels, 1 + labels], 0 is nothing there."""
    matched = crossed[1:, 1:]
    relabelled = matched.sum() - np.trace(matched)
    return np.array([crossed[1:, 0].sum(), relabelled, crossed[0, 1:].sum(), crossed[1:].sum()])


def work_saved(work: Doubles) -> Doubles:
    """W of sums of such counts, [..., 4]; NaN where nothing is true."""
    drawn, corrected, deleted, true = np.moveaxis(work, -1, 0)
    return np.asarray(1 - (DRAWING * drawn + corrected + deleted) / np.where(true > 0, DRAWING * true, np.nan))


def kappa(rows: Doubles, head_sizes: Sequence[int]) -> Doubles:
    """Cohen's kappa of confusions, [..., classes, classes]; of several heads, chance is that within each head."""
    total = rows.sum(axis=(-2, -1))
    true, predicted = rows.sum(axis=-1), rows.sum(axis=-2)
    expected, first = np.zeros_like(total), 0
    for size in head_sizes:
        part = slice(first, first + size)
        inside = true[..., part].sum(axis=-1)
        by_chance = (true[..., part] * predicted[..., part]).sum(axis=-1)
        expected = expected + by_chance / np.where(inside > 0, inside, 1)
        first += size
    agreed = np.trace(rows, axis1=-2, axis2=-1)
    return np.asarray((agreed - expected) / np.where(total > expected, total - expected, np.nan))


def place_evenly(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` of these rows at equal distances."""
    places = (np.arange(count) + 0.5) * len(rows) / max(count, 1)
    return rows[places.astype(np.int64)]


def _overlaps(true: Sequence[Run], predicted: Sequence[Run]) -> list[tuple[float, int, int]]:
    """Intersection over union of each true and predicted run that meet, and their numbers; largest first."""
    found, i, j = [], 0, 0
    while i < len(true) and j < len(predicted):
        one, other = true[i], predicted[j]
        shared = min(one[1], other[1]) - max(one[0], other[0]) + 1
        if shared > 0:
            found.append((shared / (max(one[1], other[1]) - min(one[0], other[0]) + 1), i, j))
        if one[1] <= other[1]:
            i += 1
        else:
            j += 1
    return sorted(found, key=lambda each: (-each[0], each[1], each[2]))


def _one_to_one(pairs: Sequence[tuple[float, int, int]], used_true: set[int], used: set[int]) -> list[tuple[int, int]]:
    """Pairs in this order whose runs are in none before, nor among the used ones."""
    used_true, used = set(used_true), set(used)
    found = []
    for _, i, j in pairs:
        if i not in used_true and j not in used:
            used_true.add(i)
            used.add(j)
            found.append((i, j))
    return found
