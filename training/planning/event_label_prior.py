"""In which shares the labels of instants come in a recording, learned from annotations."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.annotations import Recording, by_annotator

LEAST_RECORDINGS = 2  # one does not show what varies between recordings
LEAST_VARIANCE = 0.01  # of a label's share between recordings
STRENGTH = 4.0  # what recordings show counts so often: cross-validated, 2 to 8 are level, 1 gains half as much

Doubles = NDArray[np.float64]


def learn_event_label_prior(recordings: Sequence[Recording], labels: Sequence[str]) -> tuple[float, ...]:
    """Of a Dirichlet distribution with the mean and the variance of the labels' shares in recordings of known rows.

    One recording of even shares is added. Empty with one label, or fewer than two recordings that hold events.
    """
    with_events = [each for each in recordings if any(own.events for own in by_annotator([each]))]
    if len(labels) < 2 or len(with_events) < LEAST_RECORDINGS:
        return ()
    marked = [each.events for each in by_annotator(with_events) if each.events]
    seen = np.array([[sum(event.label == label for event in events) for label in labels] for events in marked], float)
    shares: Doubles = seen / seen.sum(axis=1, keepdims=True)
    mean = (shares.sum(axis=0) + 1 / len(labels)) / (len(shares) + 1)
    variance = float(shares.var(axis=0).sum()) + LEAST_VARIANCE
    weight = max(float((mean * (1 - mean)).sum()) / variance - 1, 1.0)
    return tuple((STRENGTH * weight * mean).round(4).tolist())
