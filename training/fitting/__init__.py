"""A plan ► fitted networks ► sealed model files: batches, network, loop, ONNX graph. Nothing is evaluated here."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from training.fitting.export import export_model as export_model
    from training.fitting.trainer import ALL_RECORDINGS as ALL_RECORDINGS
    from training.fitting.trainer import FittedModel as FittedModel
    from training.fitting.trainer import Trainer as Trainer

__all__ = ["ALL_RECORDINGS", "FittedModel", "Trainer", "export_model"]

# Import on first use: torch takes more than a second.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"export": ["export_model"], "trainer": ["ALL_RECORDINGS", "FittedModel", "Trainer"]}
)
