"""The loop learns, weighs, and repeats itself exactly."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.synthetic import draw_instants
from training.data.annotations import UNKNOWN, Recording
from training.fitting.batches import TrainingSet
from training.fitting.dataset import normalise, training_statistics
from training.fitting.fit import FitResult, choose_device, class_weights, fit, weighted_loss
from training.fitting.network import window_statistics
from training.planning.decoding_parameters import Shape, learn_heads
from training.planning.recipe import RANGES, Recipe

SHAPE = Shape(downsampling=2, window=32, stride=24, fit_window=32)
RECIPE = replace(RANGES, noise=0.1)
ONES = torch.ones(1, 6, 1)


def run_fit(recordings: list[Recording], steps: int = 40, seed: int = 0, recipe: Recipe = RECIPE) -> FitResult:
    heads = learn_heads(recordings, recordings[0].kinds)
    data = TrainingSet(recordings, heads, SHAPE, training_statistics(recordings, 4.0), recipe)
    return fit(
        data,
        hidden_size=8,
        downsampling=SHAPE.downsampling,
        ranges=[1 + len(labels) for labels in recordings[0].kinds.heads],
        steps=steps,
        epochs=1000,
        seed=seed,
        use_class_weights=True,
        device=torch.device("cpu"),
        recipe=recipe,
        report=lambda step, loss: None,
    )


def test_the_loss_falls(make_recordings: Callable[..., list[Recording]]) -> None:
    fitted = run_fit(make_recordings(3), steps=100)
    assert fitted.losses[-1] < 0.7 * fitted.losses[0]


def test_same_data_and_seed_give_the_same_weights(make_recordings: Callable[..., list[Recording]]) -> None:
    one, same, other = (run_fit(make_recordings(2), steps=5, seed=seed).network.state() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_an_epoch_is_one_pass_over_the_training_windows(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(2, rows=320)
    windows = sum(SHAPE.windows(each.rows) for each in recordings)
    assert run_fit(recordings, steps=7).epochs == pytest.approx(7 * RECIPE.batch / windows)


def test_weights_are_square_roots_of_inverse_frequency_and_capped() -> None:
    counts = np.array([10_000.0, 400.0, 1.0, 0.0])
    np.testing.assert_allclose(class_weights(counts, np.ones(4), RECIPE), [1, 5, 10, 0])


def test_what_batches_hold_oftener_weighs_less_in_the_end() -> None:
    counts, inflation = np.array([10_000.0, 400.0, 1.0]), np.array([1.0, 4.0, 25.0])
    np.testing.assert_allclose(class_weights(counts, inflation, RECIPE), [1, 5, 2])


def test_the_mean_of_weights_over_a_fit_is_steadier_than_the_last(
    make_recordings: Callable[..., list[Recording]],
) -> None:
    recordings = make_recordings(2)
    plain, averaged = (
        run_fit(recordings, steps=12, recipe=replace(RECIPE, averaging=each)).network.state() for each in (0.0, 0.98)
    )
    start = run_fit(recordings, steps=1, recipe=replace(RECIPE, learning_rate=0.0, weight_decay=0.0)).network.state()
    moved, mean = (
        sum(float((each[name] - start[name]).square().sum()) for name in start if not name.startswith("experts"))
        for each in (plain, averaged)
    )
    assert 0 < mean < moved


def test_unknown_rows_cost_nothing() -> None:
    logits = torch.randn(1, 6, 3)
    targets = torch.tensor([[[0], [1], [2], [UNKNOWN], [UNKNOWN], [UNKNOWN]]])
    weights = [torch.tensor([1.0, 2.0, 3.0])]
    whole = weighted_loss([logits], targets, ONES, weights)
    known = weighted_loss([logits[:, :3]], targets[:, :3], ONES[:, :3], weights)
    torch.testing.assert_close(whole, known)
    nothing = weighted_loss([logits], torch.full_like(targets, UNKNOWN), ONES, weights)
    assert float(nothing) == 0


def test_the_loss_is_the_weighted_cross_entropy() -> None:
    logits, targets = torch.randn(1, 6, 3), torch.randint(3, (1, 6, 1))
    weight = torch.tensor([1.0, 2.0, 3.0])
    expected = torch.nn.functional.cross_entropy(logits[0], targets[0, :, 0], weight)
    torch.testing.assert_close(weighted_loss([logits], targets, ONES, [weight]), expected)


def test_a_row_that_is_an_instant_in_part_is_background_for_the_rest() -> None:
    logits = torch.randn(1, 6, 2)
    targets, shares = torch.ones(1, 6, 1, dtype=torch.int64), torch.full((1, 6, 1), 0.25)
    logs = logits.log_softmax(-1)[0]
    expected = -(0.25 * logs[:, 1] + 0.75 * logs[:, 0]).mean()
    torch.testing.assert_close(weighted_loss([logits], targets, shares, [torch.ones(2)]), expected)


def test_experts_learn_what_statistics_tell(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(4, rows=400)
    network = run_fit(recordings, steps=1).network
    assert network.experts is not None
    statistics = training_statistics(recordings, 4.0)
    right = []
    for recording in recordings:
        rows = torch.from_numpy(normalise(recording.series.values, statistics))[None]
        with torch.inference_mode():
            said = network.experts(window_statistics(rows, SHAPE.downsampling))[0].argmax(-1)
        right.append((said.numpy() == recording.labels[:: SHAPE.downsampling]).mean(axis=0))
    assert np.mean(right, axis=0).min() > 0.8


def test_the_event_expert_tells_where_there_is_an_event(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(4, rows=600, draw=draw_instants)
    network = run_fit(recordings, steps=1).network
    assert network.event_expert is not None
    rows = torch.from_numpy(normalise(recordings[0].series.values, training_statistics(recordings, 4.0)))[None]
    with torch.inference_mode():
        odds = network.event_expert(window_statistics(rows, SHAPE.downsampling))[0, :, 0].numpy()
    near = np.zeros(len(odds), bool)
    near[[event.row // SHAPE.downsampling for event in recordings[0].events]] = True
    assert np.median(odds[near]) > 1 > -1 > np.median(odds[~near])


def test_without_its_event_expert_a_network_says_what_the_lstm_says(
    make_recordings: Callable[..., list[Recording]],
) -> None:
    recordings = make_recordings(2, draw=draw_instants)
    network = run_fit(recordings, steps=2).network
    rows = torch.from_numpy(normalise(recordings[0].series.values, training_statistics(recordings, 4.0)))[None]
    alone = network.without_event_expert()
    with torch.inference_mode():
        torch.testing.assert_close(alone(rows), network.recurrent(rows))
        assert not torch.allclose(alone(rows), network(rows), atol=0.01)
        labels = network(rows)[..., 1:].log_softmax(-1)
        torch.testing.assert_close(labels, alone(rows)[..., 1:].log_softmax(-1))
    assert alone.without_event_expert() is alone


def test_the_device_is_a_gpu_only_where_torch_finds_one() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
