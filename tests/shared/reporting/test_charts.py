from shared.reporting.charts import curve, lanes, line, plot, strip
from shared.store.report import StoredSegment


def test_a_line_of_equal_values_is_drawn_and_one_of_none_is_not() -> None:
    assert line([1.0, 1.0], 10, 10) == "0.0,10.0 10.0,10.0"
    assert line([], 10, 10) == ""


def test_a_loss_below_its_axis_is_drawn_on_it() -> None:
    assert line([2.0, -1.0], 10, 10, low=0.0) == "0.0,0.0 10.0,10.0"


def test_numbers_at_an_axis_have_the_same_decimals() -> None:
    assert [text for _, text in plot([(1, 0.9), (2, 0.97)]).y_ticks] == ["0.90", "0.92", "0.94", "0.96", "0.98"]
    assert [text for _, text in plot([(1, 1.0), (2, 3.0)]).y_ticks] == ["1.0", "1.5", "2.0", "2.5", "3.0"]
    assert all("e" in text or text == "0" for _, text in plot([(1, 0.0), (2, 2e-6)]).y_ticks)


def test_a_curve_starts_at_zero_and_ends_at_the_right_edge() -> None:
    assert curve([(0, 0.0), (4, 1.0)], 300, 120) == "0.0,120.0 300.0,0.0"
    assert curve([], 300, 120) == ""


def test_segments_on_the_same_half_unit_are_drawn_once() -> None:
    beats = [StoredSegment(row, row, "Beat", 1.0, True) for row in range(10_000)]
    (path,) = strip(beats, 1_000_000, 0)
    assert path.kind == "tick"
    assert path.d.count("M") == 21


def test_labels_that_overlap_are_drawn_below_each_other() -> None:
    beside = [StoredSegment(0, 9, "Run"), StoredSegment(10, 19, "Walk"), StoredSegment(15, 15, "Jump", instant=True)]
    assert lanes(beside) == {"Run": (4, 16), "Walk": (4, 16)}
    assert lanes([*beside, StoredSegment(5, 14, "Indoor")]) == {"Indoor": (4, 8), "Run": (12, 8), "Walk": (12, 8)}
    (indoor, run, walk, _) = strip([*beside, StoredSegment(5, 14, "Indoor")], 20, 28)
    assert [each.d for each in (indoor, run, walk)] == [
        "M250 32h500v8h-500z",
        "M0 40h500v8h-500z",
        "M500 40h500v8h-500z",
    ]
