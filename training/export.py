"""Networks ► one ONNX file: normalisation, networks, mean of their probabilities, card, probe, seal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from shared.errors import ModelError
from shared.graph_file import add_metadata, seal
from shared.model_card import ModelCard, encode_card
from shared.probe import Probe, encode_probe
from training.dataset import LIMIT, Statistics, scale_rows
from training.network import CONTEXT, EXPERT_SHARE, LARGEST_FEATURE, LSTM_SHARE, NUM_LAYERS, WIDTHS, Network

OPSET = 17
IR_VERSION = 10
PARITY = 1e-4  # absolute: largest difference between the probabilities of PyTorch and of onnxruntime

# PyTorch keeps an LSTM's gates as input, forget, cell, output; ONNX as input, output, forget, cell.
# https://onnx.ai/onnx/operators/onnx__LSTM.html
GATES = (0, 3, 1, 2)

Floats = NDArray[np.float32]
Weights = dict[str, Floats]


def export_model(networks: Sequence[Network], statistics: Statistics, card: ModelCard) -> bytes:
    """Build the sealed file and compare it with PyTorch on the probe.

    networks: fitted alike; the graph gives the mean of their probabilities.
    Raises ModelError if onnxruntime and PyTorch disagree.
    """
    heads = [1 + len(head.labels) for head in card.heads]
    graph = _Graph()
    rows = _normalise(graph, statistics)
    shares = [_network(graph, f"network{index}", network, rows, heads) for index, network in enumerate(networks)]
    if len(shares) == 1:
        graph.add("Identity", shares, "probabilities")
    else:
        total = graph.add("Sum", shares, "total")
        graph.add("Mul", [total, graph.constant("share", np.float32(1 / len(shares)))], "probabilities")
    model = graph.model(statistics.channels, sum(heads))
    onnx.checker.check_model(model)
    plain = model.SerializeToString(deterministic=True)
    probe = make_probe(networks, statistics, card, heads)
    _check_parity(plain, probe)
    return seal(add_metadata(plain, {"card": encode_card(card), "probe": encode_probe(probe)}))


def make_probe(networks: Sequence[Network], statistics: Statistics, card: ModelCard, heads: Sequence[int]) -> Probe:
    """Two windows of a fixed noise around the training level, one recording each, and what PyTorch gives for them.

    The second has a row count of its own in mind: it holds missing cells (zeros) and one dead channel.
    """
    random = np.random.Generator(np.random.PCG64(20240607))
    length = min(card.window, 256)
    std = statistics.std
    windows = (random.standard_normal((2, length, statistics.channels)) * std).astype(np.float32)
    windows[1, : length // 3] = 0
    windows[1, :, 0] = 0
    center = (statistics.mean + std * random.uniform(-1, 1, (2, 1, statistics.channels))).astype(np.float64)
    scale = (std * random.uniform(0.5, 2, (2, 1, statistics.channels))).astype(np.float32)
    features = np.stack([scale_rows(windows[i], center[i, 0], scale[i, 0], statistics) for i in range(2)])
    return Probe(windows, center, scale, predict_probabilities(networks, features, heads))


@torch.inference_mode()
def predict_probabilities(networks: Sequence[Network], features: Floats, heads: Sequence[int]) -> Floats:
    """Mean probabilities of the networks: features [batch, length, 2·channels] ► [batch, length, columns]."""
    total: Tensor | None = None
    for network in networks:
        network.eval()
        device = next(network.parameters()).device
        logits = network(torch.from_numpy(features).to(device)).split(list(heads), dim=-1)
        share = torch.cat([part.softmax(-1) for part in logits], dim=-1).cpu()
        total = share if total is None else total + share
    if total is None:
        raise ValueError("predict_probabilities needs at least one network")
    return (total / len(networks)).numpy()


def _normalise(graph: "_Graph", statistics: Statistics) -> str:
    """Both normalisations side by side, features first: [batch, 2·channels, length]."""
    shift = graph.add("Sub", ["center", graph.constant("mean", statistics.mean[None, None])], "shift64")
    shift = graph.add("Cast", [shift], "shift", to=TensorProto.FLOAT)
    level = graph.add("Add", ["windows", shift], "level")
    std = graph.constant("std", statistics.std.astype(np.float32)[None, None])
    parts = []
    for name, over, by in (("by_set", level, std), ("by_recording", "windows", "scale")):
        ratio = graph.add("Div", [over, by], f"{name}.ratio")
        unknown = graph.add("IsNaN", [ratio], f"{name}.unknown")
        known = graph.add("Where", [unknown, graph.constant(f"{name}.zero", np.float32(0)), ratio], f"{name}.known")
        limits = [
            graph.constant(f"{name}.{end}", np.float32(value)) for end, value in (("low", -LIMIT), ("high", LIMIT))
        ]
        parts.append(graph.add("Clip", [known, *limits], name))
    rows = graph.add("Concat", parts, "rows", axis=2)
    return graph.add("Transpose", [rows], "features", perm=[0, 2, 1])


def _network(graph: "_Graph", name: str, network: Network, features: str, heads: Sequence[int]) -> str:
    """One network: features [batch, 2·channels, length] ► probabilities [batch, length, columns]."""
    weights = {key: value.numpy() for key, value in network.state().items()}
    length = graph.add("Shape", ["windows"], f"{name}.length", start=1, end=2)
    rows, stem = features, network.stem
    if stem > 1:  # pad right to a whole number of steps
        steps = graph.constant(f"{name}.stem", np.array([stem]))
        added = graph.add("Add", [length, graph.constant(f"{name}.most", np.array([stem - 1]))], f"{name}.added")
        whole = graph.add("Mul", [graph.add("Div", [added, steps], f"{name}.steps"), steps], f"{name}.whole")
        missing = graph.add("Sub", [whole, length], f"{name}.missing")
        front = graph.constant(f"{name}.front", np.zeros(5, np.int64))
        rows = graph.add("Pad", [rows, graph.add("Concat", [front, missing], f"{name}.pads", axis=0)], f"{name}.padded")
    parts = _parts(graph, name, _recurrent(graph, name, network, weights, rows, length), heads)
    if network.experts is not None:
        parts[0] = _mixed(graph, f"{name}.experts", network, weights, rows, length, parts[0])
    shares = [graph.add("Softmax", [part], f"{part}.softmax", axis=-1) for part in parts]
    return shares[0] if len(shares) == 1 else graph.add("Concat", shares, f"{name}.probabilities", axis=2)


def _recurrent(graph: "_Graph", name: str, network: Network, weights: Weights, rows: str, length: str) -> str:
    """What the LSTM says: [batch, 2·channels, padded length] ► logits [batch, length, columns]."""
    kernel = [graph.constant(f"{name}.{key}", weights[key]) for key in ("convolution.weight", "convolution.bias")]
    pads = [CONTEXT // 2, CONTEXT - CONTEXT // 2]
    rows = graph.add("Conv", [rows, *kernel], f"{name}.convolution", strides=[network.stem], pads=pads)
    rows = graph.add("Relu", [rows], f"{name}.relu")
    rows = graph.add("Transpose", [rows], f"{name}.steps_first", perm=[2, 0, 1])
    for layer in range(NUM_LAYERS):
        rows = _lstm_layer(graph, f"{name}.lstm{layer}", weights, layer, rows, network.lstm.hidden_size)
    rows = _linear(graph, f"{name}.head", rows, weights["head.weight"], weights["head.bias"])
    rows = graph.add("Transpose", [rows], f"{name}.batch_first", perm=[1, 0, 2])
    return _step_rows(graph, f"{name}.logits", rows, network.stem, network.columns, length)


def _mixed(
    graph: "_Graph", name: str, network: Network, weights: Weights, rows: str, length: str, recurrent: str
) -> str:
    """Logits of the head of ranges: the LSTM's and the experts' opinions, as Network.forward mixes them."""
    statistics = _window_statistics(graph, name, rows, network.stem)
    for operator, key in (("Sub", "center"), ("Mul", "rate")):
        statistics = graph.add(
            operator, [statistics, graph.constant(f"{name}.{key}", weights[f"experts.{key}"])], f"{name}.{operator}"
        )
    limits = [
        graph.constant(f"{name}.{end}", np.float32(sign * LARGEST_FEATURE)) for end, sign in (("low", -1), ("high", 1))
    ]
    statistics = graph.add("Clip", [statistics, *limits], f"{name}.clipped")
    said = [(recurrent, LSTM_SHARE)]
    for expert, seen in enumerate(weights["experts.seen"]):
        one = f"{name}{expert}"
        first, last = (f"experts.hidden.{expert}", f"experts.heads.{expert}")
        units = _linear(graph, f"{one}.hidden", statistics, weights[f"{first}.weight"] * seen, weights[f"{first}.bias"])
        units = graph.add("Relu", [units], f"{one}.relu")
        repeated = [np.concatenate([weights[f"{last}.{key}"]] * network.stem) for key in ("weight", "bias")]
        logits = _linear(graph, f"{one}.head", units, *repeated)
        said.append((_step_rows(graph, f"{one}.logits", logits, network.stem, network.ranges, length), EXPERT_SHARE))
    opinions = []
    for logits, share in said:
        logs = graph.add("LogSoftmax", [logits], f"{logits}.logs", axis=-1)
        opinions.append(
            graph.add("Mul", [logs, graph.constant(f"{logits}.share", np.float32(share))], f"{logits}.said")
        )
    return graph.add("Sum", opinions, f"{name}.mixed")


def _window_statistics(graph: "_Graph", name: str, rows: str, stem: int) -> str:
    """[batch, 2·channels, padded length] ► [batch, steps, statistics], as Experts.statistics orders them."""
    step = {"kernel_shape": [stem], "strides": [stem]}
    square = graph.add("Mul", [rows, rows], f"{name}.squares")
    negative = graph.add("Neg", [rows], f"{name}.negative")
    mean = graph.add("AveragePool", [rows], f"{name}.mean", **step)
    square = graph.add("AveragePool", [square], f"{name}.square", **step)
    largest = graph.add("MaxPool", [rows], f"{name}.largest", **step)
    least = graph.add("MaxPool", [negative], f"{name}.least", **step)
    zero = graph.constant(f"{name}.zero", np.float32(0))
    found = []
    for width in WIDTHS:
        one = f"{name}.{width}"
        around = {"kernel_shape": [width], "strides": [1], "pads": [width // 2, width // 2]}
        level = graph.add("AveragePool", [mean], f"{one}.level", **around)
        power = graph.add("AveragePool", [square], f"{one}.power", **around)
        spread = graph.add("Sub", [power, graph.add("Mul", [level, level], f"{one}.level2")], f"{one}.variance")
        spread = graph.add("Sqrt", [graph.add("Max", [spread, zero], f"{one}.variance0")], f"{one}.spread")
        ends = [
            graph.add("MaxPool", [each], f"{one}.{end}", **around) for end, each in (("max", largest), ("min", least))
        ]
        found += [level, spread, *ends]
    return graph.add(
        "Transpose", [graph.add("Concat", found, f"{name}.found", axis=1)], f"{name}.statistics", perm=[0, 2, 1]
    )


def _linear(graph: "_Graph", name: str, rows: str, weight: Floats, bias: Floats) -> str:
    matrix = graph.constant(f"{name}.weight", np.ascontiguousarray(weight.T))
    product = graph.add("MatMul", [rows, matrix], f"{name}.product")
    return graph.add("Add", [product, graph.constant(f"{name}.bias", bias)], name)


def _step_rows(graph: "_Graph", name: str, steps: str, stem: int, columns: int, length: str) -> str:
    """[batch, steps, stem·columns] ► [batch, length, columns]."""
    shape = graph.constant(f"{name}.shape", np.array([0, -1, columns]))
    if stem == 1:
        return graph.add("Reshape", [steps, shape], name)
    rows = graph.add("Reshape", [steps, shape], f"{name}.padded")
    zero, one = (graph.constant(f"{name}.{word}", np.array([value])) for word, value in (("first", 0), ("axis", 1)))
    return graph.add("Slice", [rows, zero, length, one], name)


def _parts(graph: "_Graph", name: str, logits: str, heads: Sequence[int]) -> list[str]:
    """Logits of each head."""
    if len(heads) == 1:
        return [logits]
    parts = [f"{name}.head{index}.logits" for index in range(len(heads))]
    graph.add_many("Split", [logits, graph.constant(f"{name}.columns", np.array(heads))], parts, axis=2)
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

    def model(self, channels: int, columns: int) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["batch", "length", channels]),
            helper.make_tensor_value_info("center", TensorProto.DOUBLE, ["recordings", 1, channels]),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["recordings", 1, channels]),
        ]
        outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", "length", columns])]
        graph = helper.make_graph(self._nodes, "segmenter", inputs, outputs, initializer=self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="training")


def _check_parity(graph: bytes, probe: Probe) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = {"windows": probe.windows, "center": probe.center, "scale": probe.scale}
    difference = float(np.abs(session.run(None, inputs)[0] - probe.probabilities).max())
    if not difference <= PARITY:
        raise ModelError(
            f"The exported graph differs from PyTorch by {difference:.2g}, at most {PARITY:g} is allowed: nothing was "
            "published; please report this with the versions of torch, onnx and onnxruntime."
        )


def packages() -> dict[str, str]:
    """What a model was made with, for its card."""
    return {module.__name__: str(module.__version__) for module in (np, onnx, onnxruntime, torch)}
