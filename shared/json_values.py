"""Bound on the memory that decoding a JSON text takes: an empty list has two bytes as text and 64 in memory."""

import numpy as np

MARKS = b",[{"  # each value but the first of a list follows a comma, each list and object begins with its bracket
STEP = 1 << 20  # bytes looked at together


def most_values(data: bytes | memoryview) -> int:
    """Upper bound on the number of values in `data`; marks within strings count, too. Copies nothing."""
    marks = np.frombuffer(data, np.uint8)
    parts = (marks[first : first + STEP] for first in range(0, len(marks), STEP))
    return 1 + sum(int(np.count_nonzero(part == mark)) for part in parts for mark in MARKS)


def holds_more_values(data: bytes | memoryview, limit: int) -> bool:
    """Whether decoding `data` may make more than `limit` values; a text of `limit` bytes or fewer cannot."""
    return len(data) > limit and most_values(data) > limit
