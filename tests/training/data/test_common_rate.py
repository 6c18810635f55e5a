"""Annotated recordings of several sampling rates."""

import numpy as np

from shared.labelling.regions import UnclearRegion
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import AnnotatedSeries, OwnRows, choose_label_kinds, label_rows
from training.data.common_rate import at_common_rate


def marked(step: float, *segments: Segment, rows: int = 101, name: str = "task 1") -> AnnotatedSeries:
    times = step * np.arange(rows, dtype=np.float64)
    series = Series(np.sin(times / 4)[:, None], TimeAxis(times))
    unclear = (UnclearRegion(10, None, "Run", instant=False),)
    return AnnotatedSeries(key=name, name=name, group=name, series=series, layers=(segments,), unclear=(unclear,))


def test_the_rate_of_most_recordings_is_that_of_all() -> None:
    usual = [marked(0.25, Segment(20, 39, "Run")) for _ in range(2)]
    slow = marked(0.5, Segment(20, 39, "Run"), Segment(50, 50, "Jump", instant=True), name="task 9")
    (*same, fast), doubts = at_common_rate([*usual, slow])
    assert all(one is other for one, other in zip(same, usual, strict=True))
    np.testing.assert_allclose(np.diff(fast.series.axis.times), 0.25)
    assert np.abs(fast.series.values[:, 0] - np.sin(fast.series.axis.times / 4)).max() < 0.01
    assert [(each.first, each.last) for each in fast.layers[0]] == [(39, 78), (100, 100)]
    assert fast.unclear == ((UnclearRegion(20, None, "Run", instant=False),),)
    ((name, doubt),) = doubts
    assert (name, doubt.kind) == ("task 9", "sampling-rate")
    assert "0.5 times" in doubt.sentence
    assert "that of most recordings" in doubt.sentence


def test_what_was_resampled_is_reported_at_its_own_rows() -> None:
    slow = marked(0.5, Segment(20, 39, "Run"), Segment(50, 50, "Jump", instant=True))
    (found, _, _), _ = at_common_rate([slow, marked(0.25), marked(0.25)])
    recording = label_rows(found, choose_label_kinds([found], ["Run", "Jump"]), "background", 0)
    assert recording.rows == 201
    assert recording.own_rows == OwnRows(0.5, 101)
    assert recording.to_own_rows(recording.segments()) == [
        Segment(20, 39, "Run"),
        Segment(50, 50, "Jump", instant=True),
    ]
    assert recording.from_own_rows([Segment(20, 39, "Run")]) == [Segment(39, 78, "Run")]
    assert [recording.own_row(row) for row in (0, 40, 200)] == [0, 20, 100]


def test_times_of_unsteady_step_or_another_unit_are_left_as_they_are() -> None:
    usual = [marked(0.25), marked(0.25)]
    unsteady = marked(0.5)
    times = np.cumsum(np.random.default_rng(0).exponential(size=101))
    unsteady = AnnotatedSeries(
        key="9", name="9", group="9", series=Series(unsteady.series.values, TimeAxis(times)), layers=((),)
    )
    found, doubts = at_common_rate([*usual, unsteady, marked(0.5)])
    assert not doubts
    assert [each.own_rows for each in found] == [None] * 4
    milliseconds = marked(100.0, name="task 9")
    (*_, same), ((name, doubt),) = at_common_rate([*usual, milliseconds])
    assert same is milliseconds
    assert name == "task 9"
    assert "learned as it is" in doubt.sentence
    assert at_common_rate([*usual, marked(0.35)])[1] == []


def test_recordings_of_two_rates_are_learned_at_one() -> None:
    """Through the reader of annotated tasks; without a time column nothing is known of rates."""
    from tests.training.data.test_recordings import load_timed

    loaded = load_timed(steps=(0.1, 0.1, 0.2))
    assert [each.rows for each in loaded.recordings] == [60, 60, 119]
    assert [doubt.kind for doubt in loaded.doubts] == ["sampling-rate"]
    assert load_timed(steps=(0.1, 0.1, 0.2), time_column="").doubts == []
