"""Recordings whose instants are marked elsewhere than in all others are left out of a fit."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.support.synthetic import draw_instants, draw_ranges
from training.data.annotations import Recording
from training.fitting.dataset import training_statistics
from training.fitting.doubtful_recordings import leave_out_doubtful
from training.planning.decoding_parameters import Shape, learn_heads
from training.planning.recipe import INSTANTS

SHAPE = Shape(downsampling=1, window=64, stride=48, fit_window=64)
Make = Callable[..., list[Recording]]


def fitted_on(recordings: Sequence[Recording]) -> list[str]:
    heads, statistics = learn_heads(recordings, recordings[0].kinds), training_statistics(recordings, 4.0)
    return [each.key for each in leave_out_doubtful(recordings, heads, SHAPE, statistics, INSTANTS, 0)]


def late(recording: Recording) -> Recording:
    """All but the first three events are marked 8 rows late."""
    events = recording.events
    return replace(recording, events=(*events[:3], *(replace(each, row=each.row + 8) for each in events[3:])))


def test_shifted_recordings_are_left_out_and_no_others(make_recordings: Make) -> None:
    recordings = make_recordings(9, rows=500, draw=draw_instants)
    assert fitted_on(recordings) == [each.key for each in recordings]
    shifted = [late(each) if each.key in ("3", "8") else each for each in recordings]
    assert fitted_on(shifted) == [each.key for each in recordings if each.key not in ("3", "8")]


@pytest.mark.parametrize("count", [1, 5])
def test_of_few_recordings_none_is_left_out(make_recordings: Make, count: int) -> None:
    recordings = make_recordings(count, rows=500, draw=draw_instants)
    assert len(fitted_on([late(recordings[0]), *recordings[1:]])) == count


def test_where_most_events_are_not_found_it_is_the_expert_that_is_doubtful(make_recordings: Make) -> None:
    """Six recordings have marks anywhere, two have them right."""
    recordings = make_recordings(8, rows=500, draw=draw_instants)
    random = np.random.default_rng(0)
    for number, each in enumerate(recordings[:6]):
        rows = np.sort(random.choice(500, len(each.events), replace=False))
        events = tuple(replace(event, row=int(row)) for event, row in zip(each.events, rows, strict=True))
        recordings[number] = replace(each, events=events)
    assert len(fitted_on(recordings)) == 8


def test_ranges_are_never_doubted(make_recordings: Make) -> None:
    assert len(fitted_on(make_recordings(7, draw=draw_ranges))) == 7
