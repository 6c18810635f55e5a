"""Thresholds of instants: learned where there are enough events, from other folds than those they are used on."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shared.labelling.segments import Segment
from shared.model_file.card import InstantHead
from training.data.annotations import LabelKinds, Recording
from training.judging.evaluate import HeldOutPrediction, decode
from training.judging.event_threshold import cross_thresholds, learn_thresholds
from training.planning.decoding_parameters import THRESHOLD

INSTANTS = LabelKinds((), ("Run", "Walk"), ())
ROWS = 400
Make = Callable[..., Recording]


def predicted(make_recording: Make, number: int, run: float, walk: float, noise: float) -> HeldOutPrediction:
    """Nine Runs and nine Walks of these heights; beside each Walk something of height `noise` that looks like one."""
    heights, labels = np.zeros((ROWS, 2)), []
    for at in range(18):
        kind = at % 2
        heights[10 + 20 * at, kind] = (run, walk)[kind]
        labels.append(Segment(10 + 20 * at, 10 + 20 * at, ("Run", "Walk")[kind], instant=True))
        heights[20 + 20 * at, 1] = noise
    recording = replace(make_recording(labels, rows=ROWS, kinds=INSTANTS), key=str(number), group=str(number))
    probabilities = np.concatenate([1 - heights.sum(axis=1, keepdims=True), heights], axis=1).astype(np.float32)
    head = InstantHead(labels=("Run", "Walk"), spacing=(3, 3), threshold=(THRESHOLD,) * 2, half_width=0)
    return HeldOutPrediction(recording, number % 3, (head,), probabilities, tuple(decode([head], probabilities)))


def test_a_label_with_false_alarms_gets_a_higher_threshold_and_no_other(make_recording: Make) -> None:
    said = [predicted(make_recording, number, 0.4, 0.9, 0.46) for number in range(20)]
    run, walk = learn_thresholds(said, 1.0)
    assert run == pytest.approx(THRESHOLD)
    assert 0.46 < walk < 0.5  # the grid's .5, shrunk


def test_few_events_or_recordings_keep_the_default(make_recording: Make) -> None:
    said = [predicted(make_recording, number, 0.4, 0.9, 0.6) for number in range(6)]
    assert learn_thresholds(said[:2], 1.0) == (THRESHOLD, THRESHOLD)
    assert learn_thresholds([], 1.0) == ()


def test_a_rare_label_follows_the_others(make_recording: Make) -> None:
    """Three Runs in one of six recordings say nothing of their own."""
    said = []
    for number in range(6):
        each = predicted(make_recording, number, 0.4, 0.9, 0.6)
        runs = [event for event in each.recording.events if event.label == "Run"][: 3 if number == 0 else 0]
        walks = [event for event in each.recording.events if event.label == "Walk"]
        said.append(replace(each, recording=replace(each.recording, events=tuple(runs + walks))))
    run, walk = learn_thresholds(said, 1.0)
    assert run == pytest.approx(walk, abs=0.1) and run > 0.45


def test_predictions_are_decoded_by_thresholds_of_other_folds(make_recording: Make) -> None:
    """In fold 0 alone there are false alarms: it keeps them, as the others do not know."""
    said = [predicted(make_recording, number, 0.9, 0.9, 0.6 if number % 3 == 0 else 0.0) for number in range(9)]
    found = cross_thresholds(said, 1.0)
    assert {each.recording.key for each in found} == {each.recording.key for each in said}
    alarms = {each.fold: len(each.segments) - 18 for each in found}
    assert alarms[0] > 0 == alarms[1] == alarms[2]
    assert all(each.heads[0] != said[0].heads[0] for each in found if each.fold > 0)
