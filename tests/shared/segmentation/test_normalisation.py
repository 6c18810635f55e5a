import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.segmentation.normalisation import BLOCK_ROWS, around_center, missing, recording_statistics


def test_statistics_are_those_of_the_present_values() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, size=(3 * BLOCK_ROWS + 17, 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[5, 1], values[6, 1] = np.inf, -np.inf
    center, scale = recording_statistics(values, np.zeros(3), np.ones(3))
    present = np.where(np.isfinite(values), values, np.nan)
    np.testing.assert_allclose(center, np.nanmean(present, axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale, np.nanstd(present, axis=0), rtol=1e-6)
    assert [str(each.dtype) for each in (center, scale)] == ["float64", "float32"]


def test_a_small_spread_on_a_large_level_keeps_its_digits() -> None:
    signal = 2 * np.sin(np.arange(50_000) / 7)
    values = (1e6 + signal)[:, None]
    center, scale = recording_statistics(values, np.zeros(1), np.ones(1))
    assert scale[0] == pytest.approx(signal.std(), rel=1e-6)
    np.testing.assert_allclose(around_center(values, center)[:, 0], signal - signal.mean(), atol=1e-6)


def test_a_channel_without_values_takes_the_training_mean_and_scale_one() -> None:
    values = np.full((10, 2), np.nan)
    values[:, 1] = np.arange(10)
    center, scale = recording_statistics(values, np.array([7.0, 8.0]), np.array([2.0, 2.0]))
    assert (center[0], scale[0]) == (7.0, 1.0)
    assert center[1] == 4.5


@pytest.mark.parametrize(("level", "std"), [(0.0, 0.0), (5.0, 1.0), (0.0, 1e9), (1e12, 0.0), (-3.7e-40, 0.0)])
def test_a_flat_channel_has_scale_one(level: float, std: float) -> None:
    values = np.array([[level], [level * (1 + 1e-9)]] * 500)
    center, scale = recording_statistics(values, np.zeros(1), np.array([std]))
    assert scale[0] == 1.0
    assert center[0] == pytest.approx(level)


def test_a_series_without_rows_has_statistics_all_the_same() -> None:
    center, scale = recording_statistics(np.zeros((0, 2)), np.array([1.0, 2.0]), np.ones(2))
    assert center.tolist() == [1.0, 2.0]
    assert scale.tolist() == [1.0, 1.0]


@given(st.lists(st.floats(width=64), min_size=1, max_size=30))
@settings(max_examples=200)
def test_no_value_whatsoever_gives_something_that_is_not_a_number(column: list[float]) -> None:
    values = np.array(column)[:, None]
    center, scale = recording_statistics(values, np.zeros(1), np.ones(1))
    rows = around_center(values, center)
    assert np.isfinite(center).all()
    assert (scale > 0).all()
    assert np.isfinite(scale).all()
    assert np.isfinite(rows).all()
    assert (rows[~np.isfinite(values)] == 0).all()


@pytest.mark.parametrize("rows", [1, 127, 128, 129, BLOCK_ROWS + 130])
def test_statistics_do_not_depend_on_how_values_lie_in_memory(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, 3))
    values[rows // 2, 1] = np.nan
    expected = recording_statistics(values, np.zeros(3), np.ones(3))
    found = recording_statistics(np.asfortranarray(values), np.zeros(3), np.ones(3))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)


def test_statistics_look_at_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[int] = []

    def counted(values: NDArray[np.float64]) -> NDArray[np.bool_]:
        blocks.append(values.size)
        return missing(values)

    monkeypatch.setattr("shared.segmentation.normalisation.missing", counted)
    recording_statistics(np.ones((5 * BLOCK_ROWS + 1, 2)), np.zeros(2), np.ones(2))
    assert blocks == [*[2 * BLOCK_ROWS] * 5, 2] * 2
