"""What is held out together, and how long a first schedule is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from shared.settings import Settings
from training.data.annotations import Recording
from training.planning.plan import make_plan


def test_few_rows_want_few_steps(make_recordings: Callable[..., list[Recording]], settings: Settings) -> None:
    plan = make_plan(make_recordings(1), make_recordings(1)[0].kinds, settings, {})
    steps = {}
    for rows in (1_000, 35_000, 100_000, 10**6):
        (recording,) = make_recordings(1, rows=100)
        wide = replace(recording, labels=np.zeros(rows, np.int16))
        steps[rows] = replace(plan, recordings=(wide,)).first_steps(100_000)
    assert steps == {1_000: 200, 35_000: 200, 100_000: 336, 10**6: 800}


def test_groups_are_held_out_together_unless_there_are_too_few(
    make_recordings: Callable[..., list[Recording]], settings: Settings
) -> None:
    many = make_recordings(6, rows=80, groups=["a", "a", "b", "b", "c", "c"])
    plan = make_plan(many, many[0].kinds, settings, {})
    assert (plan.how, set(plan.folds)) == ("out-of-fold", {"a", "b", "c"})
    few = make_recordings(4, rows=80, groups=["a", "a", "a", "b"])
    plan = make_plan(few, few[0].kinds, settings, {})
    assert (plan.how, len(plan.folds)) == ("by-recording", 4)
    assert "Only 2 groups" in plan.notes[0]


def test_what_nobody_looked_at_is_learned_from_and_never_held_out(
    make_recordings: Callable[..., list[Recording]], settings: Settings
) -> None:
    found = make_recordings(6, rows=80)
    found[4:] = [replace(each, machine_made=True) for each in found[4:]]
    plan = make_plan(found, found[0].kinds, settings, {})
    held_out = [each.key for split in plan.splits for each in split.held_out]
    assert sorted(held_out) == ["1", "2", "3", "4"]
    assert {each.key for split in plan.splits for each in split.training} >= {"5", "6"}
    none = make_plan(found[4:], found[0].kinds, settings, {})
    assert (none.how, none.splits) == ("not judged", ())
