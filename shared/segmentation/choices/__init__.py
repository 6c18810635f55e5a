"""Choices about a recording as a whole: what it looks like in numbers, and what a model chooses by them.

Training learns the weights (training/choices); tags and results of Label Studio are in shared/labelling.
"""

from shared.segmentation.choices.classifier import choose
from shared.segmentation.choices.features import describe_recording, feature_count

__all__ = ["choose", "describe_recording", "feature_count"]
