import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from shared.segmentation.choices.features import (
    MOST_CHANNELS,
    MOST_ROWS,
    OF_CHANNEL,
    describe_recording,
    feature_count,
)

SHARES = np.array([0.7, 0.3])
RANDOM = np.random.default_rng(0)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(0, 40), st.integers(1, 3)),
        elements=st.one_of(
            st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, -9999.0, np.nan])
        ),
    )
)
def test_any_values_give_numbers_that_are_finite_or_unknown(values: NDArray[np.float64]) -> None:
    found = describe_recording(values, SHARES)
    assert len(found) == feature_count(values.shape[1], 2)
    assert not np.isinf(found).any()


def test_faults_of_a_channel_are_seen_in_its_numbers() -> None:
    values = np.sin(np.arange(2000) / 20)[:, None] * [1.0, 2.0]

    def changed(change: NDArray[np.float64]) -> dict[int, float]:
        before, after = (describe_recording(each, SHARES)[:OF_CHANNEL] for each in (values, change))
        return dict(enumerate(after - before))

    noisy, flat, gaps, level = (values.copy() for _ in range(4))
    noisy[:, 0] += RANDOM.normal(0, 0.5, 2000)
    flat[500:1200, 0] = 0.3
    gaps[100:400, 0] = np.nan
    level[:, 0] += 7
    assert changed(noisy)[8] > 1
    assert changed(flat)[7] > 0.3
    assert changed(gaps)[0] == pytest.approx(0.15)
    assert changed(gaps)[16] == 1
    assert changed(level)[1] == pytest.approx(7, abs=0.01)


def test_a_fault_of_any_channel_moves_the_extremes_over_channels() -> None:
    values = RANDOM.normal(size=(500, 3))
    dead = values.copy()
    dead[:, 2] = 4.0
    extremes = slice(3 * OF_CHANNEL, 3 * OF_CHANNEL + 14)
    before, after = (describe_recording(each, SHARES)[extremes] for each in (values, dead))
    assert (np.abs(after - before) > 0.5).any()


def test_long_recordings_cost_no_more_than_a_sample_and_many_channels_are_bounded() -> None:
    long = np.broadcast_to(np.float64(1), (200 * MOST_ROWS, 1))  # no memory of its own
    assert len(describe_recording(long, SHARES)) == feature_count(1, 2)
    wide = RANDOM.normal(size=(20, MOST_CHANNELS + 5))
    assert len(describe_recording(wide, SHARES)) == feature_count(MOST_CHANNELS, 2)
