"""The model of a project: a segmenter for each of its time series, loaded from one file."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from msgspec.structs import replace

from shared.labelling.label_config import LabelConfig
from shared.model_file.several import split_models
from shared.segmentation.segmenter import Segmenter


class ServedSeries(NamedTuple):
    """A time series that is served: what segments it, and the configuration under which it answers."""

    segmenter: Segmenter
    config: LabelConfig


class ProjectModel:
    """All segmenters of a version; the first is that of most projects, which have one series."""

    def __init__(self, segmenters: Sequence[Segmenter]) -> None:
        self.segmenters = tuple(segmenters)

    @classmethod
    def load(cls, data: bytes, *, threads: int = 1) -> Self:
        """Check and load a model file, and by the same checks those it carries. Raises ModelError."""
        first = Segmenter.load(data, threads=threads)  # before anything else of the file is used
        others = [Segmenter.load(each, threads=threads) for each in split_models(data)[1:]]
        return cls([first, *others])

    @property
    def label_config(self) -> LabelConfig:
        """The configuration that the version was trained with, as far as its series were learned."""
        first, *others = (each.card.label_config for each in self.segmenters)
        return replace(first, others=tuple(others)) if others else first

    def series(self, config: LabelConfig) -> list[ServedSeries]:
        """What answers under a configuration, in its order; series that were not learned are left out.

        A model of one series answers for the first one where none has the name of its own: tags may be renamed.
        """
        known = {each.card.label_config.to_name: each for each in reversed(self.segmenters)}
        found = [ServedSeries(known[each.to_name], each) for each in config.series if each.to_name in known]
        if len(self.segmenters) == 1 and (not found or not config.others):
            return [ServedSeries(self.segmenters[0], config)]
        return found
