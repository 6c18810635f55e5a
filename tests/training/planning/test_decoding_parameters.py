"""What decoding learns from annotations, and the shape of a window."""

from collections.abc import Callable

from shared.labelling.segments import Segment
from shared.model_file.card import InstantHead, RangeHead
from training.data.annotations import Recording, segment_durations
from training.planning.decoding_parameters import choose_shape, learn_heads


def instants(*rows: int) -> list[Segment]:
    return [Segment(row, row, "Run", instant=True) for row in rows]


def every(step: int, length: int, count: int) -> list[Segment]:
    return [Segment(start, start + length - 1, "Run") for start in range(20, 20 + step * count, step)]


def test_least_duration_is_half_the_fifth_percentile(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(every(50, 20, 10), rows=600)
    (head,) = learn_heads([recording], recording.kinds)
    assert isinstance(head, RangeHead)
    assert head.min_rows == (15, 10)
    assert head.sure_rows == (7, 5)


def test_few_segments_give_a_quarter_of_the_shortest(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(every(50, 20, 3), rows=300)
    (head,) = learn_heads([recording], recording.kinds)
    assert isinstance(head, RangeHead)
    assert head.min_rows == head.sure_rows == (7, 5)


def test_segments_that_the_ends_cut_off_teach_nothing(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording([Segment(0, 1, "Run"), Segment(40, 59, "Run"), Segment(98, 99, "Run")], rows=100)
    assert segment_durations([recording], 0, 2) == [[38, 38], [20]]


def test_instants_are_a_tenth_of_their_gap_wide(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(instants(10, 50, 90, 130, 170), rows=200)
    (head,) = learn_heads([recording], recording.kinds)
    assert isinstance(head, InstantHead)
    assert (head.half_width, head.spacing) == (4, (20,))
    assert head.threshold == (0.3,)


def test_two_instants_are_too_few_to_learn_from(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(instants(10, 5000), rows=6000)
    (head,) = learn_heads([recording], recording.kinds)
    assert isinstance(head, InstantHead)
    assert (head.half_width, head.spacing) == (1, (3,))


def test_rare_instants_do_not_become_wide_ones(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(instants(*range(100, 90_000, 10_000)), rows=100_000)
    (head,) = learn_heads([recording], recording.kinds)
    assert isinstance(head, InstantHead)
    assert (head.half_width, head.spacing) == (12, (100,))


def test_ranges_and_instants_have_a_head_each(make_recording: Callable[..., Recording]) -> None:
    marks = [Segment(20, 49, "Run"), Segment(30, 30, "Walk", instant=True)]
    recording = make_recording(marks)
    heads = learn_heads([recording], recording.kinds)
    assert [type(head) for head in heads] == [RangeHead, InstantHead]
    assert [head.labels for head in heads] == [("Run",), ("Walk",)]


def test_downsampling_is_used_where_segments_are_long_against_it(make_recording: Callable[..., Recording]) -> None:
    long = make_recording(every(200, 100, 10), rows=2100)
    shape = choose_shape(50, 10**9, [long], long.kinds)
    assert (shape.downsampling, shape.fit_window, shape.window, shape.stride) == (4, 200, 400, 300)
    short = make_recording(every(10, 4, 100), rows=1100)
    shape = choose_shape(50, 10**9, [short], short.kinds)
    assert (shape.downsampling, shape.fit_window, shape.window) == (1, 50, 100)


def test_instants_are_never_downsampled_and_see_a_few_gaps(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording(instants(*range(30, 2000, 65)), rows=2000)
    shape = choose_shape(50, 128, [recording], recording.kinds)
    assert (shape.downsampling, shape.window, shape.fit_window) == (1, 200, 128)


def test_a_window_is_no_longer_than_the_longest_recording(make_recording: Callable[..., Recording]) -> None:
    recording = make_recording([Segment(10, 69, "Run")], rows=90)
    shape = choose_shape(50, 10**9, [recording], recording.kinds)
    assert recording.rows <= shape.window < recording.rows + shape.downsampling
    assert shape.window % shape.downsampling == shape.stride % shape.downsampling == 0
