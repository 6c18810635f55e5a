"""What recordings look like in a few numbers, and whether one is unlike those that a model learned from.

Compared are the sampling rate, the length, the share of missing cells, the scale of the values, which channels vary,
and which channel is which. Training
learns the limits (training/planning/known_recordings.py); how often they are right: research/unlike_recordings.py.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.model_file.card import KnownRecordings
from shared.quoting import quoted
from shared.recordings.series import Series
from shared.segmentation.normalisation import absurd_cells, missing, usual_limits
from shared.segmentation.recording_doubts import empty_channels

SAMPLE_BLOCKS, SAMPLE_ROWS = 8, 256  # rows that are looked at: a recording's own, or evenly spaced blocks of it
MAX_SWAPPABLE = 24  # channels; pairs grow with their square
GROSS_STEP, GROSS_SHIFT, GROSS_GAIN = float(np.log(1.5)), float(np.log(5)), 0.5  # where little is known
GROSS_LENGTH, GROSS_MISSING, GROSS_LEVEL = float(np.log(10)), 0.5, 10.0
MOST_RATIO = 16.0  # of sampling rates, either way: beyond, times are in another unit
LEVEL_SHARE = 0.05
PART = 0.75  # of the shortest known recording: a shorter one is a part, which shows less
CONSTANT_STEP = 0.1  # share of the median step of time that most steps differ by at most
WORST = 9.0  # squared deviation that a feature counts for at most: one odd feature must not decide
TINY = 1e-300

Doubles = NDArray[np.float64]


class Description(NamedTuple):
    """One recording. scales: logarithms of RMS, spread and spread of steps [3, channels]; profiles [channels, 4]."""

    log_step: float | None  # logarithm of the median step of time; None without times of constant step
    lacking: Doubles  # [channels], share of missing cells
    constant: NDArray[np.bool_]  # [channels], those without values among them
    levels: Doubles  # [channels], means
    scales: Doubles
    profiles: Doubles
    correlations: Doubles  # [channels, channels], Fisher's z


def describe(series: Series, *, timed: bool, outlying: bool = True) -> Description:
    """Look at a recording. timed: its times are those of a column. outlying: it may hold absurd values."""
    values = np.array(_sample(series.values).T, order="C")  # a copy [channels, rows]: numpy is faster along rows
    rows = max(values.shape[1], 1)
    odd: NDArray[np.bool_] = missing(values)
    lacking: Doubles = odd.mean(axis=1)
    if outlying:
        low, high = usual_limits(values.T)
        odd |= (values < low[:, None]) | (values > high[:, None])
    count: Doubles = np.full(len(values), float(rows))
    if odd.any():
        values[odd] = 0.0
        count = np.maximum(rows - odd.sum(axis=1), 1.0)
    mean = values.sum(axis=1) / count
    square = np.einsum("cr,cr->c", values, values) / count
    around = values - mean[:, None]
    around[odd] = 0.0
    spread = np.sqrt(np.einsum("cr,cr->c", around, around) / count)
    constant = spread <= 1e-9 * np.maximum(np.abs(mean), TINY)
    unit = around / np.where(constant, 1.0, spread)[:, None]
    lagged = np.clip(np.einsum("cr,cr->c", unit[:, 1:], unit[:, :-1]) / rows, -0.999, 0.999)
    skew = np.tanh(np.einsum("cr,cr,cr->c", unit, unit, unit) / rows / 2)
    rms = np.sqrt(square)
    log_rms, log_spread = np.log(rms + TINY), np.log(spread + TINY)
    log_steps = log_spread + 0.5 * np.log(2 * (1 - lagged))
    profiles = np.stack([log_rms, np.arctanh(lagged), skew, mean / (rms + TINY)], axis=1)
    correlations = np.arctanh(np.clip(unit @ unit.T / rows, -0.99, 0.99))
    scales = np.stack([log_rms, log_spread, log_steps])
    return Description(log_step(series) if timed else None, lacking, constant, mean, scales, profiles, correlations)


def log_step(series: Series) -> float | None:
    """Logarithm of the median step of time; None without times of constant step."""
    steps = np.diff(series.axis.times[: SAMPLE_BLOCKS * SAMPLE_ROWS])
    if not len(steps):
        return None
    low, middle, high = np.quantile(steps, [0.05, 0.5, 0.95])
    steady = middle > 0 and steps.min() > 0 and high - low <= CONSTANT_STEP * middle
    return float(np.log(middle)) if steady else None


def outlying_shares(values: Doubles) -> Doubles:
    """Share of the rows of each channel that statistics leave out as absurd: [channels]."""
    _, places = absurd_cells(values)
    shares: Doubles = np.bincount(places, minlength=values.shape[1]) / max(len(values), 1)
    return shares


def scale_shifts(scales: Doubles, known: Doubles, constant: NDArray[np.bool_]) -> Doubles:
    """How far each measure of scale lies from the known one, by the median channel that varies: [3]."""
    shifts = (scales - known)[:, ~constant]
    return np.abs(np.median(shifts, axis=1)) if shifts.shape[1] else np.zeros(len(scales))


def level_shifts(levels: Doubles, known: Doubles, log_spreads: Doubles) -> Doubles:
    """How far the mean of each channel lies from the known one: [channels].

    In spreads of a recording, widened by a share of the level, as another gain moves both.
    """
    shifts: Doubles = np.abs(levels - known) / (np.exp(log_spreads) + LEVEL_SHARE * np.abs(known))
    return shifts


def swap_gains(found: Description, known: KnownRecordings) -> Doubles:
    """How much better two channels fit each other's places than their own (mean squared deviations).

    [channels, channels], symmetric; −∞ on the diagonal.
    """
    mean, std, z_mean, z_std = (
        np.asarray(table)
        for table in (known.profile_mean, known.profile_std, known.correlation_mean, known.correlation_std)
    )
    channels = len(mean)
    profile = _deviations(found.profiles[:, None] - mean, std).sum(axis=2)  # [channel, place it is put to]
    with_other = _deviations(found.correlations[:, None] - z_mean, z_std)  # [channel, place, other channel]
    total = profile + with_other.sum(axis=2)
    i, j = np.triu_indices(channels, 1)

    def misfit(channel: NDArray[np.int64], place: NDArray[np.int64]) -> Doubles:
        found: Doubles = total[channel, place] - with_other[channel, place, i] - with_other[channel, place, j]
        return found

    gains: Doubles = np.full((channels, channels), -np.inf)
    gains[i, j] = misfit(i, i) + misfit(j, j) - misfit(j, i) - misfit(i, j)
    gains[j, i] = gains[i, j]
    return gains / (2 * mean.shape[1] + 2 * (channels - 2))


def reading_doubts(series: Series, known: KnownRecordings | None) -> list[Doubt]:
    """What was doubted while a recording was read: a missing last line break only if all known ones have theirs."""
    terminated = known is not None and known.terminated
    return [doubt for doubt in series.doubts if terminated or doubt.kind != "unterminated"]


def other_rate(series: Series, known: KnownRecordings) -> float | None:
    """The sampling rate over that of the known recordings, where it lies outside; None where it does not."""
    found = log_step(series)
    if known.log_step is None or found is None or abs(known.log_step - found) <= known.step_limit:
        return None
    return float(np.exp(known.log_step - found))


def rate_doubt(times: float, step: float, outcome: str, others: str = "the training recordings") -> Doubt:
    """The doubt about another sampling rate. step: of time, of the others; outcome: what becomes of the recording."""
    return Doubt(
        kind="sampling-rate",
        sentence=f"The sampling rate is {times:.3g} times that of {others} (a step of time is "
        f"{step / times:.3g}, it was {step:.3g}): {outcome}{'' if outcome.endswith('?') else '.'}",
    )


def unlike_doubts(
    series: Series, known: KnownRecordings, channels: Sequence[str], *, timed: bool, outlying: bool = True
) -> Iterator[Doubt]:
    """Doubts about a recording that is unlike the known ones; timed, outlying: as `describe` takes them."""
    found = describe(series, timed=timed, outlying=outlying)
    times = other_rate(series, known) if timed else None
    if times is not None:
        unit = "" if 1 / MOST_RATIO <= times <= MOST_RATIO else "; are its times in another unit?"
        yield rate_doubt(times, float(np.exp(known.log_step or 0.0)), f"durations learned do not fit{unit}")
    yield from _length(series.rows, known)
    if outlying and known.outlying_limit is not None:
        yield from _outlying(outlying_shares(series.values), known.outlying_limit, channels)
    varied = np.asarray(known.varied)
    empty: list[int] = []
    still: list[int] = []
    if (found.constant & varied).any():
        empty = empty_channels(series.values)
        places = [place for place in np.flatnonzero(found.constant & varied).tolist() if place not in empty]
        still = [place for place in places if _constant(series, place)]
    yield from _missing_cells(series, known, found.lacking, empty, channels)
    for place in still:
        yield Doubt(
            kind="constant-channel",
            sentence=f"Channel {quoted(channels[place])} is {_first(series.values[:, place]):.6g} throughout, but "
            "varies in each training recording.",
        )
    shifts = scale_shifts(found.scales, np.asarray(known.scales), found.constant | ~varied)
    shift = float(shifts[known.scale_measure] if known.scale_measure is not None else shifts.min())
    part = series.rows < PART * known.rows[0]
    if shift > (max(known.scale_limit, GROSS_SHIFT) if part else known.scale_limit):
        yield Doubt(
            kind="value-range",
            sentence=f"The values are {np.exp(shift):.3g} times as large or as small as those of the training "
            "recordings: another unit or range of the sensor?",
        )
    if known.levels and not part:
        yield from _levels(found, known, channels, [*still, *empty])
    if known.distinct and not still and not empty and not part:
        yield from _swapped_channels(found, known, channels)


def _length(rows: int, known: KnownRecordings) -> Iterator[Doubt]:
    shortest, longest = known.rows
    if known.length_limit is None or not shortest:
        return
    times = float(np.exp(known.length_limit))
    if rows * times < shortest or rows > times * longest:
        yield Doubt(
            kind="length",
            sentence=f"The recording has {rows} rows, far {'fewer' if rows < shortest else 'more'} than the training "
            f"recordings ({shortest} to {longest}): how good answers are at this length is not known.",
        )


def _outlying(shares: Doubles, limit: float, channels: Sequence[str]) -> Iterator[Doubt]:
    worst = int(shares.argmax())
    if shares[worst] > limit:
        yield Doubt(
            kind="value-range",
            sentence=f"{shares[worst]:.1%} of the values of channel {quoted(channels[worst])} lie far beyond all "
            "others, more than in the training recordings.",
            share=float(shares[worst]),
        )


def _missing_cells(
    series: Series, known: KnownRecordings, lacking: Doubles, empty: Sequence[int], channels: Sequence[str]
) -> Iterator[Doubt]:
    """A doubt about cells without a value, in channels that have some. lacking: the shares in the sample."""
    if known.missing_limit is None:
        return
    filled = [place for place in range(len(lacking)) if place not in empty and known.filled[place]]
    limits = known.channel_missing_limits or (1.0,) * len(lacking)
    shares = {place: _missing_share(series, [place]) for place in filled if lacking[place] > limits[place]}
    over = {place: share for place, share in shares.items() if share > limits[place]}
    if len(over) < len(filled):
        for place, share in over.items():
            yield Doubt(
                kind="missing-cells",
                sentence=f"{share:.1%} of the cells of channel {quoted(channels[place])} hold no value, far more than "
                "in the training recordings.",
                share=share,
            )
    others = [place for place in filled if place not in over] if len(over) < len(filled) else filled
    if not others or lacking[others].mean() <= known.missing_limit:
        return
    share = _missing_share(series, others)
    if share > known.missing_limit:
        yield Doubt(
            kind="missing-cells",
            sentence=f"{share:.0%} of the cells hold no value; in the training recordings at most "
            f"{known.missing_share:.0%} did.",
            share=share,
        )


def _missing_share(series: Series, places: Sequence[int]) -> float:
    return float(np.mean([missing(series.values[:, place]).mean() for place in places]))


def _levels(
    found: Description, known: KnownRecordings, channels: Sequence[str], left_out: Sequence[int]
) -> Iterator[Doubt]:
    shifts = level_shifts(found.levels, np.asarray(known.levels), np.asarray(known.scales[1]))
    shifts[~np.asarray(known.varied)] = 0.0
    shifts[list(left_out)] = 0.0
    worst = int(shifts.argmax())
    if shifts[worst] > known.level_limit:
        yield Doubt(
            kind="value-range",
            sentence=f"The values of channel {quoted(channels[worst])} lie around {found.levels[worst]:.6g}, those of "
            f"the training recordings around {known.levels[worst]:.6g}: another unit, offset or range of the sensor?",
        )


def _swapped_channels(found: Description, known: KnownRecordings, channels: Sequence[str]) -> Iterator[Doubt]:
    one, other = np.array(known.distinct).T
    gains = swap_gains(found, known)[one, other]
    best = int(gains.argmax())
    if gains[best] > known.swap_limit:
        yield Doubt(
            kind="swapped-channels",
            sentence=f"Channels {quoted(channels[one[best]])} and {quoted(channels[other[best]])} look like each "
            "other's in the training recordings: are they swapped?",
        )


def _sample(values: Doubles) -> Doubles:
    if len(values) <= SAMPLE_BLOCKS * SAMPLE_ROWS:
        return values
    firsts = np.linspace(0, len(values) - SAMPLE_ROWS, SAMPLE_BLOCKS).astype(np.int64)
    return np.concatenate([values[first : first + SAMPLE_ROWS] for first in firsts])


def _deviations(differences: Doubles, std: Doubles) -> Doubles:
    squares: Doubles = np.minimum(np.square(differences / std), WORST)
    return squares


def _constant(series: Series, place: int) -> bool:
    """Whether a channel that is constant in the sample is so throughout."""
    column = series.values[:, place]
    return not bool((np.abs(column - _first(column)) > 1e-9 * np.abs(column)).any())


def _first(column: Doubles) -> float:
    present = ~missing(column)
    return float(column[present.argmax()]) if present.any() else 0.0
