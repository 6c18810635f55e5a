from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shared.labelling.segments import Segment
from training.data.annotations import LabelKinds, Recording
from training.planning.event_label_prior import GAP_NOISE, STRENGTH, learn_event_gaps, learn_event_label_prior

LABELS = ("Run", "Walk")
Make = Callable[..., Recording]


def hold(make_recording: Make, runs: int, walks: int) -> Recording:
    labels = ["Run"] * runs + ["Walk"] * walks
    marks = [Segment(4 * at, 4 * at, label, instant=True) for at, label in enumerate(labels)]
    return replace(make_recording(marks, kinds=LabelKinds((), LABELS, ())), key=f"{runs}, {walks}")


def test_the_mean_share_of_each_label_is_learned(make_recording: Make) -> None:
    run, walk = learn_event_label_prior([hold(make_recording, 16, 4)] * 20, LABELS)
    assert abs(run / (run + walk) - 0.8) < 0.02


def test_shares_that_vary_are_a_weak_law(make_recording: Make) -> None:
    alike = learn_event_label_prior([hold(make_recording, 16, 4)] * 6, LABELS)
    varied = learn_event_label_prior([hold(make_recording, 20 - n, n) for n in (0, 2, 18, 10, 20, 1)], LABELS)
    assert sum(alike) > 5 * sum(varied) >= 5 * STRENGTH


def test_a_label_that_recordings_lack_stays_possible(make_recording: Make) -> None:
    assert learn_event_label_prior([hold(make_recording, 10, 0)] * 10, LABELS)[1] > 0


def test_one_label_and_one_recording_teach_nothing(make_recording: Make) -> None:
    some = hold(make_recording, 16, 4)
    assert learn_event_label_prior([some], LABELS) == ()
    assert learn_event_label_prior([some, hold(make_recording, 0, 0)], LABELS) == ()
    assert learn_event_label_prior([some] * 3, ("Run",)) == ()


def beat(make_recording: Make, key: str) -> Recording:
    """A Run every 20 rows; each fifth event is a Walk, 8 rows early."""
    rows = [20 * at - 8 * (at % 5 == 4) for at in range(30)]
    marks = [Segment(row, row, "Walk" if at % 5 == 4 else "Run", instant=True) for at, row in enumerate(rows)]
    return replace(make_recording(marks, rows=600, kinds=LabelKinds((), LABELS, ())), key=key)


def test_gaps_around_the_events_of_each_label_are_learned(make_recording: Make) -> None:
    run, walk = learn_event_gaps([beat(make_recording, str(number)) for number in range(30)], LABELS)
    assert walk[:2] == pytest.approx(np.log([12 / 20, 28 / 20]), abs=0.1)
    assert walk[0] < run[0] and walk[1] > run[1]
    assert min(walk[2], walk[4]) >= GAP_NOISE


def test_a_gap_that_holds_unknown_rows_teaches_nothing(make_recording: Make) -> None:
    """Events every 10 rows, but none from row 100 on for 100 rows."""
    rows = [*range(0, 100, 10), *range(200, 300, 10)]
    marks = [Segment(row, row, "Run" if at % 2 else "Walk", instant=True) for at, row in enumerate(rows)]
    recording = make_recording(marks, rows=300, kinds=LabelKinds((), LABELS, ()))
    known = np.array(recording.known)
    known[100:200] = False
    longest = {}
    for name, some in (("known", recording), ("unknown", replace(recording, known=known))):
        gaps = learn_event_gaps([replace(some, key=key) for key in "abc"], LABELS)
        longest[name] = max(abs(mean) for label in gaps for mean in label[:2])
    assert longest["unknown"] == 0.0 < longest["known"]


def test_gaps_of_one_label_or_of_one_recording_are_not_learned(make_recording: Make) -> None:
    some = beat(make_recording, "a")
    assert learn_event_gaps([some], LABELS) == ()
    assert learn_event_gaps([some, replace(some, key="b")], ("Run",)) == ()
    assert learn_event_gaps([some, hold(make_recording, 2, 0)], LABELS) == ()
