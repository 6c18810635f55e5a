"""How many fits of a run are those of the run before: `python -m benchmarks.unchanged_fits`. Nothing is fitted.

Recordings of 4,000 to 6,000 rows are added one by one, ten times from each number; then five are corrected in turn. A
run with one schedule has four fits: three folds, and all recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.settings import Settings
from tests.support.synthetic import LABELS, draw_ranges
from training.data.annotations import AnnotatedSeries, Recording, choose_label_kinds, label_rows
from training.fitting.fit_input import FitInput
from training.planning.plan import make_plan

COUNTS = (5, 20, 80, 300)
ADDED, CORRECTED = 10, 5


def main() -> None:
    """Count, print the table."""
    print("| recordings | additions that leave a fit as it was | corrections that do |\n|---|---|---|")
    for count in COUNTS:
        added, corrected = unchanged(count)
        print(f"| {count} | {sum(added)} of {ADDED} | {sum(corrected)} of {CORRECTED} |", flush=True)


def unchanged(count: int) -> tuple[list[int], list[int]]:
    """Unchanged fits after each addition, and after each correction of the last state."""
    random = np.random.default_rng(count)
    recordings = [draw(number, int(random.integers(4000, 6000))) for number in range(count + ADDED)]
    before, folds = fits(recordings[:count], {})
    added, corrected = [], []
    for size in range(count + 1, count + ADDED + 1):
        now, folds = fits(recordings[:size], folds)
        added.append(len(now & before))
        before = now
    for number in range(CORRECTED):
        labels = recordings[number].labels.copy()
        labels[:30] = 1
        some = [*recordings[:number], replace(recordings[number], labels=labels), *recordings[number + 1 :]]
        corrected.append(len(fits(some, folds)[0] & before))
    return added, corrected


def draw(number: int, rows: int) -> Recording:
    """A recording with ranges."""
    values, segments = draw_ranges(np.random.default_rng(number), rows)
    name = f"task {number}"
    marked = AnnotatedSeries(str(number), name, name, Series(values, TimeAxis.of_rows(rows)), (tuple(segments),))
    return label_rows(marked, choose_label_kinds([marked], LABELS), "background", 0)


def fits(recordings: Sequence[Recording], folds: Mapping[str, int]) -> tuple[set[str], Mapping[str, int]]:
    """Digests of the fits of a run's first schedule, and the folds of the groups."""
    settings = Settings()
    plan = make_plan(recordings, recordings[0].kinds, settings, folds)
    inputs, steps = FitInput(plan, settings, "cpu"), plan.first_steps(settings.train_epochs)
    splits = [inputs.digest(split.training, steps, number + 1) for number, split in enumerate(plan.splits)]
    return {*splits, inputs.digest(plan.recordings, steps, 0)}, plan.folds


if __name__ == "__main__":
    main()
