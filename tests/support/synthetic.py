"""Channels that a small network learns to distinguish in a second."""

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment

LABELS = ("Run", "Walk")
FAST = {
    "SEQUENCE_SIZE": "16",
    "HIDDEN_SIZE": "8",
    "TRAIN_EPOCHS": "24",
    "TRAIN_THREADS": "1",
    "LOG_FORMAT": "text",
}


def draw_ranges(random: np.random.Generator, rows: int) -> tuple[NDArray[np.float64], list[Segment]]:
    """Channels a, b: Run is a wave in a, Walk a step in b."""
    values = random.normal(0, 0.3, (rows, 2))
    segments = []
    first, kind = int(random.integers(15, 40)), int(random.integers(2))
    while first < rows - 45:
        length = int(random.integers(30, 45))
        last = first + length - 1
        values[first : last + 1, kind] += 2 * np.sin(np.arange(length) * 0.8) if kind == 0 else 2
        segments.append(Segment(first, last, LABELS[kind]))
        first, kind = last + int(random.integers(20, 40)), 1 - kind
    return values, segments


def draw_instants(random: np.random.Generator, rows: int) -> tuple[NDArray[np.float64], list[Segment]]:
    """Channels a, b: Run is a spike in a, Walk one in b."""
    values = random.normal(0, 0.3, (rows, 2))
    segments = []
    row = int(random.integers(10, 25))
    while row < rows - 10:
        kind = int(random.integers(2))
        values[row - 1 : row + 2, kind] += (2, 5, 2)
        segments.append(Segment(row, row, LABELS[kind], instant=True))
        row += int(random.integers(18, 30))
    return values, segments
