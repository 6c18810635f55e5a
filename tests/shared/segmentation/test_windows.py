import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.segmentation.normalisation import around_center
from shared.segmentation.windows import OverlapMean, window_blocks, window_starts

SHAPES = [
    (1, 1, 1),
    (2, 1, 1),
    (10, 5, 1),
    (50, 25, 1),
    (52, 26, 4),
    (12, 4, 2),
    (40, 36, 4),
    (200, 148, 4),
    (64, 64, 1),
]


def say(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a window "says": depends on the values and on the place in the window, as a network's output does."""
    place = np.arange(windows.shape[1], dtype=np.float32)[None, :, None]
    return np.concatenate([windows * (1 + place), windows - place], axis=2)


def naive(values: NDArray[np.float64], center: NDArray[np.float64], length: int, stride: int) -> NDArray[np.float64]:
    """All windows at once, each in a table of all rows: the mean of what stands in a row's column."""
    rows = len(values)
    length = min(length, rows)
    starts = sorted({*range(0, rows - length + 1, stride), rows - length})
    said = np.zeros((len(starts), rows, 2 * values.shape[1]))
    covered = np.zeros((len(starts), rows, 1))
    for window, start in enumerate(starts):
        said[window, start : start + length] = say(around_center(values[start : start + length], center)[None])[0]
        covered[window, start : start + length] = 1
    means: NDArray[np.float64] = said.sum(axis=0) / covered.sum(axis=0)
    return means


def streamed(
    values: NDArray[np.float64], center: NDArray[np.float64], length: int, stride: int, block: int
) -> list[NDArray[np.float32]]:
    overlap = OverlapMean(len(values), length, stride)
    return [overlap.add(say(windows)) for windows in window_blocks(values, center, length, stride, block)]


@pytest.mark.parametrize(("length", "stride", "downsampling"), SHAPES)
def test_streamed_windows_equal_the_naive_computation_for_every_length(
    length: int, stride: int, downsampling: int
) -> None:
    rng = np.random.default_rng(length)
    for rows in range(1, 1 + min(400, 60 * length)):
        values, center = rng.normal(size=(rows, 2)), rng.normal(size=2)
        blocks = streamed(values, center, length, stride, block=(16, 1, 3)[rows % 3])
        found = np.concatenate(blocks)
        assert found.shape == (rows, 4)
        np.testing.assert_allclose(found, naive(values, center, length, stride), rtol=1e-5, atol=1e-4)


@given(
    rows=st.integers(1, 400), length=st.integers(1, 80), overlap=st.integers(0, 79), block=st.integers(1, 20),
)  # fmt: skip
@settings(max_examples=60)
def test_any_window_stride_and_block_equal_a_naive_mean(rows: int, length: int, overlap: int, block: int) -> None:
    stride = max(length - overlap, 1)
    values = np.random.default_rng(rows).normal(size=(rows, 1))
    found = np.concatenate(streamed(values, np.zeros(1), length, stride, block))
    np.testing.assert_allclose(found, naive(values, np.zeros(1), length, stride), rtol=1e-5, atol=1e-4)


@given(rows=st.integers(1, 400), length=st.integers(2, 80), block=st.integers(1, 20))
@settings(max_examples=60)
def test_results_do_not_depend_on_the_block(rows: int, length: int, block: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, 1))
    whole = np.concatenate(streamed(values, np.zeros(1), length, length // 2, 1000))
    parts = np.concatenate(streamed(values, np.zeros(1), length, length // 2, block))
    assert whole.tobytes() == parts.tobytes()


@given(rows=st.integers(1, 2000), length=st.integers(1, 300), overlap=st.integers(0, 299))
def test_windows_cover_all_rows_and_stay_inside(rows: int, length: int, overlap: int) -> None:
    stride = max(length - overlap, 1)
    starts = window_starts(rows, length, stride)
    assert starts[0] == 0
    assert starts[-1] == max(rows - length, 0)
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= stride).all()
    assert (starts[:-1] % stride == 0).all()


def test_a_series_without_rows_has_no_windows() -> None:
    assert len(window_starts(0, 50, 25)) == 0
    assert list(window_blocks(np.zeros((0, 2)), np.zeros(2), 50, 25)) == []


def test_rows_leave_as_soon_as_no_later_window_covers_them() -> None:
    values = np.zeros((10_000, 1))
    blocks = streamed(values, np.zeros(1), 50, 25, block=16)
    assert max(len(block) for block in blocks) <= 16 * 25 + 50
    assert len(blocks[0]) == 16 * 25


def test_windows_of_a_block_are_ready_for_the_graph_without_another_copy() -> None:
    for windows in window_blocks(np.ones((1000, 3)), np.zeros(3), 50, 25):
        assert windows.dtype == np.float32
        assert windows.flags.c_contiguous
