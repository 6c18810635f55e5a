"""Segments of a stream: rows in, segments out once they are settled.

The graph, the decoders and the scores are those of whole recordings; what a stream cannot know is given up here. What
that costs: research/streaming.py.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.segmentation.streaming.latency import Latency
    from shared.segmentation.streaming.running_statistics import RunningStatistics
    from shared.segmentation.streaming.segment_stream import SegmentStream

__all__ = ["Latency", "RunningStatistics", "SegmentStream"]
# imported at first use: the stream needs onnxruntime
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "latency": ["Latency"],
        "running_statistics": ["RunningStatistics"],
        "segment_stream": ["SegmentStream"],
    },
)
