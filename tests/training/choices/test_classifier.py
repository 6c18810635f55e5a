import numpy as np
import pytest

from training.choices.classifier import fit, fit_temperature, learn_scale, log_softmax, penalties, spread_folds

RANDOM = np.random.default_rng(0)


def test_a_scale_is_that_of_most_recordings_and_0_where_nothing_varies_or_is_known() -> None:
    features = np.stack([np.arange(9.0), np.full(9, 3.0), np.full(9, np.nan)], axis=1)
    features[8, 0] = 1e6
    scale = learn_scale(features, 0)
    assert scale.center.tolist() == [4, 3, 0]
    assert scale.spread[1:].tolist() == [0, 0]


def test_shares_that_differ_by_less_than_networks_do_are_not_blown_up() -> None:
    features = RANDOM.normal(0, 0.01, (20, 3))
    assert learn_scale(features, 2).spread[1:].tolist() == [0.25, 0.25]
    assert learn_scale(100 * features, 2).spread[1:].min() > 0.5


def test_weights_find_what_distinguishes_the_options() -> None:
    right = RANDOM.integers(0, 3, 90)
    inputs = RANDOM.normal(size=(90, 6))
    inputs[:, 2] += 3 * right
    weights = fit(inputs, right, 3, np.full(6, 3.0))
    assert (weights.logits(inputs).argmax(axis=1) == right).mean() > 0.9
    assert np.abs(weights.weights).sum(axis=0).argmax() == 2


def test_inputs_of_classes_are_penalised_less() -> None:
    penalty = penalties(5, 2)
    assert penalty.tolist() == pytest.approx([3, 3, 3, 1 / 3, 1 / 3] * 2)


def test_a_temperature_makes_held_out_logits_mean_what_they_say() -> None:
    true = RANDOM.normal(size=(4000, 2))
    right = (RANDOM.random(4000) < np.exp(log_softmax(true))[:, 1]).astype(np.int64)
    assert fit_temperature(3 * true, right) == pytest.approx(3, rel=0.1)
    assert fit_temperature(true / 2, right) == pytest.approx(0.5, rel=0.1)


def test_folds_keep_groups_together_and_spread_the_options() -> None:
    groups = [f"g{number // 2}" for number in range(24)]
    right = np.array([number // 2 % 2 for number in range(24)])
    folds = spread_folds(groups, right, 4)
    assert folds.max() == 3
    for fold in range(4):
        assert set(right[folds == fold]) == {0, 1}
    assert all(len({int(folds[number]) for number in range(24) if groups[number] == name}) == 1 for name in groups)
