from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from msgspec import json

from shared.doubts import Doubt, Effect
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import KnownRecordings
from shared.recordings.series import Series
from shared.segmentation.known_recordings import unlike_doubts
from training.planning.known_recordings import learn_known_recordings

NAMES = ("x", "y", "z")
Change = Callable[[Series], Series]


def recording(seed: int, rows: int = 900, step: float = 0.05) -> Series:
    """Slow and large, fast and small, and a level: of different people."""
    random = np.random.default_rng(seed)
    time = np.arange(rows) + random.uniform(0, 50)
    gain = random.uniform(0.8, 1.25)
    waves = np.stack([2 * np.sin(time / 9), 0.5 * np.sin(time / 2), np.full(rows, 9.0)], axis=1)
    return Series(
        gain * (waves + random.normal(0, 0.1, waves.shape)), TimeAxis(np.arange(rows, dtype=np.float64) * step)
    )


def scaled(series: Series) -> Series:
    return Series(series.values * 9.81, series.axis)


def halved(series: Series) -> Series:
    return Series(series.values[::2], TimeAxis(series.axis.times[::2]))


def dead(series: Series) -> Series:
    values = series.values.copy()
    values[:, 1] = 0.25
    return Series(values, series.axis)


def swapped(series: Series) -> Series:
    return Series(series.values[:, [1, 0, 2]], series.axis)


def higher(series: Series) -> Series:
    return Series(series.values + np.array([0.0, 40.0, 0.0]), series.axis)


def with_sentinels(series: Series) -> Series:
    values = series.values.copy()
    values[3::20, 1] = -9999
    return Series(values, series.axis)


def kinds(series: Series, known: KnownRecordings, *, timed: bool = True) -> list[str]:
    return [doubt.kind for doubt in unlike_doubts(series, known, NAMES, timed=timed)]


@pytest.fixture(scope="module", params=[3, 10])
def known(request: pytest.FixtureRequest) -> KnownRecordings:
    found = learn_known_recordings([recording(seed) for seed in range(request.param)], timed=True)
    return json.decode(json.encode(found), type=KnownRecordings)


@pytest.mark.parametrize("seed", range(100, 120))
def test_recordings_of_the_same_kind_are_not_doubted(known: KnownRecordings, seed: int) -> None:
    assert kinds(recording(seed), known) == []
    assert kinds(recording(seed, rows=300), known) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (scaled, "value-range"),
        (higher, "value-range"),
        (with_sentinels, "value-range"),
        (halved, "sampling-rate"),
        (dead, "constant-channel"),
        (swapped, "swapped-channels"),
    ],
)
def test_a_recording_changed_on_purpose_is_doubted(known: KnownRecordings, change: Change, kind: str) -> None:
    assert kind in kinds(change(recording(200)), known)


def test_values_far_beyond_all_others_are_doubted_where_they_are_new_and_many() -> None:
    usual = [recording(seed) for seed in range(6)]
    known = learn_known_recordings(usual, timed=True)
    (found,) = unlike_doubts(with_sentinels(recording(200)), known, NAMES, timed=True)
    assert found.sentence.startswith("5.0% of the values of channel 'y' lie far beyond all others")
    assert found.share == pytest.approx(0.05)
    glitch = recording(200)
    glitch.values[7, 1] = 1e6
    assert kinds(glitch, known) == []
    known = learn_known_recordings([*usual[:5], with_sentinels(usual[5])], timed=True)
    assert kinds(with_sentinels(recording(200)), known) == []


def cut(series: Series) -> Series:
    return Series(series.values[:20], TimeAxis(series.axis.times[:20]))


def repeated(series: Series) -> Series:
    return Series(np.tile(series.values, (12, 1)), TimeAxis.of_rows(12 * series.rows))


def with_gaps(series: Series) -> Series:
    values = series.values.copy()
    values[np.random.default_rng(0).random(values.shape) < 0.6] = np.nan
    return Series(values, series.axis)


@pytest.mark.parametrize(("change", "kind"), [(cut, "length"), (repeated, "length"), (with_gaps, "missing-cells")])
def test_lengths_and_shares_of_missing_cells_are_compared(known: KnownRecordings, change: Change, kind: str) -> None:
    changed = change(recording(200))
    (doubt,) = [each for each in unlike_doubts(changed, known, NAMES, timed=False) if each.kind == kind]
    assert doubt.effect is Effect.UNSURE
    expected = (
        f"has {changed.rows} rows"
        if kind == "length"
        else "of the cells hold no value; in the training recordings at most 0% did"
    )
    assert expected in doubt.sentence


def test_the_card_keeps_whether_all_files_end_with_a_line_break() -> None:
    note = Doubt(kind="unterminated", sentence="The last line, '1,2', does not end with a line break.")
    whole = [recording(seed) for seed in range(3)]
    assert learn_known_recordings(whole, timed=True).terminated
    assert not learn_known_recordings([*whole, replace(recording(4), doubts=(note,))], timed=True).terminated


def test_gaps_that_training_recordings_have_are_not_doubted() -> None:
    known = learn_known_recordings([with_gaps(recording(seed)) for seed in range(6)], timed=True)
    assert "missing-cells" not in kinds(with_gaps(recording(100)), known)


def almost_empty(series: Series) -> Series:
    values = series.values.copy()
    values[5:, 1] = np.nan
    return Series(values, series.axis)


def test_a_channel_without_nearly_all_of_its_values_is_doubted_however_full_the_others_are(
    known: KnownRecordings,
) -> None:
    (doubt,) = unlike_doubts(almost_empty(recording(200)), known, NAMES, timed=True)
    assert (doubt.kind, doubt.effect) == ("missing-cells", Effect.UNSURE)
    assert doubt.sentence.startswith("99.4% of the cells of channel 'y' hold no value")
    assert doubt.share == pytest.approx(895 / 900)


def test_a_channel_that_training_recordings_fill_as_little_is_not_doubted() -> None:
    known = learn_known_recordings([almost_empty(recording(seed)) for seed in range(6)], timed=True)
    assert "missing-cells" not in kinds(almost_empty(recording(100)), known)


def test_channels_that_training_recordings_do_not_tell_apart_are_never_called_swapped() -> None:
    """Two channels of the same kind, with larger differences between people than between the two."""

    def alike(seed: int) -> Series:
        random = np.random.default_rng(seed)
        gains = np.exp(random.normal(0, 1, 2))
        return Series(gains * random.normal(0, 1, (600, 2)), TimeAxis.of_rows(600))

    known = learn_known_recordings([alike(seed) for seed in range(8)], timed=False)
    assert known.distinct == ()
    doubted = [kinds(alike(seed), known, timed=False) for seed in range(100, 160)]
    assert not any("swapped-channels" in each for each in doubted)


def test_a_rate_is_compared_only_where_steps_are_constant(known: KnownRecordings) -> None:
    irregular = halved(recording(200))
    random = np.random.default_rng(1)
    axis = TimeAxis(np.cumsum(random.uniform(0, 0.2, irregular.rows)))
    assert kinds(Series(irregular.values, axis), known) == []
    seconds = TimeAxis(np.floor(irregular.axis.times))  # many rows of one time
    assert kinds(Series(irregular.values, seconds), known) == []
    assert kinds(halved(recording(200)), known, timed=False) == []


def test_a_sentence_tells_what_was_found_and_what_was_known(known: KnownRecordings) -> None:
    (doubt,) = unlike_doubts(halved(recording(200)), known, NAMES, timed=True)
    assert "0.5 times that of the training recordings (a step of time is 0.1, it was 0.05)" in doubt.sentence
    assert doubt.sentence.endswith("durations learned do not fit.")
    in_ms = Series(recording(200).values, TimeAxis(recording(200).axis.times * 1000))
    (doubt,) = unlike_doubts(in_ms, known, NAMES, timed=True)
    assert doubt.sentence.endswith("are its times in another unit?")
    doubt, *_ = unlike_doubts(scaled(recording(200)), known, NAMES, timed=True)
    assert 7 < float(doubt.sentence.split()[3]) < 13


def test_a_channel_at_another_level_is_named(known: KnownRecordings) -> None:
    (doubt,) = unlike_doubts(higher(recording(200)), known, NAMES, timed=True)
    assert doubt.sentence.startswith("The values of channel 'y' lie around 39.99")
    assert "those of the training recordings around" in doubt.sentence


def test_a_channel_that_never_varies_is_not_missed() -> None:
    flat = [dead(recording(seed)) for seed in range(6)]
    found = learn_known_recordings(flat, timed=True)
    assert found.varied == (True, False, True)
    assert kinds(dead(recording(100)), found) == []


def test_one_recording_is_enough_to_doubt_what_is_gross() -> None:
    found = learn_known_recordings([recording(1)], timed=False)
    assert found.distinct == (), "one recording does not show which channels others tell apart"
    assert kinds(recording(2), found) == []
    assert "value-range" in kinds(scaled(recording(2)), found)


def test_the_largest_distance_of_few_recordings_is_trusted_less() -> None:
    few, many = (learn_known_recordings([recording(seed) for seed in range(n)], timed=True) for n in (5, 10))
    assert few.scale_limit == pytest.approx(2**0.5 * 1.5 * 0.3)
    assert many.scale_limit == pytest.approx(1.5 * 0.3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_recording_is_only_looked_at(channels: int) -> None:
    values = recording(1).values[:, :channels].copy()
    values[5], values[7] = np.nan, 1e9
    before = values.copy()
    found = learn_known_recordings([Series(values, TimeAxis.of_rows(len(values)))], timed=False)
    list(unlike_doubts(Series(values, TimeAxis.of_rows(len(values))), found, NAMES, timed=False))
    assert np.array_equal(values, before, equal_nan=True)
