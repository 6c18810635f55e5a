from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.model_file.card import LabelSequencePrior
from shared.segmentation.label_sequence_prior import EVIDENCE, MOST_GROUPS, prior_for, relabel, relabel_joined

Doubles = NDArray[np.float64]
ONCE = (-4.0, -0.05, -4.0)


def make_prior(counts: list[tuple[float, ...]], order: Doubles | None = None) -> LabelSequencePrior:
    classes = 1 + len(counts)
    table = np.zeros((classes, classes)) if order is None else order
    return LabelSequencePrior(counts=tuple(counts), order=tuple(map(tuple, table.tolist())), rows=(100, 200))


def likelihood(means: Doubles, labels: tuple[int, ...], label_sequence_prior: LabelSequencePrior) -> float:
    """One labeling, step by step."""
    total, event_label_prior = 0.0, [0] * means.shape[1]
    for group, label in enumerate(labels):
        total += EVIDENCE * means[group, label]
        before = labels[group - 1] if group else None
        if label != before:
            event_label_prior[label] += 1
            total += label_sequence_prior.order[before][label] if before is not None else 0.0
    return total + sum(
        counts[min(event_label_prior[label], len(counts) - 1)]
        for label, counts in enumerate(label_sequence_prior.counts, 1)
    )


@given(groups=st.integers(1, 5), seed=st.integers(0, 10**6))
@settings(max_examples=100)
def test_no_single_change_and_no_swap_is_better(groups: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    means = np.log(np.maximum(random.dirichlet(np.ones(3), size=groups), 0.01))
    label_sequence_prior = make_prior(
        [tuple(np.log(random.dirichlet(np.ones(3))).tolist()) for _ in range(2)], random.normal(size=(3, 3))
    )
    classes, logs = relabel(means, means.argmax(axis=1), label_sequence_prior)
    found = tuple(classes.tolist())
    best = likelihood(means, found, label_sequence_prior)
    start = tuple(means.argmax(axis=1).tolist())
    assert best >= likelihood(means, start, label_sequence_prior)
    for other in product(range(3), repeat=groups):
        changed = [place for place in range(groups) if other[place] != found[place]]
        swap = len(changed) == 2 and all(other[a] == found[b] for a, b in (changed, changed[::-1]))
        if len(changed) == 1 or swap:
            total = likelihood(means, other, label_sequence_prior)
            assert total <= best + 1e-6
            for place in changed:
                assert logs[place, other[place]] >= (total - best) / EVIDENCE - 1e-6
    np.testing.assert_allclose(logs[np.arange(groups), classes], 0, atol=1e-9)


def test_of_two_twins_each_gets_its_label() -> None:
    means = np.log([[0.02, 0.58, 0.4], [0.02, 0.5, 0.48]])
    classes, logs = relabel(means, np.array([1, 1]), make_prior([ONCE, ONCE]))
    assert classes.tolist() == [1, 2]
    assert (logs[:, 1:] > -1).all()  # the other way round is nearly as likely, and said to be


def test_clear_rows_outweigh_what_recordings_are_made_of() -> None:
    means = np.log([[0.01, 0.98, 0.01], [0.98, 0.01, 0.01], [0.01, 0.98, 0.01]])
    classes, _ = relabel(means, np.array([1, 0, 1]), make_prior([ONCE, ONCE]))
    assert classes.tolist() == [1, 0, 1]


def test_what_rows_rule_out_is_not_tried() -> None:
    means = np.log([[1e-7, 1.0, 1e-7], [1e-7, 0.6, 0.4]])
    classes, logs = relabel(means, np.array([1, 1]), make_prior([ONCE, ONCE]))
    assert classes.tolist() == [1, 2]
    assert logs[0, 0] == pytest.approx(np.log(1e-7))


def test_what_follows_what_decides_a_close_call() -> None:
    order = np.zeros((3, 3))
    order[1, 2], order[1, 0] = 1.5, -1.5
    means = np.log([[0.05, 0.9, 0.05], [0.5, 0.02, 0.48]])
    level = make_prior([(-1.0, -1.0, -1.0)] * 2)
    assert relabel(means, np.array([1, 0]), level).classes.tolist() == [1, 0]
    ordered = make_prior([(-1.0, -1.0, -1.0)] * 2, order)
    assert relabel(means, np.array([1, 0]), ordered).classes.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("rows", "groups", "expected"),
    [(50, 3, True), (49, 3, False), (300, 3, True), (301, 3, False), (100, 0, False), (100, MOST_GROUPS + 1, False)],
)
def test_only_recordings_like_the_known_ones_are_relabelled(rows: int, groups: int, expected: bool) -> None:
    assert (prior_for(make_prior([ONCE, ONCE]), rows, groups) is not None) is expected


def test_without_a_prior_nothing_applies() -> None:
    assert prior_for(None, 100, 3) is None


@pytest.mark.parametrize("value", [1e308, -1e308, float("inf"), float("nan")])
def test_logarithms_beyond_all_measure_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="logarithm of the label-sequence prior"):
        make_prior([(-1.0, value, -1.0)])


def once_each(rows: tuple[int, int] = (100, 100)) -> LabelSequencePrior:
    once = tuple(np.log([0.01, 0.97, 0.01, 0.01]).tolist())
    return LabelSequencePrior(
        counts=(once,) * 2, order=((0.0,) * 3,) * 3, rows=rows, usual_rows=100, segment_rows=(10.0, 40.0)
    )


def counts_of(rows: int) -> Doubles:
    prior = prior_for(once_each(), rows, 4)
    assert prior is not None
    return np.exp(prior.counts)


def test_a_part_holds_each_segment_as_often_as_it_meets_it() -> None:
    short, long = counts_of(50)
    assert short[0] == pytest.approx(1 - 60 / 110, abs=0.03)  # 50 rows meet one of 10 among 100
    assert long[0] == pytest.approx(1 - 90 / 140, abs=0.03)
    assert short[2] < 0.1 * short[1], "still at most once"


def test_two_joined_recordings_hold_each_label_twice() -> None:
    for counts in counts_of(200):
        assert int(counts.argmax()) == 2
        assert counts[2] > 5 * counts[1]


def test_a_recording_as_long_as_known_ones_is_mostly_a_whole_one() -> None:
    for counts in counts_of(100):
        assert counts[1] > 0.9


def test_a_recording_a_little_longer_or_shorter_than_known_ones_is_mostly_a_whole_one() -> None:
    """One of 3,123 rows among known ones of 1,453 to 2,979 was taken for two: accuracy .84 instead of 1."""
    for rows in (94, 106):
        for counts in counts_of(rows):
            assert int(counts.argmax()) == 1
            assert counts[1] > 5 * counts[2]
    for rows in (80, 125):
        for counts in counts_of(rows):
            assert counts[1] < 0.9


def test_a_recording_a_little_longer_than_known_ones_is_not_cut_in_two() -> None:
    """It could be cut into two of known lengths, each of which lacks a label."""
    means = np.log([[0.02, 0.9, 0.08], [0.02, 0.52, 0.46]])
    start, lengths, prior = np.array([1, 1]), np.array([54, 53]), once_each(rows=(50, 100))
    joined = relabel_joined(means, start, lengths, prior)
    assert joined is not None
    assert joined.classes.tolist() == [1, 2]
    twice = relabel_joined(means, start, np.array([90, 90]), prior)
    assert twice is not None
    assert twice.classes.tolist() == [1, 1], "too long for one: two recordings, each without a label"


@given(rows=st.integers(1, 2000))
@settings(max_examples=100, deadline=None)
def test_probabilities_of_counts_sum_to_one_at_every_length(rows: int) -> None:
    np.testing.assert_allclose(counts_of(rows).sum(axis=1), 1, atol=1e-3)


def test_a_missing_label_is_not_forced_upon_a_part() -> None:
    """A whole recording has each label once; a part may hold label 1 alone."""
    means = np.log([[0.03, 0.94, 0.03], [0.6, 0.05, 0.35]])
    whole, half = prior_for(once_each(), 100, 2), prior_for(once_each(), 40, 2)
    assert whole is not None
    assert half is not None
    start = np.array([1, 0])
    assert relabel(means, start, half).classes.tolist() == [1, 0]
    assert relabel(means, start, whole).classes.tolist() == [1, 2]


def test_joined_recordings_hold_each_label_once_in_each() -> None:
    """By rows: 1 2 | 1 1. Counts of both together would allow it; each recording for itself has label 2 once."""
    means = np.log([[0.02, 0.9, 0.08], [0.02, 0.08, 0.9], [0.02, 0.9, 0.08], [0.02, 0.52, 0.46]])
    start, lengths = np.array([1, 2, 1, 1]), np.array([50, 50, 50, 50])
    found = relabel_joined(means, start, lengths, once_each())
    assert found is not None
    assert found.classes.tolist() == [1, 2, 1, 2]
    assert found.logs.shape == means.shape
    np.testing.assert_allclose(found.logs[np.arange(4), found.classes], 0, atol=1e-9)


@pytest.mark.parametrize("lengths", [(25, 25, 25, 25), (90, 90, 60, 60)])
def test_what_is_no_longer_than_known_or_cannot_be_cut_into_known_lengths_is_not_joined(
    lengths: tuple[int, ...],
) -> None:
    means = np.full((4, 3), -1.0)
    assert relabel_joined(means, np.array([1, 2, 1, 2]), np.array(lengths), once_each()) is None


def test_a_card_that_knows_no_other_lengths_joins_nothing() -> None:
    old = make_prior([ONCE, ONCE])
    assert relabel_joined(np.full((4, 3), -1.0), np.array([1, 2, 1, 2]), np.array([100] * 4), old) is None


def test_cuts_lie_where_whole_recordings_are_most_likely() -> None:
    """Recordings of 80 to 120 rows: five groups may be cut before the third or the fourth; label 2 must be in both."""
    means = np.log([[0.02, 0.9, 0.08], [0.02, 0.08, 0.9], [0.9, 0.05, 0.05], [0.02, 0.08, 0.9], [0.02, 0.9, 0.08]])
    start, lengths = np.array([1, 2, 0, 2, 1]), np.array([40, 40, 30, 40, 40])
    found = relabel_joined(means, start, lengths, once_each((80, 120)))
    assert found is not None
    assert found.classes.tolist() == [1, 2, 0, 2, 1]


def test_ways_to_cut_are_not_tried_without_end() -> None:
    """Known lengths that allow any cut of 60 groups: the counts of all together decide instead."""
    means = np.full((60, 3), -1.0)
    assert relabel_joined(means, np.tile([1, 2], 30), np.full(60, 10), once_each((10, 500))) is None
