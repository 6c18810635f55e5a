from collections.abc import Callable
from dataclasses import replace

from shared.labelling.segments import Segment
from training.data.annotations import LabelKinds, Recording
from training.planning.event_label_prior import STRENGTH, learn_event_label_prior

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
