"""Annotated tasks of Label Studio, or of an export of it ► recordings with a label for every row.

What configuration and regions mean lives in shared.labelling; how CSV files are read in shared.recordings.
"""

from typing import TYPE_CHECKING

import lazy_loader

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

# Import on first use: torch takes more than a second.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "annotations": ["LabelKinds", "Recording"],
        "recordings": ["load_recordings"],
        "training_data": ["TrainingData", "training_data_of_export", "training_data_of_project"],
    },
)
