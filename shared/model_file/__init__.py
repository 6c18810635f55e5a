"""The model file: its card, probe and checksum, read without onnx and without onnxruntime.

The graph is built in `training.fitting` and run in `shared.segmentation`; where model files are stored is in
`shared.store`.
"""

from shared.model_file.card import ModelCard, ModelMetrics, decode_card, encode_card
from shared.model_file.onnx_file import check_graph, check_seal, read_metadata, seal

__all__ = [
    "ModelCard",
    "ModelMetrics",
    "check_graph",
    "check_seal",
    "decode_card",
    "encode_card",
    "read_metadata",
    "seal",
]
