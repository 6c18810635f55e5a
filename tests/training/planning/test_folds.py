"""Which recordings are held out together."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.annotations import Recording
from training.planning.folds import assign_folds, class_sizes_by_group, split_by_fold

ClassRows = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), min_size=2, max_size=12)


def class_sizes(*rows: tuple[float, ...]) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    return {f"task {number}": np.array(row, float) for number, row in enumerate(rows)}


@given(ClassRows)
def test_every_group_has_a_fold_and_no_fold_is_empty(rows: list[tuple[int, int]]) -> None:
    folds = assign_folds(class_sizes(*rows), {})
    assert len(folds) == len(rows)
    assert set(folds.values()) == set(range(min(3, len(rows))))


@given(ClassRows, st.integers(1, 4))
def test_groups_keep_their_fold_as_recordings_are_added(rows: list[tuple[int, int]], more: int) -> None:
    before = assign_folds(class_sizes(*rows), {})
    grown = class_sizes(*rows, *[(10, 1)] * more)
    after = assign_folds(grown, before)
    assert set(after.values()) == set(range(min(3, len(grown))))
    assert {group: after[group] for group in before} == before


def test_a_rare_class_is_spread_over_the_folds() -> None:
    folds = assign_folds(class_sizes(*[(100, 0)] * 6, *[(100, 1)] * 3), {})
    assert len({folds[f"task {number}"] for number in (6, 7, 8)}) == 3


def test_a_fold_that_lost_all_its_groups_starts_afresh() -> None:
    folds = assign_folds(class_sizes((1, 1), (1, 1), (1, 1)), {"task 0": 0, "task 1": 0, "task 2": 1})
    assert sorted(folds.values()) == [0, 1, 2]


def test_recordings_of_one_group_are_never_on_both_sides(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(6, groups=["a", "a", "b", "b", "c", "c"])
    folds = assign_folds(class_sizes_by_group(recordings), {})
    splits = split_by_fold(recordings, folds)
    assert len(splits) == 3
    for split in splits:
        assert not {each.group for each in split.training} & {each.group for each in split.held_out}
    assert sorted(each.key for split in splits for each in split.held_out) == ["1", "2", "3", "4", "5", "6"]
