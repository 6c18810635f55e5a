"""Levels of classes, and how far recordings and single classes are from them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shared.labelling.segments import Segment
from training.data.annotations import LabelKinds, Recording
from training.fitting.class_statistics import PRIOR_VARIANCE, learn_class_statistics

KINDS = LabelKinds((("Run", "Walk"),), (), ())
ROWS = 2 * 16384 + 100  # more than are looked at together
Make = Callable[..., Recording]


def hold(make_recording: Make, level: float, of_run: float = 0.0, scale: float = 1.0) -> Recording:
    """Half background at the level, a quarter Run 10 above it, a quarter Walk 20 above it."""
    quarter = ROWS // 4
    marks = [Segment(quarter, 2 * quarter - 1, "Run"), Segment(3 * quarter, 4 * quarter - 1, "Walk")]
    values = level + scale * np.sin(np.arange(ROWS))[:, None]
    values[quarter : 2 * quarter] += 10 + of_run
    values[3 * quarter : 4 * quarter] += 20
    return make_recording(marks, rows=ROWS, values=values, kinds=KINDS)


def learn(recordings: list[Recording], std: float = 0.01):  # type: ignore[no-untyped-def]
    return learn_class_statistics(recordings, np.zeros(1), np.full(1, std), ROWS)


def test_each_class_has_its_level_its_spread_and_its_share(make_recording: Make) -> None:
    found = learn([hold(make_recording, level) for level in (-1, 0, 1)])
    np.testing.assert_allclose(np.array(found.center)[:, 0], [0, 10, 20], atol=0.01)
    np.testing.assert_allclose(np.array(found.spread)[:, 0], np.sqrt(0.5), rtol=0.01)
    np.testing.assert_allclose(found.share, [0.5, 0.25, 0.25], atol=0.01)


def test_recordings_that_differ_are_told_from_classes_that_do(make_recording: Make) -> None:
    moved = learn([hold(make_recording, level) for level in (-3, 0, 3)])
    assert moved.center_between[0] > 4 and moved.center_within[0] < 0.01
    alone = learn([hold(make_recording, 0, of_run) for of_run in (-3, 0, 3)])
    assert alone.center_within[0] > 1 and alone.center_between[0] < 0.5
    wider = learn([hold(make_recording, 0, scale=scale) for scale in (0.2, 1, 5)])
    assert wider.scale_between[0] > 1 and wider.scale_within[0] < 0.01


def test_two_recordings_that_agree_do_not_show_that_all_do(make_recording: Make) -> None:
    found = learn([hold(make_recording, 0)] * 2, std=10.0)
    assert found.center_within[0] == pytest.approx(100 * PRIOR_VARIANCE / 3, rel=0.01)
    assert found.center_between[0] > 0


def test_unknown_rows_absurd_values_and_missing_ones_count_for_nothing(make_recording: Make) -> None:
    clean = [hold(make_recording, level) for level in (-1, 0, 1)]
    values = clean[0].series.values.copy()
    values[5], values[6] = 1e30, np.nan
    known = clean[0].known.copy()
    values[100:200], known[100:200] = 7, False
    soiled = replace(clean[0], series=replace(clean[0].series, values=values), known=known)
    np.testing.assert_allclose(np.array(learn([soiled, *clean[1:]]).center), np.array(learn(clean).center), atol=0.01)


def test_a_label_that_nobody_used_has_the_level_of_all_rows_and_no_share(make_recording: Make) -> None:
    marks = [Segment(0, 49, "Run")]
    values = np.sin(np.arange(100.0))[:, None]
    some = [make_recording(marks, values=values, kinds=KINDS)] * 2
    found = learn_class_statistics(some, np.full(1, 3.0), np.full(1, 2.0), 100)
    assert found is not None
    assert (found.share[2], found.center[2], found.spread[2]) == (0.0, (3.0,), (2.0,))


def test_one_recording_and_instants_alone_teach_nothing(make_recording: Make) -> None:
    assert learn([hold(make_recording, 0)]) is None
    events = make_recording([Segment(3, 3, "Run", instant=True)], kinds=LabelKinds((), ("Run",), ()))
    assert learn([events, events]) is None
