"""Network ► one ONNX file: graph, card, probe, seal."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from shared.errors import ModelError
from shared.model_file.card import ModelCard, encode_card
from shared.model_file.onnx_file import add_metadata, seal
from shared.model_file.probe import Probe, encode_probe
from training.fitting.dataset import Statistics, scale_rows
from training.fitting.network import Network
from training.fitting.onnx_graph import build_graph

PARITY = 1e-4  # absolute: largest difference between the probabilities of PyTorch and of onnxruntime

Floats = NDArray[np.float32]


def export_model(network: Network, statistics: Statistics, card: ModelCard) -> bytes:
    """Build the sealed file and compare it with PyTorch on the probe. Raises ModelError if onnxruntime disagrees."""
    heads = [1 + len(head.labels) for head in card.heads]
    model = build_graph(network, statistics, heads)
    onnx.checker.check_model(model)
    plain = model.SerializeToString(deterministic=True)
    probe = make_probe(network, statistics, card, heads)
    _check_parity(plain, probe)
    return seal(add_metadata(plain, {"card": encode_card(card), "probe": encode_probe(probe)}))


def make_probe(network: Network, statistics: Statistics, card: ModelCard, heads: Sequence[int]) -> Probe:
    """Two windows of a fixed noise around the training level, one recording each, and what PyTorch gives for them.

    The second has another row count: it holds missing cells (zeros) and one constant channel.
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
    return Probe(windows, center, scale, predict_probabilities(network, features, heads))


@torch.inference_mode()
def predict_probabilities(network: Network, features: Floats, heads: Sequence[int]) -> Floats:
    """The network's output: features [batch, length, 2·channels] ► probabilities [batch, length, classes]."""
    logits = network.eval()(torch.from_numpy(features)).split(list(heads), dim=-1)
    return torch.cat([part.softmax(-1) for part in logits], dim=-1).numpy()


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
