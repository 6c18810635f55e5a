"""Recordings whose events models do not find, though they find others', are named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.predicted_events import predicted
from training.data.annotations import Recording
from training.judging.doubtful_events import doubtful_events
from training.judging.evaluate import HeldOutPrediction

Make = Callable[..., Recording]


def shifted(prediction: HeldOutPrediction) -> HeldOutPrediction:
    """Its last twelve events are marked 8 rows late."""
    events = prediction.recording.events
    late = [replace(event, row=event.row + 8) for event in events[6:]]
    return replace(prediction, recording=replace(prediction.recording, events=(*events[:6], *late), name="late one"))


def test_a_recording_with_shifted_events_is_named(make_recording: Make) -> None:
    said = [predicted(make_recording, number, 0.9, 0.9, 0.0) for number in range(5)]
    assert doubtful_events(said, 2.0) == ""
    found = doubtful_events([*said[:4], shifted(said[4])], 2.0)
    assert "1 of 5 recordings" in found
    assert "late one (0.33)" in found


@pytest.mark.parametrize("right", [1, 2])
def test_nothing_is_doubtful_where_most_recordings_are_found_badly_or_there_are_too_few(
    make_recording: Make, right: int
) -> None:
    said = [predicted(make_recording, number, 0.9, 0.9, 0.0) for number in range(4)]
    assert doubtful_events([shifted(each) for each in said], 2.0) == ""
    assert doubtful_events([*said[:right], shifted(said[3])][:2], 2.0) == ""
