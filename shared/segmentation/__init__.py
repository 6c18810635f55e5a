"""Series to segments: windows, normalisation, decoding of probabilities, scores.

The parts for decoding are used by training, too, on held-out probabilities. What a segment or a region is lives in
`shared.labelling`, the model file in `shared.model_file`. Nothing here reads files or knows Label Studio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.segmentation.answer import answer_series
    from shared.segmentation.calibration import calibrate
    from shared.segmentation.instant_decoder import InstantDecoder
    from shared.segmentation.normalisation import recording_statistics
    from shared.segmentation.range_decoder import RangeDecoder
    from shared.segmentation.segmenter import Segmenter
    from shared.segmentation.windows import OverlapMean

__all__ = [
    "InstantDecoder",
    "OverlapMean",
    "RangeDecoder",
    "Segmenter",
    "answer_series",
    "calibrate",
    "recording_statistics",
]
_MODULES = {  # imported at first use: the segmenter needs onnxruntime, training the decoders only
    "InstantDecoder": "shared.segmentation.instant_decoder",
    "OverlapMean": "shared.segmentation.windows",
    "RangeDecoder": "shared.segmentation.range_decoder",
    "Segmenter": "shared.segmentation.segmenter",
    "answer_series": "shared.segmentation.answer",
    "calibrate": "shared.segmentation.calibration",
    "recording_statistics": "shared.segmentation.normalisation",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
