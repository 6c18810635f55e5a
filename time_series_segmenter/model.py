"""A trained model, loaded from a file or a store."""

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from shared.doubts import Doubt
from shared.errors import ModelError, UntrainedError
from shared.labelling.label_config import LabelConfig
from shared.model_file.onnx_file import MAX_BYTES
from shared.segmentation.answer import answer_series
from shared.segmentation.segmenter import ProjectModel, Segmenter, ServedSeries
from shared.settings import TaskScore
from shared.store.aliases import answering_config
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from time_series_segmenter.frames import Frame, Times, read_rows, to_table
from time_series_segmenter.stream import Stream


class DoubtWarning(UserWarning):
    """Something about a recording was not understood for certain, or is unlike what the model was trained on."""


class Model:
    """A checked model. Safe to use from several threads at once; each call computes in the calling thread."""

    def __init__(self, segmenter: Segmenter, config: LabelConfig) -> None:
        """Made by `load_model`."""
        self._segmenter = segmenter
        self._config = config

    def __repr__(self) -> str:
        return f"<Model {self.version}: {', '.join(self.channels)} ► {', '.join(self.labels)}>"

    @property
    def version(self) -> str:
        """Name of the version, as on the status page."""
        return self._segmenter.card.version

    @property
    def channels(self) -> tuple[str, ...]:
        """Columns that a frame must have, lower-cased names or indices; an array has them in this order."""
        return self._segmenter.card.label_config.channels

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that segments may have."""
        return tuple(dict.fromkeys(label for head in self._segmenter.card.heads for label in head.labels))

    @property
    def time_column(self) -> str:
        """Name of the column with times, lower-cased; "" for a model of recordings without times."""
        return self._segmenter.card.label_config.time_column

    def segment(self, frame: Frame, times: Times | None = None, *, task_score: TaskScore = "plausible") -> pd.DataFrame:
        """Find the segments of one recording, as the server does.

        >>> model.segment(frame)[["start", "end", "label"]]
           start  end label
        0    100  159   Run
        1    200  229  Walk
        >>> model.segment(frame.drop(columns="left"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        shared.errors.SeriesError: The frame has no column for the channel 'left'; it has 'note', 'RIGHT'. The model...

        frame: a DataFrame with the columns of `channels`, in any order and beside others, or an array [rows, channels];
        NaN is missing. times: [rows], never decreasing; by default the frame's time column, or row numbers where the
        model was trained without times. task_score: the setting TASK_SCORE.

        Returns a row for each segment, in order of the starts: `start` and `end`, the times of the first and the last
        row (equal for an instant), `label`, and `score`, the expected share of its rows that are right. `attrs` holds
        the `score` of the whole, the `version`, and sentences of `doubts`, which are warnings (DoubtWarning) as well.
        Raises SeriesError for a recording that cannot be segmented.
        """
        rows = read_rows(frame, times, self._own_config)
        found = answer_series(self._segmenter, rows.series, self._config, task_score=task_score)
        for doubt in found.doubts:
            warnings.warn(doubt.sentence, DoubtWarning, stacklevel=2)
        table = to_table(found.segments, rows.times)
        table.attrs = _attributes(found.score, self.version, found.doubts)
        return table

    def choices(self, frame: Frame, times: Times | None = None) -> pd.DataFrame:
        """What the server chooses about a recording as a whole, such as its quality; see `segment` for the arguments.

        Returns a row for each choice: `name`, that of the Choices tag; `choice`; `score`, how likely all that is chosen
        of this tag is right. No rows where the model has learned no choices.
        """
        rows = read_rows(frame, times, self._own_config)
        found = answer_series(self._segmenter, rows.series, self._config).chosen
        every = [(each.from_name, choice, each.score) for each in found for choice in each.choices]
        return pd.DataFrame(every, columns=["name", "choice", "score"])

    def stream(self, latency: int | None = None) -> Stream:
        """A stream of rows that come in parts.

        >>> stream = model.stream()
        >>> [len(stream.add(frame[first : first + 30])) for first in range(0, 300, 30)]
        [0, 0, 0, 0, 0, 0, 1, 0, 1, 0]

        latency: rows after the last row of a segment until it is given out; fewer cost quality (docs/library.md says
        how much). By default what the model takes to see as much as of a recording. Raises ValueError where fewer are
        asked for than the model can do with.
        """
        return Stream(self._segmenter, self._config, self._own_config, latency)

    @property
    def _own_config(self) -> LabelConfig:
        return self._segmenter.card.label_config


def load_model(where: str | os.PathLike[str], project: int | None = None, *, series: str | None = None) -> Model:
    """Load and check a model: seal, operators, memory of a first run, probe. Nothing in it is unpickled or run.

    where: a model file; or with `project` a store, a folder or an `s3://`, `gs://`, `az://` address, of which the model
    that serves this project is taken, under the labels that it has now. series: name of the TimeSeries tag, where
    the project has several; by default the first. Raises ValueError where it has no such series, ModelError for a file
    that fails a check, OSError or StoreError where it cannot be read, UntrainedError where the project has no model.
    """
    if project is None:
        if "://" in os.fspath(where) or Path(where).is_dir():
            raise ModelError(
                f"{os.fspath(where)} is a store: name the project as well, as in load_model(…, project=3)."
            )
        if Path(where).stat().st_size > MAX_BYTES:
            raise ModelError(f"{os.fspath(where)} has more than {MAX_BYTES} bytes: it is not a model.")
        model = ProjectModel.load(Path(where).read_bytes())
        return Model(*_of_series(model, model.label_config, series))
    if "://" not in os.fspath(where) and not Path(where).is_dir():
        raise FileNotFoundError(f"There is no store at {os.fspath(where)}.")
    storage = open_storage(os.fspath(where), "refuse")
    stored = ModelStore(storage).current(project)
    if stored is None:
        raise UntrainedError(f"The store {os.fspath(where)} has no model of project {project}.")
    model = ProjectModel.load(stored.data)
    return Model(*_of_series(model, answering_config(storage, project, model.label_config), series))


def _of_series(model: ProjectModel, config: LabelConfig, name: str | None) -> ServedSeries:
    found = [each for each in model.series(config) if name in (None, each.config.to_name)]
    if not found:
        known = ", ".join(each.card.label_config.to_name for each in model.segmenters)
        raise ValueError(f"The model has not learned a series {name!r} of the configuration; it has learned {known}.")
    return found[0]


def _attributes(score: float, version: str, doubts: Iterable[Doubt]) -> dict[Any, Any]:
    return {"score": score, "version": version, "doubts": [doubt.sentence for doubt in doubts]}
