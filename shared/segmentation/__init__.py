"""Series to segments: windows, normalisation, decoding of probabilities, scores.

The parts for decoding are used by training, too, on held-out probabilities. What a segment or a region is lives in
`shared.labelling`, the model file in `shared.model_file`. Nothing here reads files or knows Label Studio.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.segmentation.answer import answer_series
    from shared.segmentation.instant_decoder import InstantDecoder
    from shared.segmentation.normalisation import recording_statistics
    from shared.segmentation.range_decoder import RangeDecoder
    from shared.segmentation.scores import calibrate
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
# imported at first use: the segmenter needs onnxruntime, training the decoders only
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "answer": ["answer_series"],
        "scores": ["calibrate"],
        "instant_decoder": ["InstantDecoder"],
        "normalisation": ["recording_statistics"],
        "range_decoder": ["RangeDecoder"],
        "segmenter": ["Segmenter"],
        "windows": ["OverlapMean"],
    },
)
