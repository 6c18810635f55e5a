"""Trained models as a library: recordings in pandas or numpy ► segments, by the code that serves Label Studio.

    >>> from time_series_segmenter import load_model
    >>> model = load_model("model_project_3.onnx")
    >>> segments = model.segment(frame)

No Label Studio, no server and no trainer are needed. All documentation: docs/library.md.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.errors import ModelError, SegmenterError, SeriesError
    from time_series_segmenter.model import DoubtWarning, Model, load_model
    from time_series_segmenter.stream import Stream

__all__ = ["DoubtWarning", "Model", "ModelError", "SegmenterError", "SeriesError", "Stream", "load_model"]
# imported at first use: pandas and onnxruntime take half a second
_getattr, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"model": ["DoubtWarning", "Model", "load_model"], "stream": ["Stream"]}
)


def __getattr__(name: str) -> object:
    if name in ("ModelError", "SegmenterError", "SeriesError"):
        from shared import errors

        return getattr(errors, name)
    return _getattr(name)
