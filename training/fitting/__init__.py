"""A plan ► fitted networks ► sealed model files: batches, network, loop, ONNX graph. Nothing is evaluated here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.fitting.export import export_model as export_model
    from training.fitting.trainer import ALL_RECORDINGS as ALL_RECORDINGS
    from training.fitting.trainer import FittedModel as FittedModel
    from training.fitting.trainer import Trainer as Trainer

__all__ = ["ALL_RECORDINGS", "FittedModel", "Trainer", "export_model"]

_MODULES = {
    "export_model": "export",
    "ALL_RECORDINGS": "trainer",
    "FittedModel": "trainer",
    "Trainer": "trainer",
}


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes more than a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
