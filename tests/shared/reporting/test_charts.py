from shared.reporting.charts import curve, line, strip
from shared.store.report import StoredSegment


def test_a_line_of_equal_values_is_drawn_and_one_of_none_is_not() -> None:
    assert line([1.0, 1.0], 10, 10) == "0.0,10.0 10.0,10.0"
    assert line([], 10, 10) == ""


def test_a_loss_below_its_axis_is_drawn_on_it() -> None:
    assert line([2.0, -1.0], 10, 10, low=0.0) == "0.0,0.0 10.0,10.0"


def test_a_curve_starts_at_zero_and_ends_at_the_right_edge() -> None:
    assert curve([(0, 0.0), (4, 1.0)], 300, 120) == "0.0,120.0 300.0,0.0"
    assert curve([], 300, 120) == ""


def test_segments_on_the_same_half_unit_are_drawn_once() -> None:
    beats = [StoredSegment(row, row, "Beat", 1.0, True) for row in range(10_000)]
    (path,) = strip(beats, 1_000_000, 0)
    assert path.kind == "tick"
    assert path.d.count("M") == 21
