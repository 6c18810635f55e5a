"""Rows ► windows ► probabilities ► segments, while rows come."""

import numpy as np

from shared.errors import SeriesError
from shared.labelling.segments import Segment
from shared.segmentation.normalisation import Doubles, Floats, around_center
from shared.segmentation.segmenter import Segmenter, make_decoder
from shared.segmentation.streaming.latency import Latency
from shared.segmentation.streaming.running_statistics import RunningStatistics
from shared.segmentation.windows import BLOCK_WINDOWS, RowMeans, Rows


class SegmentStream:
    """Segments of rows that come in parts; how they are cut into parts changes nothing. For one thread.

    Other than a whole recording, a stream is normalised by the rows so far (the last ones, as many as the longest
    training recording has); a segment is given out when it has waited for the latency, whatever comes later; and
    the priors of what a recording is made of see what came before alone. Memory does not grow, but for a segment that
    lasts.
    """

    def __init__(self, segmenter: Segmenter, latency: Latency) -> None:
        card = segmenter.card
        self._segmenter = segmenter
        self._latency = latency
        self._window = card.window
        self._channels = len(card.channel_mean)
        self._statistics = RunningStatistics(card)
        self._described = 0  # rows that the statistics have taken
        self._values: Doubles = np.zeros((0, self._channels))  # rows that windows still need
        self._first = 0  # the first of them
        self._next = 0  # first row of the next window
        self._decoded = 0
        self._means = RowMeans()
        self._decoders = [make_decoder(head) for head in card.heads]

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return self._first + len(self._values)

    @property
    def open_row(self) -> int:
        """The first row that a segment still to come may begin with."""
        return min(each.open_row for each in self._decoders)

    def add(self, values: Doubles) -> list[Segment]:
        """Take rows [rows, channels], NaN missing; give the segments that are settled now, by rows of the stream.

        Raises SeriesError for another number of channels.
        """
        if values.ndim != 2 or values.shape[1] != self._channels:
            raise SeriesError(
                f"The stream was given an array of shape {values.shape}; expected {self._channels} channels."
            )
        self._values = np.concatenate([self._values, values])
        found: list[Segment] = []
        while self._next + self._window <= self.rows:
            last = self.rows - self._window
            starts = np.arange(self._next, last + 1, self._latency.stride)[:BLOCK_WINDOWS]
            for start, probabilities in zip(starts.tolist(), self._run(starts, self._window), strict=True):
                self._decode(start, probabilities, start + self._window - self._latency.ahead)
                found += [segment for each in self._decoders for segment in each.settled(self._latency.settle)]
            self._next = int(starts[-1]) + self._latency.stride
            needless = int(starts[-1]) - self._first  # the last window of all may begin up to a stride before the next
            self._values, self._first = self._values[needless:], self._first + needless
        return sorted(found, key=_place)

    def finish(self) -> list[Segment]:
        """The segments of all rows taken that were not given out yet; no rows can be added after it."""
        if self._decoded < self.rows:
            length = min(self._window, self.rows)
            start = self.rows - length
            self._decode(start, self._run(np.array([start]), length)[0], self.rows)
        return sorted([segment for each in self._decoders for segment in each.finish()], key=_place)

    def _run(self, starts: Rows, length: int) -> Floats:
        """Probabilities of windows [windows, length, classes], each normalised by the rows up to its end."""
        windows: list[Floats] = []
        centers: list[Doubles] = []
        scales: list[Floats] = []
        for start in starts.tolist():
            self._describe(start + length)
            center, scale = self._statistics.take()
            place = start - self._first
            windows.append(around_center(self._values[place : place + length], center))
            centers.append(center[None])
            scales.append(scale[None])
        return self._segmenter.run(np.stack(windows), np.stack(centers), np.stack(scales))

    def _decode(self, start: int, probabilities: Floats, final: int) -> None:
        """Take what a window says [length, classes], and decode the rows before `final`."""
        rows = self._means.add(np.array([start]), probabilities[None], final)
        self._decoded = final
        first = 0
        for decoder, head in zip(self._decoders, self._segmenter.card.heads, strict=True):
            width = 1 + len(head.labels)
            decoder.add(rows[:, first : first + width])
            first += width

    def _describe(self, end: int) -> None:
        """Let the statistics take the rows before `end`."""
        if end > self._described:
            self._statistics.add(self._values[self._described - self._first : end - self._first])
            self._described = end


def _place(segment: Segment) -> tuple[int, int]:
    return segment.first, segment.last
