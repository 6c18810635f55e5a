"""Centre and scale of the rows that a stream has seen last, as many as a training recording has."""

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import ModelCard
from shared.segmentation.normalisation import SAMPLE_ROWS, Doubles, Floats, recording_statistics

UNKNOWN_ROWS = 1 << 17  # looked back, for a card that does not say how long its recordings were
RENEWED = 0.05  # share of rows that may be new until statistics are taken again


class RunningStatistics:
    """Takes rows in order; keeps at most 2 x SAMPLE_ROWS of them, evenly spaced. How rows are cut does not matter."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self._reach = card.known.rows[1] if card.known else UNKNOWN_ROWS
        self._sample: Doubles = np.zeros((0, len(card.channel_mean)))
        self._step = 1  # rows from one of the sample to the next
        self._taken = 0
        self._found: tuple[Doubles, Floats] | None = None
        self._renew_at = 0

    def add(self, values: NDArray[np.float64]) -> None:
        """Take the next rows [rows, channels]."""
        self._sample = np.concatenate([self._sample, values[-self._taken % self._step :: self._step]])
        self._taken += len(values)
        while len(self._sample) > SAMPLE_ROWS and self._step * SAMPLE_ROWS < self._reach:
            self._sample, self._step = self._sample[::2], 2 * self._step
        if len(self._sample) > 2 * self._most:  # copied now and then
            self._sample = self._sample[-self._most :].copy()

    @property
    def _most(self) -> int:
        """Rows of the sample that are looked back to."""
        return max(self._reach // self._step, 1)

    def take(self) -> tuple[Doubles, Floats]:
        """Centre and scale, as `recording_statistics` gives them; of the same rows the same."""
        if self._found is None or self._taken >= self._renew_at:
            recent = self._sample[-self._most :]
            rows = min(self._taken, self._reach)
            mean, std = np.asarray(self._card.channel_mean), np.asarray(self._card.channel_std)
            self._found = recording_statistics(recent, mean, std, self._card.statistics, rows)
            self._renew_at = self._taken + max(int(RENEWED * rows), 1)
        return self._found
