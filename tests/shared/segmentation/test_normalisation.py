import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.model_file.card import ClassStatistics, RecordingStatistics
from shared.segmentation.normalisation import (
    BLOCK_ROWS,
    SAMPLE_ROWS,
    absurd_cells,
    around_center,
    missing,
    recording_statistics,
    statistics_by_classes,
    usual_limits,
)


def make_how(channels: int = 1, **changes: object) -> RecordingStatistics:
    one = (1.0,) * channels
    known = {
        "rows": 1000, "log_scale": (0.0,) * channels,
        "center_between": one, "center_within": one, "scale_between": one, "scale_within": one,
    }  # fmt: skip
    return RecordingStatistics(**(known | changes))  # type: ignore[arg-type]


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


@pytest.mark.parametrize("completed", [False, True])
@given(column=st.lists(st.floats(width=64), min_size=1, max_size=30))
@settings(max_examples=200)
def test_no_value_whatsoever_gives_something_that_is_not_a_number(completed: bool, column: list[float]) -> None:
    values = np.array(column)[:, None]
    how = make_how(rows=20) if completed else None
    center, scale = recording_statistics(values, np.zeros(1), np.ones(1), how)
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


def signal(rows: int = 3000, channels: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(rows, channels))


@pytest.mark.parametrize(
    ("rows", "value"),
    [(slice(1700, 1701), 1e6), (slice(0, 1), 1.5e9), (slice(0, 3000, 20), -9999.0), (slice(0, 3000, 11), 1e30)],
)
def test_absurd_values_change_no_statistics(rows: slice, value: float) -> None:
    values = signal(channels=2)
    clean = np.delete(values, np.arange(3000)[rows], axis=0)
    expected = recording_statistics(clean, np.zeros(2), np.ones(2))
    values[rows, 1] = value
    found = recording_statistics(values, np.zeros(2), np.ones(2), make_how(2))
    assert found[0][1] == pytest.approx(expected[0][1], abs=1e-9)
    assert found[1][1] == pytest.approx(expected[1][1], rel=1e-6)
    row, channel = absurd_cells(values)
    assert row.tolist() == np.arange(3000)[rows].tolist()
    assert set(channel.tolist()) == {1}


@pytest.mark.parametrize(
    "column",
    [
        (np.arange(3000) % 100 == 0).astype(float),  # binary, nearly always 0
        np.where(np.arange(3000) % 4 == 0, signal()[:, 0] ** 2, 0.0),  # 0 in 75 % of the rows
        np.where(np.arange(3000) % 300 < 10, 5.0, 0.01) * signal()[:, 0],  # at rest but for 3 % of the time
        np.exp(3 * signal()[:, 0]),  # heavy tail
        np.full(3000, 7.0),
    ],
)
def test_rare_values_that_are_not_absurd_count(column: NDArray[np.float64]) -> None:
    values = column[:, None]
    assert not len(absurd_cells(values)[0])
    center, scale = recording_statistics(values, np.zeros(1), np.ones(1), make_how())
    plain = recording_statistics(values, np.zeros(1), np.ones(1))
    np.testing.assert_allclose(center, plain[0])
    np.testing.assert_allclose(scale, plain[1])


def test_missing_values_are_not_absurd() -> None:
    values = signal()
    values[::3] = np.nan
    values[1] = np.inf
    assert not len(absurd_cells(values)[0])


def test_limits_of_a_long_recording_come_from_a_bounded_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_at_once: list[int] = []
    sort = np.sort

    def counted(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sorted_at_once.append(len(values))
        return sort(values)

    monkeypatch.setattr("numpy.sort", counted)
    values = signal(20 * SAMPLE_ROWS + 3)
    values[12345] = 1e6
    low, high = usual_limits(values)
    assert max(sorted_at_once) <= SAMPLE_ROWS
    assert low[0] < values.min() < np.delete(values, 12345).max() < high[0] < 1e6
    assert absurd_cells(values)[0].tolist() == [12345]


def test_a_recording_as_long_as_the_known_ones_has_its_own_statistics() -> None:
    values = 5 + 2 * signal(1000)
    found = recording_statistics(values, np.zeros(1), np.ones(1), make_how(rows=1000))
    np.testing.assert_allclose(found[0], values.mean(axis=0))
    np.testing.assert_allclose(found[1], values.std(axis=0), rtol=1e-6)


def test_a_part_takes_its_own_level_where_levels_differ_between_recordings() -> None:
    values = 5 + signal(250)
    how = make_how(center_between=(100.0,), center_within=(1.0,))
    center, _ = recording_statistics(values, np.zeros(1), np.ones(1), how)
    assert center[0] == pytest.approx(values.mean(), abs=0.01)


def test_a_part_is_completed_by_the_training_recordings_where_parts_differ() -> None:
    values = 5 + signal(250)
    how = make_how(center_between=(1e-9,), center_within=(1e3,), scale_between=(0.0,), scale_within=(1.0,))
    center, scale = recording_statistics(values, np.zeros(1), np.ones(1), how)
    quarter = values.mean() / 4
    assert center[0] == pytest.approx(quarter, rel=1e-6)
    spread = (values.var() + (values.mean() - quarter) ** 2) / 4 + 3 * (1 + quarter**2) / 4
    assert scale[0] == pytest.approx(np.sqrt(spread), rel=1e-6)


def test_a_part_in_which_a_channel_stands_still_takes_the_usual_scale() -> None:
    values = np.zeros((250, 1))
    _, scale = recording_statistics(values, np.zeros(1), np.ones(1), make_how(log_scale=(np.log(4.0),)))
    assert scale[0] == pytest.approx(4 * np.sqrt(0.75))


def make_classes(**changes: object) -> ClassStatistics:
    """A recording is half background around 0, half a label around 10, both with a deviation of 1."""
    known = {
        "share": (0.5, 0.5), "center": ((0.0,), (10.0,)), "spread": ((1.0,), (1.0,)),
        "center_between": (100.0,), "center_within": (0.0,), "scale_between": (1.0,), "scale_within": (0.0,),
    }  # fmt: skip
    return ClassStatistics(**(known | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [0.0, 30.0])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_a_part_of_one_class_is_completed_by_the_other(level: float, scale: float) -> None:
    """Of a recording that is moved and wider: the rows of the label that it lacks are moved and wider, too."""
    values = level + scale * signal(250)
    center, spread = statistics_by_classes(
        values, np.array([250.0, 0.0]), np.zeros(1), np.ones(1), make_how(), make_classes()
    )
    wide = values.std()
    whole = np.array([0.0] * 5 + [10.0] * 5) + values.mean()
    assert center[0] == pytest.approx(whole.mean(), rel=1e-6)
    assert spread[0] == pytest.approx(np.sqrt(whole.var() + wide**2), rel=1e-6)


def test_a_class_that_differs_by_itself_moves_no_other() -> None:
    classes = make_classes(center_between=(0.0,), center_within=(100.0,))
    values = 30 + signal(250)
    center, _ = statistics_by_classes(values, np.array([250.0, 0.0]), np.zeros(1), np.ones(1), make_how(), classes)
    assert center[0] == pytest.approx(values.mean() / 4 + 0.5 * 10)


def test_channels_without_values_or_movement_are_completed_by_the_usual() -> None:
    values = np.column_stack([np.full(250, np.nan), np.full(250, 7.0)])
    classes = ClassStatistics(
        share=(0.5, 0.5),
        center=((0.0, 7.0), (10.0, 7.0)),
        spread=((1.0, 0.0), (1.0, 0.0)),
        center_between=(1.0, 1.0),
        center_within=(0.0, 0.0),
        scale_between=(1.0, 1.0),
        scale_within=(0.0, 0.0),
    )
    center, scale = statistics_by_classes(
        values, np.array([250.0, 0.0]), np.array([5.0, 7.0]), np.ones(2), make_how(2), classes
    )
    assert np.isfinite(center).all()
    assert center[1] == pytest.approx(7)
    assert scale[0] > 1 and scale[1] == 1


def test_memory_for_statistics_does_not_grow_with_the_recording() -> None:
    held = {}
    for rows in (4 * SAMPLE_ROWS, 32 * SAMPLE_ROWS):
        values = signal(rows, channels=3)
        values[rows // 2] = 1e9
        tracemalloc.start()
        recording_statistics(values, np.zeros(3), np.ones(3), make_how(3))
        held[rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    few, many = held.values()
    assert many < 1.2 * few
