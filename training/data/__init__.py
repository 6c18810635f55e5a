"""Annotated tasks of Label Studio, or of an export of it ► recordings with a label for every row.

What configuration and regions mean lives in shared.labelling; how CSV files are read in shared.recordings.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.data.annotations import LabelKinds as LabelKinds
    from training.data.annotations import Recording as Recording
    from training.data.recordings import load_recordings as load_recordings
    from training.data.training_data import TrainingData as TrainingData
    from training.data.training_data import training_data_of_export as training_data_of_export
    from training.data.training_data import training_data_of_project as training_data_of_project

__all__ = [
    "LabelKinds",
    "Recording",
    "TrainingData",
    "load_recordings",
    "training_data_of_export",
    "training_data_of_project",
]

_MODULES = {
    "LabelKinds": "annotations",
    "Recording": "annotations",
    "load_recordings": "recordings",
    "TrainingData": "training_data",
    "training_data_of_export": "training_data",
    "training_data_of_project": "training_data",
}


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes more than a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
