"""A recording that has no end: rows in, segments out once they are settled."""

from typing import Any

import numpy as np
import pandas as pd

from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.segmentation.answer import renamed
from shared.segmentation.known_recordings import other_rate
from shared.segmentation.segmenter import Segmenter
from shared.segmentation.streaming import Latency, SegmentStream
from time_series_segmenter.frames import Frame, Times, read_rows, to_table

RATE_ROWS = 64  # by which the sampling rate is checked


class Stream:
    """One stream, for one thread. How rows are cut into parts changes nothing."""

    def __init__(self, segmenter: Segmenter, config: LabelConfig, own: LabelConfig, latency: int | None) -> None:
        """Made by `Model.stream`."""
        self._known = segmenter.card.known if own.time_column else None
        self._config, self._own = config, own
        self._latency = Latency.of_model(segmenter.card, latency)
        self._stream = SegmentStream(segmenter, self._latency)
        self._times: pd.Series[Any] | None = None  # of the rows that may still begin a segment
        self._first = 0  # the first of these rows
        self._checked = np.zeros(0)  # times that the sampling rate is checked by
        self._ended = False
        self._last = -np.inf

    @property
    def latency(self) -> int:
        """The most rows after the last row of a segment until it is given out, once as many as a window have come."""
        return self._latency.rows

    def add(self, frame: Frame, times: Times | None = None) -> pd.DataFrame:
        """Take the next rows, any number of them; give the segments that are settled now, as `Model.segment` does.

        Without times `start` and `end` are numbers of rows since the stream began. Raises SeriesError for rows that
        cannot be read, times that go back, or another sampling rate than that of the training recordings: streams are
        not resampled; ValueError after `finish`.
        """
        if self._ended:
            raise ValueError("The stream was finished: rows of another one go into another model.stream().")
        if np.shape(frame)[:1] == (0,):
            return self._table([])
        rows = read_rows(frame, times, self._own)
        self._check_times(rows.series.axis.times)
        shown = rows.times
        if times is None and not self._own.time_column:
            shown = shown + self._stream.rows
        self._times = shown if self._times is None else pd.concat([self._times, shown], ignore_index=True)
        return self._table(self._stream.add(rows.series.values))

    def finish(self) -> pd.DataFrame:
        """The segments not given out yet, as at the end of a recording; no rows can be added after it."""
        self._ended = True
        return self._table(self._stream.finish())

    def _table(self, segments: list[Segment]) -> pd.DataFrame:
        named = [renamed(segment, self._config.synonyms) for segment in segments]
        times = pd.Series(dtype=float) if self._times is None else self._times
        table = to_table([each for each in named if each.label in self._config.label_set], times, self._first)
        open_row = min(self._stream.open_row, self._first + len(times))
        if self._times is not None and open_row - self._first > len(self._times) // 2:  # copied now and then
            self._times, self._first = self._times.iloc[open_row - self._first :].reset_index(drop=True), open_row
        return table

    def _check_times(self, times: "np.ndarray[Any, np.dtype[np.float64]]") -> None:
        if not self._own.time_column:
            return
        if times[0] < self._last:
            raise SeriesError(f"Times must not decrease, but the stream goes from {self._last:g} back to {times[0]:g}.")
        self._last = float(times[-1])
        if self._known is None or len(self._checked) >= RATE_ROWS:
            return
        self._checked = np.concatenate([self._checked, times])[:RATE_ROWS]
        if len(self._checked) == RATE_ROWS:
            found = other_rate(Series(np.zeros((RATE_ROWS, 1)), TimeAxis(self._checked)), self._known)
            if found is not None:
                raise SeriesError(
                    f"The sampling rate is {found:.3g} times that of the training recordings; resample the rows before "
                    "they are added: a stream cannot."
                )
