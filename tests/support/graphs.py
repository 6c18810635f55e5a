"""Small real models for tests: graphs with the inputs, nodes and metadata of those that training exports."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from shared.labelling.label_config import LabelConfig
from shared.labelling.snapshots import Snapshot
from shared.model_file.card import Head, InstantHead, ModelCard, ModelMetrics, RangeHead, encode_card
from shared.model_file.onnx_file import add_metadata, seal
from shared.model_file.probe import Probe, encode_probe

Kind = Literal["lstm", "threshold"]


def make_config(labels: Sequence[str] = ("Run", "Walk"), channels: Sequence[str] = ("value",)) -> LabelConfig:
    """The configuration that existing users have: row index as time."""
    return LabelConfig(
        from_name="label",
        to_name="ts",
        value_key="csv_url",
        value_type="url",
        labels=tuple(labels),
        colors=("",) * len(labels),
        channels=tuple(channels),
    )


def make_card(
    labels: Sequence[str] = ("Run", "Walk"),
    instants: Sequence[str] = (),
    channels: Sequence[str] = ("value",),
    **changes: Any,
) -> ModelCard:
    """A card with a head of ranges for `labels` and one of instants for `instants`; `changes` replace its fields."""
    heads: list[Head] = []
    if labels:
        heads.append(RangeHead(labels=tuple(labels), min_rows=(3,) * (1 + len(labels))))
    if instants:
        count = len(instants)
        heads.append(InstantHead(labels=tuple(instants), spacing=(5,) * count, threshold=(0.4,) * count, half_width=1))
    card = ModelCard(
        version="20260101T000000Z-000000",
        created_at="2026-01-01T00:00:00Z",
        project=0,
        label_config=make_config((*labels, *instants), channels),
        heads=tuple(heads),
        window=50,
        stride=25,
        downsampling=1,
        channel_mean=(0.0,) * len(channels),
        channel_std=(1.0,) * len(channels),
        metrics=ModelMetrics(how="not judged", recordings=0),
        snapshot=Snapshot(taken_at="", newest="", tasks=0, annotations=0, digest="", fingerprint=""),
    )
    return msgspec.structs.replace(card, **changes)


def make_model(
    labels: Sequence[str] = ("Run", "Walk"),
    *,
    instants: Sequence[str] = (),
    channels: Sequence[str] = ("value",),
    kind: Kind = "lstm",
    hidden: int = 8,
    layers: int = 1,
    seed: int = 0,
    **changes: Any,
) -> bytes:
    """A sealed model file.

    kind "lstm": convolution, bidirectional LSTM and linear head with random weights. "threshold": label i is likely
    where channel i lies more than half a standard deviation of the recording above its mean; the labels that are more
    than there are channels go by the channels again, below the mean, and so on.
    """
    card = make_card(labels, instants, channels, **changes)
    return seal_model(make_graph(card, kind=kind, hidden=hidden, layers=layers, seed=seed), card)


def seal_model(graph: bytes, card: ModelCard, probe: Probe | None = None) -> bytes:
    """A graph with its card, a probe (by default computed from it), and the seal."""
    probe = probe or make_probe(graph, card)
    return seal(add_metadata(graph, {"card": encode_card(card), "probe": encode_probe(probe)}))


def make_probe(graph: bytes, card: ModelCard) -> Probe:
    """Random input of two windows, one of them with a gap, and what the graph gives for it."""
    return _probe(graph, card.channel_mean)


@lru_cache(maxsize=64)
def _probe(graph: bytes, mean: tuple[float, ...]) -> Probe:
    channels = len(mean)
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(2, 16, channels)).astype(np.float32)
    windows[1, 3:9, 0] = 0
    center = np.array(mean)[None, None]
    scale = np.full((1, 1, channels), 1.5, np.float32)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"windows": windows, "center": center, "scale": scale})
    return Probe(windows, center, scale, found)


def make_graph(card: ModelCard, *, kind: Kind = "lstm", hidden: int = 8, layers: int = 1, seed: int = 0) -> bytes:
    """An ONNX graph without metadata."""
    widths = tuple(1 + len(head.labels) for head in card.heads)
    shape = _Shape(widths, card.channel_mean, card.channel_std, card.downsampling)
    return _make_graph(shape, kind, hidden, layers, seed)


class _Shape(NamedTuple):
    """What a graph depends on, of a card."""

    widths: tuple[int, ...]  # classes of each head
    mean: tuple[float, ...]
    std: tuple[float, ...]
    downsampling: int

    @property
    def channels(self) -> int:
        return len(self.mean)

    @property
    def classes(self) -> int:
        return sum(self.widths)


@lru_cache(maxsize=64)
def _make_graph(shape: _Shape, kind: Kind, hidden: int, layers: int, seed: int) -> bytes:
    graph = _Graph(np.random.default_rng(seed))
    features = _normalised(graph, shape)
    threshold = kind == "threshold"
    logits = _thresholds(graph, shape, features) if threshold else _lstm(graph, shape, features, hidden, layers)
    _softmax_of_heads(graph, shape, logits)
    model: bytes = graph.model(shape.channels, shape.classes).SerializeToString()
    return model


class _Graph:
    """Nodes and weights in the order in which they are added."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._rng = rng

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Any, dtype: type[np.generic]) -> str:
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def random(self, *shape: int) -> str:
        return self.constant(self._rng.normal(size=shape) / np.sqrt(shape[-1]), np.float32)

    def model(self, channels: int, columns: int) -> ModelProto:
        inputs = [
            helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", "length", channels]),
            helper.make_tensor_value_info("center", TensorProto.DOUBLE, ["n", 1, channels]),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["n", 1, channels]),
        ]
        outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", "length", columns])]
        graph = helper.make_graph(self.nodes, "segmenter", inputs, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def _normalised(graph: _Graph, shape: _Shape) -> str:
    """Both normalisations, gaps as 0, clipped: [batch, length, 2 channels], the training set's first."""
    zero = graph.constant(0, np.float32)
    limits = graph.constant(-10, np.float32), graph.constant(10, np.float32)
    offset = graph.add("Sub", "center", graph.constant(np.reshape(shape.mean, (1, 1, -1)), np.float64))
    raw = graph.add("Add", "windows", graph.add("Cast", offset, to=TensorProto.FLOAT))
    std = graph.constant(np.reshape(shape.std, (1, 1, -1)), np.float32)
    parts = []
    for value, divisor in ((raw, std), ("windows", "scale")):
        divided = graph.add("Div", value, divisor)
        whole = graph.add("Where", graph.add("IsNaN", divided), zero, divided)
        parts.append(graph.add("Clip", whole, *limits))
    return graph.add("Concat", *parts, axis=-1)


def _thresholds(graph: _Graph, shape: _Shape, features: str) -> str:
    channels = shape.channels
    weight, bias, column = np.zeros((2 * channels, shape.classes)), np.zeros(shape.classes), 0
    for width in shape.widths:
        for index in range(width - 1):
            turn, channel = divmod(index, channels)
            weight[channels + channel, column + 1 + index] = (8 if turn % 2 == 0 else -8) * (1 + turn // 2)
            bias[column + 1 + index] = -4 * (1 + 4 * (turn // 2))
        column += width
    return graph.add(
        "Add", graph.add("MatMul", features, graph.constant(weight, np.float32)), graph.constant(bias, np.float32)
    )


def _lstm(graph: _Graph, shape: _Shape, features: str, hidden: int, layers: int) -> str:
    """Convolution of s + 4 rows and stride s (downsampling), LSTM, s × classes logits a step, cut to the rows."""
    downsampling, size = shape.downsampling, 2 * shape.channels
    rows = graph.add("Transpose", features, perm=[0, 2, 1])
    convolved = graph.add(
        "Conv", rows, graph.random(hidden, size, downsampling + 4), strides=[downsampling], pads=[2, downsampling + 1]
    )
    steps = graph.add("Transpose", graph.add("Relu", convolved), perm=[2, 0, 1])
    size = hidden
    for _ in range(layers):
        weights = graph.random(2, 4 * hidden, size), graph.random(2, 4 * hidden, hidden), graph.random(2, 8 * hidden)
        states = graph.add("LSTM", steps, *weights, hidden_size=hidden, direction="bidirectional")
        by_batch = graph.add("Transpose", states, perm=[0, 2, 1, 3])
        steps = graph.add("Reshape", by_batch, graph.constant([0, 0, 2 * hidden], np.int64))
        size = 2 * hidden
    logits = graph.add(
        "MatMul", steps, graph.constant(3 * _weights(graph, size, downsampling * shape.classes), np.float32)
    )
    by_window = graph.add("Transpose", logits, perm=[1, 0, 2])
    flat = graph.add("Reshape", by_window, graph.constant([0, -1, shape.classes], np.int64))
    lengths = graph.add("Shape", "windows")
    one, two = graph.constant([1], np.int64), graph.constant([2], np.int64)
    return graph.add("Slice", flat, graph.constant([0], np.int64), graph.add("Slice", lengths, one, two), one)


def _weights(graph: _Graph, rows: int, columns: int) -> NDArray[np.float64]:
    return graph._rng.normal(size=(rows, columns))


def _softmax_of_heads(graph: _Graph, shape: _Shape, logits: str) -> None:
    if len(shape.widths) == 1:
        graph.add("Softmax", logits, axis=-1, output="probabilities")
        return
    names = [f"head{index}" for index in range(len(shape.widths))]
    graph.nodes.append(helper.make_node("Split", [logits, graph.constant(shape.widths, np.int64)], names, axis=-1))
    graph.add("Concat", *[graph.add("Softmax", name, axis=-1) for name in names], axis=-1, output="probabilities")
