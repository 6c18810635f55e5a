"""Predicting: Label Studio's messages, the models in memory, answers to batches of tasks, and events.

Recordings are read in `shared.recordings` and segmented in `shared.segmentation`; routes are in `inference.web`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inference.serving.model_cache import ModelCache, ServedModel
    from inference.serving.predictor import Predictor
    from inference.serving.protocol import Prediction, ProjectRef
    from inference.serving.webhooks import WebhookEvent, parse_event

__all__ = ["ModelCache", "Prediction", "Predictor", "ProjectRef", "ServedModel", "WebhookEvent", "parse_event"]
# imported at first use: a model cache needs onnxruntime
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "model_cache": ["ModelCache", "ServedModel"],
        "predictor": ["Predictor"],
        "protocol": ["Prediction", "ProjectRef"],
        "webhooks": ["WebhookEvent", "parse_event"],
    },
)
