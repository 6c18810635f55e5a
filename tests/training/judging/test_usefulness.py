"""Is a candidate better than nothing?"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from shared.labelling.segments import Segment
from tests.support.synthetic import draw_instants
from training.data.annotations import Recording
from training.judging.evaluate import HeldOutPrediction, Scores, score
from training.judging.usefulness import alike, withheld_because

EMPTY = np.zeros((0, 3), np.float32)
Change = Callable[[Recording, int], list[Segment]]


def scores_of(recordings: list[Recording], change: Change) -> Scores:
    found = [
        HeldOutPrediction(each, 0, (), EMPTY, tuple(change(each, number))) for number, each in enumerate(recordings)
    ]
    return score(found, recordings[0].kinds, 2.0)


def as_marked(recording: Recording, _: int) -> list[Segment]:
    return recording.segments()


def nothing(_: Recording, __: int) -> list[Segment]:
    return []


def every_row_apart(recording: Recording, _: int) -> list[Segment]:
    return [Segment(row, row, "Run") for row in range(0, recording.rows, 2)]


def another_recording(recordings: list[Recording]) -> Change:
    def change(recording: Recording, number: int) -> list[Segment]:
        labels = np.roll(recordings[number - 1].labels[:, 0], recording.rows // 3)
        rolled = replace(recordings[number - 1], labels=labels[:, None])
        return rolled.segments()

    return change


def test_what_finds_the_segments_is_published(make_recordings: Callable[..., list[Recording]]) -> None:
    assert withheld_because(scores_of(make_recordings(3), as_marked)) == ""


@pytest.mark.parametrize("change", [nothing, every_row_apart])
def test_what_saves_no_work_is_withheld(make_recordings: Callable[..., list[Recording]], change: Change) -> None:
    reason = withheld_because(scores_of(make_recordings(3), change))
    assert "work saved" in reason
    assert "Annotate more recordings" in reason
    assert "Publish anyway" in reason


def test_labels_of_another_recording_are_withheld(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(10, rows=400)
    assert withheld_because(scores_of(recordings, another_recording(recordings)))


def test_events_that_are_placed_evenly_are_withheld(make_recordings: Callable[..., list[Recording]]) -> None:
    def evenly(recording: Recording, _: int) -> list[Segment]:
        step = recording.rows // len(recording.events)
        return [
            Segment(place * step + step // 2, place * step + step // 2, event.label, instant=True)
            for place, event in enumerate(recording.events)
        ]

    recordings = make_recordings(5, draw=draw_instants)
    assert withheld_because(scores_of(recordings, as_marked)) == ""
    assert withheld_because(scores_of(recordings, evenly))


def test_of_two_recordings_nothing_is_withheld(make_recordings: Callable[..., list[Recording]]) -> None:
    """A person who has labelled two recordings sees what the model makes of the third one."""
    assert withheld_because(scores_of(make_recordings(2), nothing)) == ""


def test_labels_that_are_not_told_apart_are_named(make_recordings: Callable[..., list[Recording]]) -> None:
    def every_second_swapped(recording: Recording, number: int) -> list[Segment]:
        names: dict[str, Any] = {"Run": "Walk", "Walk": "Run"}
        return [
            msgspec.structs.replace(each, label=names[each.label] if number % 2 else each.label)
            for each in recording.segments()
        ]

    recordings = make_recordings(4)
    assert alike(scores_of(recordings, as_marked)) == []
    assert alike(scores_of(recordings, every_second_swapped)) == [("Run", "Walk")]
