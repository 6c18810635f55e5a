"""The exported graph computes what PyTorch does, and is a file that serving accepts."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from shared.errors import ModelError
from shared.labelling.label_config import LabelConfig
from shared.labelling.snapshots import Snapshot
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import Head, InstantHead, ModelCard, ModelMetrics, RangeHead
from shared.model_file.onnx_file import check_graph, check_seal
from shared.recordings.series import Series
from shared.segmentation.normalisation import around_center, recording_statistics
from shared.segmentation.segmenter import Segmenter
from training.fitting import onnx_graph as graph
from training.fitting.dataset import Statistics, normalise
from training.fitting.export import export_model, predict_probabilities
from training.fitting.network import Network

RANGES = RangeHead(labels=("Run", "Walk"), min_rows=(1, 1, 1))
PLACES = RangeHead(labels=("Indoor",), min_rows=(1, 1))
INSTANTS = InstantHead(labels=("Jump",), spacing=(3,), threshold=(0.4,), half_width=1)
STATISTICS = Statistics(np.array([1e6, 0.0, 5.0]), np.array([2.0, 1.0, 0.1]))


def make_card(heads: Sequence[Head], downsampling: int, window: int = 16) -> ModelCard:
    config = LabelConfig(
        from_name="label",
        to_name="ts",
        value_key="csv",
        value_type="url",
        labels=("Run", "Walk", "Jump"),
        colors=("", "", ""),
        channels=("a", "b", "c"),
    )
    return ModelCard(
        version="20260101T000000Z-abcdef",
        created_at="2026-01-01T00:00:00+00:00",
        project=0,
        label_config=config,
        heads=tuple(heads),
        window=window,
        stride=window // 2,
        downsampling=downsampling,
        channel_mean=tuple(STATISTICS.mean.tolist()),
        channel_std=tuple(STATISTICS.std.tolist()),
        metrics=ModelMetrics(how="not judged", recordings=0),
        snapshot=Snapshot(taken_at="", newest="", tasks=0, annotations=0, digest="", fingerprint=""),
    )


def make_network(heads: Sequence[Head], downsampling: int) -> Network:
    torch.manual_seed(0)
    classes = sum(1 + len(head.labels) for head in heads)
    ranges = [1 + len(head.labels) for head in heads if isinstance(head, RangeHead)]
    network = Network(6, classes, 8, downsampling, ranges, event_expert=classes > sum(ranges)).eval()
    for expert in (network.experts, network.event_expert):
        if expert is not None:
            expert.center.normal_()
            expert.rate.uniform_(0.5, 2)
    return network


def draw_values(rows: int, seed: int = 0) -> NDArray[np.float64]:
    return STATISTICS.mean + STATISTICS.std * np.random.default_rng(seed).normal(size=(rows, 3))


Run = Callable[[NDArray[np.float64]], NDArray[np.float32]]


def open_graph(data: bytes) -> Run:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(values: NDArray[np.float64]) -> NDArray[np.float32]:
        center, scale = recording_statistics(values, STATISTICS.mean, STATISTICS.std)
        windows = around_center(values, center)[None]
        found: NDArray[np.float32] = session.run(
            None, {"windows": windows, "center": center[None, None], "scale": scale[None, None]}
        )[0]
        return np.asarray(found[0])

    return run


@pytest.mark.parametrize(
    "heads",
    [[RANGES], [INSTANTS], [RANGES, INSTANTS], [RANGES, PLACES], [RANGES, PLACES, INSTANTS]],
    ids=["ranges", "instants", "both", "two heads of ranges", "three heads"],
)
@pytest.mark.parametrize("downsampling", [1, 2, 4])
def test_graph_and_network_agree_at_every_length(heads: list[Head], downsampling: int) -> None:
    network = make_network(heads, downsampling)
    run = open_graph(export_model(network, STATISTICS, make_card(heads, downsampling)))
    widths = [1 + len(head.labels) for head in heads]
    for rows in (*range(1, 14), 50):
        values = draw_values(rows)
        expected = predict_probabilities(network, normalise(values, STATISTICS)[None], widths)[0]
        found = run(values)
        assert found.shape == (rows, sum(widths))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_probabilities_of_each_head_sum_to_one() -> None:
    heads: list[Head] = [RANGES, INSTANTS]
    found = open_graph(export_model(make_network(heads, 1), STATISTICS, make_card(heads, 1)))(draw_values(20))
    np.testing.assert_allclose(found[:, :3].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 3:].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("dead", [np.nan, np.inf, 1e6])
def test_with_one_channel_dead_outputs_still_depend_on_the_others(dead: float) -> None:
    run = open_graph(export_model(make_network([RANGES], 2), STATISTICS, make_card([RANGES], 2)))
    one, other = draw_values(30, seed=1), draw_values(30, seed=2)
    one[:, 0] = other[:, 0] = dead
    first, second = run(one), run(other)
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() > 1e-3


def test_nan_and_zero_by_zero_never_leave_the_normalisation() -> None:
    session = onnxruntime.InferenceSession(export_model(make_network([RANGES], 1), STATISTICS, make_card([RANGES], 1)))
    windows = draw_values(10).astype(np.float32)[None]
    windows[0, 3] = np.nan
    windows[0, 4] = 0
    inputs = {"windows": windows, "center": np.zeros((1, 1, 3)), "scale": np.zeros((1, 1, 3), np.float32)}
    assert np.isfinite(session.run(None, inputs)[0]).all()


def test_a_block_may_mix_recordings() -> None:
    data = export_model(make_network([RANGES], 1), STATISTICS, make_card([RANGES], 1))
    session, run = onnxruntime.InferenceSession(data), open_graph(data)
    values = [draw_values(12, seed) for seed in range(3)]
    parts = [recording_statistics(each, STATISTICS.mean, STATISTICS.std) for each in values]
    inputs = {
        "windows": np.stack([around_center(each, center) for each, (center, _) in zip(values, parts, strict=True)]),
        "center": np.stack([center[None] for center, _ in parts]),
        "scale": np.stack([scale[None] for _, scale in parts]),
    }
    found = session.run(None, inputs)[0]
    np.testing.assert_allclose(found, np.stack([run(each) for each in values]), atol=1e-6)


def test_a_segmenter_loads_the_file_and_its_probe_holds() -> None:
    data = export_model(make_network([RANGES, INSTANTS], 1), STATISTICS, make_card([RANGES, INSTANTS], 1))
    check_seal(data)
    check_graph(data)
    segmenter = Segmenter.load(data)
    values = draw_values(70)
    probabilities = segmenter.probabilities(Series(values, TimeAxis.of_rows(70)))
    assert probabilities.shape == (70, 5)


def test_several_heads_of_ranges_load_from_stored_weights() -> None:
    network = make_network([RANGES, PLACES], 1)
    assert Network(**network.arguments).range_heads == (3, 2)
    assert make_network([RANGES], 1).arguments["ranges"] == 3, "a number, as earlier versions stored it"
    assert Network(6, 3, 8, 1, 3).range_heads == (3,)


def test_without_its_event_expert_a_network_keeps_its_heads_of_ranges() -> None:
    network = make_network([RANGES, PLACES, INSTANTS], 1)
    assert network.event_expert is not None
    assert network.without_event_expert().range_heads == (3, 2)


def test_the_same_network_gives_the_same_bytes() -> None:
    one, other = (export_model(make_network([RANGES], 4), STATISTICS, make_card([RANGES], 4)) for _ in range(2))
    assert one == other


def test_versions_of_the_format_are_pinned() -> None:
    model = onnx.load_model_from_string(export_model(make_network([RANGES], 4), STATISTICS, make_card([RANGES], 4)))
    assert model.ir_version == 10
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]


def test_a_graph_that_differs_from_pytorch_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "GATES", (0, 1, 2, 3))
    with pytest.raises(ModelError, match="differs from PyTorch"):
        export_model(make_network([RANGES], 1), STATISTICS, make_card([RANGES], 1))


def test_a_graph_does_its_work_once_a_step_and_one_softmax_a_head() -> None:
    heads: list[Head] = [RANGES, INSTANTS]
    model = onnx.load_model_from_string(export_model(make_network(heads, 4), STATISTICS, make_card(heads, 4)))
    counted = Counter(node.op_type for node in model.graph.node)
    assert (counted["LSTM"], counted["Softmax"], counted["LogSoftmax"]) == (2, 2, 0)
    assert counted["Conv"] == 5  # downsampling, two layers of both experts together, two of the event expert
    assert counted["AveragePool"] == counted["MaxPool"] == 2 + 2 * 3  # a step's, and three widths of them
    assert counted["MatMul"] == 1
