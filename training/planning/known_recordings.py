"""How far from the training recordings a recording may be before its answer is doubted: learned by leaving each out."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.model_file.card import KnownRecordings
from shared.recordings.series import Series
from shared.segmentation.known_recordings import (
    GROSS_GAIN,
    GROSS_LENGTH,
    GROSS_LEVEL,
    GROSS_MISSING,
    GROSS_SHIFT,
    GROSS_STEP,
    MAX_SWAPPABLE,
    Description,
    describe,
    level_shifts,
    outlying_shares,
    scale_shifts,
    swap_gains,
)
from shared.segmentation.normalisation import missing

# On all five sets (research/unlike_recordings.py, 10 recordings known): 3 % of held-out recordings are doubted, and of
# those changed on purpose 99 % of another scale, all of another rate or with a constant channel, 90 % with two swapped.
FACTOR = 1.5  # of the largest distance of a training recording from the rest
# distances that recordings of one kind have, where these have less
LEAST_STEP, LEAST_SHIFT, LEAST_GAIN, LEAST_LENGTH, LEAST_MISSING = 0.18, 0.3, 0.2, float(np.log(4)), 0.2
LEAST_OUTLYING = 0.01  # of a channel's rows: fewer are glitches, which change little
LEAST_LEVEL = 3.0  # spreads of a recording
DISTINCT = 0.8  # of the recordings must be caught if two channels are swapped; others are too similar for a doubt
MANY = 10  # recordings; of fewer the largest distance says less: the factor grows with the square root
ENOUGH = 5  # recordings; with fewer only what is gross is doubted
Doubles = NDArray[np.float64]
PROFILE_SPREAD = np.array([0.2, 0.2, 0.1, 0.1])  # of features between recordings of one kind, added to what they show
CORRELATION_SPREAD = 0.15


def learn_known_recordings(recordings: Sequence[Series], *, timed: bool) -> KnownRecordings:
    """What recordings look like. timed: their times are those of a column."""
    found = [describe(series, timed=timed) for series in recordings]
    gaps = [missing(series.values) for series in recordings]
    steps = np.array([each.log_step for each in found if each.log_step is not None])
    varied = ~np.any([each.constant for each in found], axis=0)
    known = _summary(found, varied)
    enough = len(found) >= ENOUGH
    shifts: Doubles = np.zeros((1, 3))
    rests = [known] * len(found)
    if len(found) > 1:
        rests = [_summary([*found[:place], *found[place + 1 :]], varied) for place in range(len(found))]
    if enough:
        shifts = np.array(
            [
                scale_shifts(each.scales, np.asarray(rest.scales), ~varied)
                for each, rest in zip(found, rests, strict=True)
            ]
        )
    off_level = [
        level_shifts(each.levels, np.asarray(rest.levels), np.asarray(rest.scales[1]))[varied].max(initial=0.0)
        for each, rest in zip(found, rests, strict=True)
    ]
    level_limit = FACTOR * max(*(float(each) for each in off_level), LEAST_LEVEL)
    distinct, swap_limit = _swaps(found, rests, enough=enough) if known.profile_mean and len(found) > 1 else ((), 0.0)
    rows = np.log([series.rows for series in recordings])
    lacking = max(float(each.mean()) for each in gaps)
    by_channel = np.max([each.mean(axis=0) for each in gaps], axis=0)
    factor = _factor(len(found))
    furthest = shifts.max(axis=0)
    measure = int(furthest.argmin()) if enough else None
    steady = len(steps) == len(found)
    off = float(np.abs(steps - np.median(steps)).max()) if steady else 0.0
    return KnownRecordings(
        recordings=len(found),
        rows=(min(series.rows for series in recordings), max(series.rows for series in recordings)),
        length_limit=FACTOR * max(float(np.ptp(rows)), LEAST_LENGTH)
        if enough
        else FACTOR * float(np.ptp(rows)) + GROSS_LENGTH,
        missing_share=lacking,
        missing_limit=max(FACTOR * max(lacking, LEAST_MISSING), 0.0 if enough else GROSS_MISSING),
        channel_missing_limits=tuple(np.maximum(FACTOR * by_channel, GROSS_MISSING).tolist()),
        outlying_limit=max(
            LEAST_OUTLYING, FACTOR * max(float(outlying_shares(each.values).max(initial=0.0)) for each in recordings)
        ),
        terminated=not any(doubt.kind == "unterminated" for series in recordings for doubt in series.doubts),
        log_step=float(np.median(steps)) if steady else None,
        step_limit=FACTOR * max(off, LEAST_STEP) if enough else max(GROSS_STEP, FACTOR * off),
        varied=tuple(varied.tolist()),
        filled=tuple(np.any([~each.all(axis=0) for each in gaps], axis=0).tolist()),
        scales=known.scales,
        levels=known.levels,
        level_limit=level_limit if enough else max(level_limit, GROSS_LEVEL),
        scale_measure=measure,
        scale_limit=factor * max(float(furthest[measure]), LEAST_SHIFT) if measure is not None else GROSS_SHIFT,
        profile_mean=known.profile_mean,
        profile_std=known.profile_std,
        correlation_mean=known.correlation_mean,
        correlation_std=known.correlation_std,
        distinct=distinct,
        swap_limit=swap_limit,
    )


def _factor(recordings: int) -> float:
    """Of the largest distance of so many recordings from the rest."""
    return FACTOR * max(1.0, float(np.sqrt(MANY / recordings)))


def _swaps(
    found: Sequence[Description], rests: Sequence[KnownRecordings], *, enough: bool
) -> tuple[tuple[tuple[int, int], ...], float]:
    """Pairs of channels that the others distinguish in each recording, and the gain of a swap that is doubted."""
    gains = np.array([swap_gains(each, rest) for each, rest in zip(found, rests, strict=True)])
    limits = (
        _factor(len(found)) * np.maximum(gains.max(axis=0), LEAST_GAIN)
        if enough
        else np.full(gains.shape[1:], GROSS_GAIN)
    )
    caught = (-gains > limits).mean(axis=0)
    pairs = [
        (int(i), int(j)) for i, j in zip(*np.triu_indices(len(limits), 1), strict=True) if caught[i, j] >= DISTINCT
    ]
    return tuple(pairs), max((float(limits[pair]) for pair in pairs), default=0.0)


def _summary(found: Sequence[Description], varied: NDArray[np.bool_]) -> KnownRecordings:
    """Medians, means and deviations of some recordings, without limits."""
    scales = np.median([each.scales for each in found], axis=0)
    channels = len(varied)
    known = KnownRecordings(
        recordings=len(found),
        rows=(0, 0),
        missing_share=0.0,
        varied=tuple(varied.tolist()),
        filled=(True,) * channels,
        scales=_rows(scales),
        scale_limit=0.0,
        levels=tuple(np.median([each.levels for each in found], axis=0).tolist()),
    )
    if not (1 < channels <= MAX_SWAPPABLE and varied.all()):
        return known
    profiles = np.array([each.profiles for each in found])
    correlations = np.array([each.correlations for each in found])
    return replace(
        known,
        profile_mean=_rows(profiles.mean(axis=0)),
        profile_std=_rows(np.sqrt(profiles.var(axis=0) + np.square(PROFILE_SPREAD))),
        correlation_mean=_rows(correlations.mean(axis=0)),
        correlation_std=_rows(np.sqrt(correlations.var(axis=0) + CORRELATION_SPREAD**2)),
    )


def _rows(table: Doubles) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(cell), 6) for cell in row) for row in table)
