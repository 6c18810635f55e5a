"""Annotated recordings of several sampling rates at the one that most of them have, with their annotations.

What it is worth: research/resampled_recordings.py --mixed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from shared.doubts import Doubt
from shared.labelling.regions import UnclearRegion
from shared.segmentation.known_recordings import GROSS_STEP, log_step, rate_doubt
from shared.segmentation.resampling import at_own_rows, can_resample, resampled
from training.data.annotations import AnnotatedSeries, OwnRows


def at_common_rate(marked: Sequence[AnnotatedSeries]) -> tuple[list[AnnotatedSeries], list[tuple[str, Doubt]]]:
    """The recordings, those whose rate is 1.5 times that of most or more (or less) resampled; doubts, by recording.

    Nothing changes where a recording has no times of constant step: what is predicted is not resampled then, either.
    """
    steps = [log_step(each.series) for each in marked]
    known = sorted(step for step in steps if step is not None)
    if len(known) < len(marked):
        return list(marked), []
    common = known[(len(known) - 1) // 2]
    found: list[AnnotatedSeries] = []
    doubts: list[tuple[str, Doubt]] = []
    for each, step in zip(marked, steps, strict=True):
        ratio = float(np.exp(common - (step or 0.0)))
        if abs(np.log(ratio)) <= GROSS_STEP:
            found.append(each)
            continue
        possible = can_resample(each.series.values, ratio)
        outcome = "it was resampled to theirs" if possible else "it was learned as it is"
        doubts.append((each.name, rate_doubt(ratio, float(np.exp(common)), outcome, "most recordings")))
        found.append(_resampled(each, ratio) if possible else each)
    return found, doubts


def _resampled(marked: AnnotatedSeries, ratio: float) -> AnnotatedSeries:
    series = resampled(marked.series, ratio)
    return replace(
        marked,
        series=series,
        layers=tuple(tuple(at_own_rows(layer, 1 / ratio, series.rows)) for layer in marked.layers),
        unclear=tuple(_unclear(layer, ratio, series.rows) for layer in marked.unclear),
        own_rows=OwnRows(ratio, marked.series.rows),
    )


def _unclear(regions: Iterable[UnclearRegion], ratio: float, rows: int) -> tuple[UnclearRegion, ...]:
    def moved(row: int | None) -> int | None:
        return None if row is None else min(round(row / ratio), rows - 1)

    return tuple(each._replace(first=moved(each.first), last=moved(each.last)) for each in regions)
