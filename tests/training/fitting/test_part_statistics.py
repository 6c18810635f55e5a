"""Moments of parts are those of their rows; what differs between recordings is separated from what differs within."""

import numpy as np
import pytest

from training.fitting.part_statistics import BLOCK, PRIOR_VARIANCE, PartMoments, learn_recording_statistics


def test_moments_of_a_part_are_those_of_its_rows() -> None:
    values = 1e4 + np.random.default_rng(0).normal(size=(1000, 2)).cumsum(axis=0)
    values[::7, 1] = np.nan
    values[500, 0] = 1e12
    first, end = np.array([0, 10 * BLOCK, 992]), np.array([BLOCK, 40 * BLOCK, 1000])
    center, spread = PartMoments(values).of(first, end)
    values[500, 0] = np.nan
    for part, (a, b) in enumerate(zip(first, end, strict=True)):
        np.testing.assert_allclose(center[part], np.nanmean(values[a:b], axis=0), rtol=1e-9)
        np.testing.assert_allclose(spread[part], np.nanstd(values[a:b], axis=0), rtol=1e-5)


def recordings(between: float, trend: float, count: int = 12, rows: int = 800) -> list[PartMoments]:
    """Noise around a level of each recording, and around a trend that all have."""
    rng = np.random.default_rng(1)
    ramp = trend * np.linspace(-1, 1, rows)
    return [PartMoments((rng.normal(0, between) + ramp + rng.normal(size=rows))[:, None]) for _ in range(count)]


def test_levels_that_differ_between_recordings_are_distinguished_from_those_that_differ_within() -> None:
    apart = learn_recording_statistics(recordings(between=3, trend=0), np.ones(1))
    alike = learn_recording_statistics(recordings(between=0, trend=3), np.ones(1))
    sampling = 1 / 400 - 1 / 800  # of half a recording
    assert apart.center_between[0] > 100 * apart.center_within[0] * sampling
    assert alike.center_between[0] < 0.1 * alike.center_within[0] * sampling


def test_one_recording_does_not_show_that_recordings_agree() -> None:
    known = learn_recording_statistics(recordings(between=0, trend=0, count=1), np.full(1, 2.0))
    assert known.center_between[0] == pytest.approx(4 * PRIOR_VARIANCE)
    assert known.scale_between[0] == pytest.approx(PRIOR_VARIANCE)


def test_one_recording_cut_short_does_not_pass_for_a_whole_one() -> None:
    rng = np.random.default_rng(0)
    parts = [PartMoments(rng.normal(size=(rows, 1))) for rows in (40, 1000, 1100, 1000, 1200)]
    assert learn_recording_statistics(parts, np.ones(1)).rows == 1000


def test_a_channel_that_is_missing_or_still_in_a_recording_says_nothing_of_the_others() -> None:
    rng = np.random.default_rng(0)
    values = [5 + 0.1 * rng.normal(size=(800, 2)) for _ in range(4)]
    values[0][:, 0] = np.nan
    values[1][:, 1] = 5.0
    known = learn_recording_statistics([PartMoments(each) for each in values], np.full(2, 0.1))
    np.testing.assert_allclose(known.log_scale, np.log(0.1), atol=0.1)
    assert max(known.center_between) < 0.01
