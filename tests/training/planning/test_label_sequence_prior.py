from collections.abc import Callable
from dataclasses import replace

import numpy as np

from shared.labelling.segments import Segment
from training.data.annotations import UNKNOWN, LabelKinds, Recording
from training.planning.label_sequence_prior import learn_label_sequence_prior, learn_usual_counts

Make = Callable[..., Recording]


def protocol(make_recording: Make, *labels: str) -> Recording:
    marks = [Segment(10 + 20 * at, 19 + 20 * at, label) for at, label in enumerate(labels)]
    return make_recording(marks, rows=120, kinds=LabelKinds((("Run", "Walk"),), (), ()))


def test_once_a_recording_is_learned_and_still_not_a_law(make_recording: Make) -> None:
    known = learn_label_sequence_prior([protocol(make_recording, "Run", "Walk")] * 10, 0, 3)
    assert known is not None
    for counts in known.counts:
        assert np.exp(counts).sum() == np.float64(1) or abs(np.exp(counts).sum() - 1) < 1e-3
        assert counts[1] > -0.1
        assert -8 < counts[2] < -2.5


def test_two_recordings_say_less_than_ten(make_recording: Make) -> None:
    two = learn_label_sequence_prior([protocol(make_recording, "Run", "Walk")] * 2, 0, 3)
    ten = learn_label_sequence_prior([protocol(make_recording, "Run", "Walk")] * 10, 0, 3)
    assert two is not None
    assert ten is not None
    assert two.counts[0][2] > ten.counts[0][2] + 1


def test_counts_that_vary_say_little(make_recording: Make) -> None:
    mixed = [protocol(make_recording, *(["Run", "Walk"] * count)) for count in (0, 1, 2)] + [
        protocol(make_recording, "Run"),
        protocol(make_recording, "Walk", "Walk"),
    ]
    known = learn_label_sequence_prior(mixed, 0, 3)
    assert known is not None
    assert max(known.counts[0][:3]) - min(known.counts[0][:3]) < 1.2


def test_what_follows_what_is_learned(make_recording: Make) -> None:
    runs = [Segment(10, 19, "Run"), Segment(20, 29, "Walk"), Segment(40, 49, "Run"), Segment(50, 59, "Walk")]
    known = learn_label_sequence_prior([make_recording(runs)] * 5, 0, 3)
    assert known is not None
    assert known.order[1][2] > 0.2 > 0 > known.order[1][0]
    assert all(known.order[column][column] == 0 for column in range(3))


def test_parts_and_half_known_recordings_teach_nothing(make_recording: Make) -> None:
    whole = protocol(make_recording, "Run", "Walk")
    known = whole.known.copy()
    known[100:] = False
    unsure = replace(whole, known=known, labels=np.where(known, whole.labels, UNKNOWN).astype(np.int16))
    assert learn_label_sequence_prior([whole, whole.part(0, 60), unsure], 0, 3) is None
    assert learn_label_sequence_prior([whole, whole, unsure], 0, 3) is not None


def test_lengths_of_recordings_and_segments_are_learned(make_recording: Make) -> None:
    longer = make_recording([Segment(10, 29, "Run"), Segment(40, 49, "Walk")], rows=160)
    known = learn_label_sequence_prior([protocol(make_recording, "Run", "Walk")] * 2 + [longer], 0, 3)
    assert known is not None
    assert (known.rows, known.usual_rows) == ((120, 160), 120)
    np.testing.assert_allclose(known.segment_rows, (40 / 3, 10), atol=0.01)


def test_usual_counts_of_few_recordings_are_less_certain(make_recording: Make) -> None:
    once = protocol(make_recording, "Run", "Walk")
    two, ten = learn_usual_counts([once] * 2, 0, 3), learn_usual_counts([once] * 10, 0, 3)
    assert two is not None
    assert ten is not None
    assert two.mean == ten.mean == (1.0, 1.0)
    assert two.deviation[0] > 2 * ten.deviation[0] > 0
    assert two.rows == (120, 120)
    assert learn_usual_counts([once], 0, 3) is None


def test_a_label_that_no_whole_recording_holds_is_unusual_but_not_impossible(make_recording: Make) -> None:
    known = learn_usual_counts([protocol(make_recording, "Run")] * 5, 0, 3)
    assert known is not None
    assert known.mean[1] == 0
    assert 0 < known.deviation[1] < known.deviation[0]
