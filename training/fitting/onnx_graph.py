"""Network ► ONNX nodes: normalisation, LSTM and experts, softmax of each head.

Built node by node: exporters of PyTorch took 37 to 132 s, and fixed the length of a window.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.fitting.dataset import LIMIT, Statistics
from training.fitting.network import (
    CONTEXT,
    EVENT_SHARE,
    EXPERT_SHARE,
    EXPERT_SIZE,
    LARGEST_FEATURE,
    LSTM_SHARE,
    NUM_LAYERS,
    WIDTHS,
    Network,
)

OPSET = 17
IR_VERSION = 10

# PyTorch keeps an LSTM's gates as input, forget, cell, output; ONNX as input, output, forget, cell.
# https://onnx.ai/onnx/operators/onnx__LSTM.html
GATES = (0, 3, 1, 2)

Floats = NDArray[np.float32]
Weights = dict[str, Floats]


def build_graph(network: Network, statistics: Statistics, heads: Sequence[int]) -> onnx.ModelProto:
    """The graph of a network, as `Segmenter` describes it. heads: classes of each head, background included."""
    graph = _Graph()
    logits = _network(graph, network, _normalise(graph, statistics))
    shares = [graph.add("Softmax", [part], f"{part}.softmax", axis=-1) for part in _parts(graph, logits, heads)]
    graph.add("Concat", shares, "probabilities", axis=2)
    return graph.model(statistics.channels, sum(heads))


def _normalise(graph: "_Graph", statistics: Statistics) -> str:
    """Both normalisations side by side: [batch, 2·channels, length].

    Turned at first: onnxruntime broadcasts along a last axis of few channels ten times slower than along time.
    """
    windows = graph.add("Transpose", ["windows"], "windows.turned", perm=[0, 2, 1])
    turned = graph.constant("turned", np.array([0, -1, 1]))
    scale = graph.add("Reshape", ["scale", turned], "scale.turned")
    shift = graph.add("Sub", ["center", graph.constant("mean", statistics.mean[None, None])], "shift64")
    shift = graph.add("Reshape", [graph.add("Cast", [shift], "shift32", to=TensorProto.FLOAT), turned], "shift")
    std = graph.constant("std", statistics.std.astype(np.float32)[None, :, None])
    level = graph.add("Add", [windows, shift], "level")
    ratios = [graph.add("Div", [level, std], "by_set"), graph.add("Div", [windows, scale], "by_recording")]
    rows = graph.add("Concat", ratios, "ratios", axis=1)
    unknown = graph.add("IsNaN", [rows], "unknown")
    known = graph.add("Where", [unknown, graph.constant("nothing", np.float32(0)), rows], "known")
    return _clip(graph, "features", known, LIMIT)


def _network(graph: "_Graph", network: Network, features: str) -> str:
    """Features [batch, 2·channels, length] ► logits [batch, length, classes]."""
    name = "network"
    weights = {key: value.numpy() for key, value in network.state().items()}
    length = graph.add("Shape", ["windows"], f"{name}.length", start=1, end=2)
    rows, downsampling = features, network.downsampling
    if downsampling > 1:  # pad right to a whole number of steps
        steps = graph.constant(f"{name}.stem", np.array([downsampling]))
        added = graph.add(
            "Add", [length, graph.constant(f"{name}.most", np.array([downsampling - 1]))], f"{name}.added"
        )
        whole = graph.add("Mul", [graph.add("Div", [added, steps], f"{name}.steps"), steps], f"{name}.whole")
        missing = graph.add("Sub", [whole, length], f"{name}.missing")
        front = graph.constant(f"{name}.front", np.zeros(5, np.int64))
        rows = graph.add("Pad", [rows, graph.add("Concat", [front, missing], f"{name}.pads", axis=0)], f"{name}.padded")
    share = _lstm_share(network)
    bias = weights["head.bias"] * share
    summed = _recurrent(graph, name, network, weights, rows, share)
    statistics = ""
    if network.experts is not None or network.event_expert is not None:
        statistics = _window_statistics(graph, f"{name}.statistics", rows, downsampling)
    if network.experts is None:
        other = graph.constant(f"{name}.bias", bias)
    else:
        other = _experts(graph, f"{name}.experts", network, weights, statistics, bias)
    summed = graph.add("Add", [summed, other], f"{name}.said")
    logits = _step_rows(graph, f"{name}.logits", summed, network, length, network.classes)
    if network.event_expert is not None:
        odds = _event_expert(graph, f"{name}.event_expert", weights, statistics, downsampling)
        odds = _step_rows(graph, f"{name}.odds", odds, network, length, 1)
        logits = _with_odds(graph, f"{name}.mixed", network, logits, odds)
    return logits


def _lstm_share(network: Network) -> Floats:
    """Weight of the LSTM in the logits of a step: [downsampling·classes].

    Network.forward mixes logarithms of probabilities; the softmax after it takes no notice of what is added to all
    classes of a row, so that logits serve as well.
    """
    row = np.ones(network.classes, np.float32)
    row[: network.ranges] = LSTM_SHARE
    return np.tile(row, network.downsampling)


def _recurrent(graph: "_Graph", name: str, network: Network, weights: Weights, rows: str, share: Floats) -> str:
    """The LSTM's logits, without the head's bias.

    [batch, 2·channels, padded length] ► [batch, steps, downsampling·classes].
    """
    kernel = [graph.constant(f"{name}.{key}", weights[key]) for key in ("convolution.weight", "convolution.bias")]
    pads = [CONTEXT // 2, CONTEXT - CONTEXT // 2]
    rows = graph.add("Conv", [rows, *kernel], f"{name}.convolution", strides=[network.downsampling], pads=pads)
    rows = graph.add("Relu", [rows], f"{name}.relu")
    rows = graph.add("Transpose", [rows], f"{name}.steps_first", perm=[2, 0, 1])
    for layer in range(NUM_LAYERS):
        rows = _lstm_layer(graph, f"{name}.lstm{layer}", weights, layer, rows, network.lstm.hidden_size)
    matrix = graph.constant(f"{name}.head.weight", np.ascontiguousarray((weights["head.weight"] * share[:, None]).T))
    rows = graph.add("MatMul", [rows, matrix], f"{name}.head")
    return graph.add("Transpose", [rows], f"{name}.batch_first", perm=[1, 0, 2])


def _experts(graph: "_Graph", name: str, network: Network, weights: Weights, statistics: str, bias: Floats) -> str:
    """What the experts say, and a bias: [batch, statistics, steps] ► [batch, steps, downsampling·classes].

    Both together are two layers of twice the units; each gives all rows of a step the same.
    """
    statistics = _scaled(graph, name, statistics, weights["experts.center"], weights["experts.rate"])
    numbers = range(len(weights["experts.seen"]))
    hidden = [weights[f"experts.hidden.{each}.weight"] * weights["experts.seen"][each] for each in numbers]
    units = _pointwise(
        graph,
        f"{name}.hidden",
        statistics,
        np.concatenate(hidden),
        np.concatenate([weights[f"experts.hidden.{each}.bias"] for each in numbers]),
    )
    units = graph.add("Relu", [units], f"{name}.units")
    matrix = np.zeros((network.downsampling, network.classes, len(numbers) * EXPERT_SIZE), np.float32)
    matrix[:, : network.ranges] = np.concatenate([weights[f"experts.heads.{each}.weight"] for each in numbers], axis=1)
    added = np.zeros((network.downsampling, network.classes), np.float32)
    added[:, : network.ranges] = np.sum([weights[f"experts.heads.{each}.bias"] for each in numbers], axis=0)
    heads = EXPERT_SHARE * matrix.reshape(-1, matrix.shape[2])
    logits = _pointwise(graph, f"{name}.head", units, heads, bias + EXPERT_SHARE * added.reshape(-1))
    return graph.add("Transpose", [logits], f"{name}.batch_first", perm=[0, 2, 1])


def _event_expert(graph: "_Graph", name: str, weights: Weights, statistics: str, downsampling: int) -> str:
    """Log odds of an event, alike at all rows of a step: [batch, statistics, steps] ► [batch, steps, downsampling]."""
    own = {key.removeprefix("event_expert."): value for key, value in weights.items() if key.startswith("event_expert")}
    statistics = _scaled(graph, name, statistics, own["center"], own["rate"])
    units = _pointwise(graph, f"{name}.hidden", statistics, own["hidden.weight"], own["hidden.bias"])
    units = graph.add("Relu", [units], f"{name}.units")
    head = np.repeat(own["head.weight"], downsampling, axis=0), np.repeat(own["head.bias"], downsampling)
    logits = _pointwise(graph, f"{name}.head", units, *head)
    return graph.add("Transpose", [logits], f"{name}.batch_first", perm=[0, 2, 1])


def _with_odds(graph: "_Graph", name: str, network: Network, logits: str, odds: str) -> str:
    """Logits [batch, length, classes] whose odds of any instant are mixed with `odds` [batch, length, 1]."""
    sizes = [network.ranges, 1, network.classes - network.ranges - 1]
    parts = [f"{name}.{title}" for title in ("ranges", "background", "labels")]
    first = 0 if network.ranges else 1
    graph.add_many("Split", [logits, graph.constant(f"{name}.sizes", np.array(sizes[first:]))], parts[first:], axis=2)
    *_, background, labels = parts
    some = graph.add("ReduceLogSumExp", [labels], f"{name}.some", axes=[2], keepdims=1)
    own = graph.add("Sub", [some, background], f"{name}.own")
    difference = graph.add("Sub", [odds, own], f"{name}.difference")
    moved = graph.add("Mul", [difference, graph.constant(f"{name}.share", np.float32(EVENT_SHARE))], f"{name}.moved")
    labels = graph.add("Add", [labels, moved], f"{name}.labels.moved")
    return graph.add("Concat", [*parts[first:-1], labels], name, axis=2)


def _window_statistics(graph: "_Graph", name: str, rows: str, downsampling: int) -> str:
    """[batch, 2·channels, padded length] ► [batch, statistics, steps], as network.window_statistics orders them."""
    step = {"kernel_shape": [downsampling], "strides": [downsampling]}
    square = graph.add("Mul", [rows, rows], f"{name}.squares")
    negative = graph.add("Neg", [rows], f"{name}.negative")
    pooled = [
        graph.add(f"{kind}Pool", [each], f"{name}.{title}", **step)
        for kind, each, title in (
            ("Average", rows, "mean"),
            ("Average", square, "square"),
            ("Max", rows, "largest"),
            ("Max", negative, "least"),
        )
    ]
    zero = graph.constant(f"{name}.zero", np.float32(0))
    found = []
    for width in WIDTHS:
        one = f"{name}.{width}"
        around = {"kernel_shape": [width], "strides": [1], "pads": [width // 2, width // 2]}
        level, power, *ends = pooled if width == 1 else [
            graph.add(f"{kind}Pool", [each], f"{one}.{title}", **around)
            for kind, each, title in zip(
                ("Average", "Average", "Max", "Max"), pooled, ("level", "power", "max", "min"), strict=True
            )
        ]  # fmt: skip
        spread = graph.add("Sub", [power, graph.add("Mul", [level, level], f"{one}.level2")], f"{one}.variance")
        spread = graph.add("Sqrt", [graph.add("Max", [spread, zero], f"{one}.variance0")], f"{one}.spread")
        found += [level, spread, *ends]
    return graph.add("Concat", found, f"{name}.found", axis=1)


def _scaled(graph: "_Graph", name: str, statistics: str, center: Floats, rate: Floats) -> str:
    for operator, value in (("Sub", center), ("Mul", rate)):
        constant = graph.constant(f"{name}.{operator}.by", value[:, None])
        statistics = graph.add(operator, [statistics, constant], f"{name}.{operator}")
    return _clip(graph, f"{name}.clipped", statistics, LARGEST_FEATURE)


def _clip(graph: "_Graph", name: str, values: str, most: float) -> str:
    limits = [graph.constant(f"{name}.{end}", np.float32(sign * most)) for end, sign in (("low", -1), ("high", 1))]
    return graph.add("Clip", [values, *limits], name)


def _pointwise(graph: "_Graph", name: str, classes: str, weight: Floats, bias: Floats) -> str:
    """A linear layer at each step: [batch, inputs, steps] ► [batch, outputs, steps]; weight [outputs, inputs]."""
    constants = [graph.constant(f"{name}.weight", weight[:, :, None]), graph.constant(f"{name}.bias", bias)]
    return graph.add("Conv", [classes, *constants], name)


def _step_rows(graph: "_Graph", name: str, steps: str, network: Network, length: str, classes: int) -> str:
    """[batch, steps, downsampling·classes] ► [batch, length, classes]."""
    shape = graph.constant(f"{name}.shape", np.array([0, -1, classes]))
    if network.downsampling == 1:
        return graph.add("Reshape", [steps, shape], name)
    rows = graph.add("Reshape", [steps, shape], f"{name}.padded")
    zero, one = (graph.constant(f"{name}.{word}", np.array([value])) for word, value in (("first", 0), ("axis", 1)))
    return graph.add("Slice", [rows, zero, length, one], name)


def _parts(graph: "_Graph", logits: str, heads: Sequence[int]) -> list[str]:
    """Logits of each head."""
    if len(heads) == 1:
        return [logits]
    parts = [f"head{index}.logits" for index in range(len(heads))]
    graph.add_many("Split", [logits, graph.constant("heads", np.array(heads))], parts, axis=2)
    return parts


def _lstm_layer(graph: "_Graph", name: str, weights: Weights, layer: int, rows: str, hidden: int) -> str:
    """Both directions of one layer: [steps, batch, inputs] ► [steps, batch, 2·hidden]."""

    def both(kind: str) -> Floats:
        found = [weights[f"lstm.{kind}_l{layer}{way}"] for way in ("", "_reverse")]
        gates = [np.split(each, 4) for each in found]
        return np.stack([np.concatenate([parts[gate] for gate in GATES]) for parts in gates])

    inputs = [
        rows,
        graph.constant(f"{name}.input", both("weight_ih")),
        graph.constant(f"{name}.recurrent", both("weight_hh")),
        graph.constant(f"{name}.bias", np.concatenate([both("bias_ih"), both("bias_hh")], axis=1)),
    ]
    rows = graph.add("LSTM", inputs, f"{name}.directions", direction="bidirectional", hidden_size=hidden)
    rows = graph.add("Transpose", [rows], f"{name}.batch_second", perm=[0, 2, 1, 3])
    return graph.add("Reshape", [rows, graph.constant(f"{name}.joined", np.array([0, 0, 2 * hidden]))], name)


class _Graph:
    """Nodes and constants in the order in which they are added; every value has its own name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.add_many(operator, inputs, [output], **attributes)
        return output

    def add_many(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        self._nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes))

    def model(self, channels: int, classes: int) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", "length", channels]),
            helper.make_tensor_value_info("center", TensorProto.DOUBLE, ["recordings", 1, channels]),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["recordings", 1, channels]),
        ]
        outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", "length", classes])]
        graph = helper.make_graph(self._nodes, "segmenter", inputs, outputs, initializer=self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="training")
