from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import KnownRecordings
from shared.recordings.series import Series
from shared.segmentation import resampling
from shared.segmentation.resampling import at_known_rate, at_own_rows, resample

KNOWN = KnownRecordings(
    recordings=5, rows=(100, 1000), missing_share=0.0, varied=(True, True), filled=(True, True),
    scales=((0.0, 0.0),) * 3, scale_limit=100.0, log_step=0.0, step_limit=0.3,
)  # fmt: skip


def waves(rows: int, step: float) -> np.ndarray:  # type: ignore[type-arg]
    times = np.arange(rows) * step
    return np.stack([np.sin(times / 9), 5 + np.cos(times / 4)], axis=1)


@pytest.mark.parametrize("step", [0.2, 0.5, 1 / 1.5, 1.5, 2.0, 3.0])
def test_slow_signals_are_the_same_at_another_rate(step: float) -> None:
    ratio = 1 / step
    found = resample(waves(round(600 * ratio), step), ratio)
    assert len(found) == pytest.approx(600, abs=3)
    inner = slice(5, -5)
    assert found[inner] == pytest.approx(waves(len(found), 1.0)[inner], abs=0.15 if step > 1 else 0.03)


def test_what_is_too_fast_for_the_new_rate_does_not_fold_into_it() -> None:
    alternating = np.tile([[1.0], [-1.0]], (500, 1))
    assert np.abs(resample(alternating, 2.0)[1:-1]).max() < 1e-9
    assert np.abs(resample(alternating, 4.0)[1:-1]).max() < 1e-9


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(1000, 2))
    values[300:320, 0] = np.nan
    for ratio in (0.4, 1.0, 1.7, 5.3):
        whole = resample(values, ratio)
        monkeypatch.setattr(resampling, "BLOCK_ROWS", 64)
        np.testing.assert_allclose(resample(values, ratio), whole, rtol=0, atol=1e-9)
        monkeypatch.undo()


def test_missing_values_stay_missing_and_spread_no_further() -> None:
    values = waves(200, 1.0)
    values[50:60, 0], values[100, 1] = np.nan, np.inf
    finer = resample(values, 0.5)
    assert np.flatnonzero(np.isnan(finer[:, 0])).tolist() == list(range(99, 120))
    assert np.flatnonzero(np.isnan(finer[:, 1])).tolist() == [199, 200, 201]
    coarser = resample(values, 2.0)  # the mean of what is there
    assert np.flatnonzero(np.isnan(coarser[:, 0])).tolist() == [26, 27, 28, 29]
    assert not np.isnan(coarser[:, 1]).any()


@given(st.integers(1, 200), st.floats(0.07, 20), st.lists(st.integers(1, 30), min_size=1, max_size=9))
def test_segments_side_by_side_stay_so_and_cover_every_row(rows: int, ratio: float, lengths: list[int]) -> None:
    count = int((rows - 1) / ratio + 1e-9) + 1
    ends = [end for end in np.cumsum(lengths).tolist() if end < count] + [count]
    firsts = [0, *ends[:-1]]
    segments = [Segment(first, end - 1, "a") for first, end in zip(firsts, ends, strict=True)]
    found = list(at_own_rows(segments, ratio, rows))
    assert found[0].first == 0
    assert all(one.last + 1 == other.first for one, other in pairwise(found))
    assert rows - 1 - found[-1].last <= ratio / 2 + 1


def test_instants_go_to_the_nearest_row() -> None:
    events = [Segment(row, row, "beat", instant=True) for row in (0, 7, 99)]
    assert [each.first for each in at_own_rows(events, 2.0, 150)] == [0, 14, 149]
    assert [each.first for each in at_own_rows(events, 0.5, 50)] == [0, 4, 49]


@pytest.mark.parametrize(("step", "rows"), [(1.0, None), (1.2, None), (0.5, 500), (2.0, 1999)])
def test_only_another_rate_is_resampled(step: float, rows: int | None) -> None:
    found = at_known_rate(Series(waves(1000, step), TimeAxis(np.arange(1000, dtype=np.float64) * step)), KNOWN)
    assert (found and found.series.rows) == rows
    if found:
        assert found.ratio == pytest.approx(1 / step)
        assert found.doubt.kind == "sampling-rate"
        assert "it was resampled to theirs" in found.doubt.sentence


@pytest.mark.parametrize("step", [0.001, 0.05, 20.0, 1000.0])
def test_times_in_another_unit_are_no_rate(step: float) -> None:
    assert at_known_rate(Series(waves(9000, 1.0), TimeAxis(np.arange(9000, dtype=np.float64) * step)), KNOWN) is None


def test_recordings_that_would_grow_far_too_long_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Series(waves(1000, 15.0), TimeAxis(np.arange(1000, dtype=np.float64) * 15.0))
    monkeypatch.setattr(resampling, "MOST_CELLS", 29_000)
    assert at_known_rate(slow, KNOWN) is None
    half = Series(waves(1000, 2.0), TimeAxis(np.arange(1000, dtype=np.float64) * 2.0))
    monkeypatch.setattr(resampling, "MOST_CELLS", 3000)
    assert at_known_rate(half, KNOWN) is None
