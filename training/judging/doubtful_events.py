"""Recordings whose instants look wrong: most are found in others by models that never saw them, but not in these."""

from collections.abc import Sequence

import numpy as np

from training.judging.evaluate import HeldOutPrediction
from training.judging.metrics import count

LEAST_RECORDINGS = 3  # to compare with
LEAST_EVENTS = 10  # of a recording: a few may be missed by chance
SHARE = 0.7  # of the median that the event F1 of a doubtful recording stays below
LEAST_MEDIAN = 0.7  # where most recordings are found no better, it is the model that is doubtful


def doubtful_events(predictions: Sequence[HeldOutPrediction], tolerance: float) -> str:
    """A sentence for people that names such recordings, "" if there are none."""
    found: list[tuple[float, str]] = []
    for each in predictions:
        events = count(each.recording, each.segments, tolerance).get("events", np.zeros((0, 3)))
        hits, true, predicted = events.sum(axis=0)
        if true >= LEAST_EVENTS:
            found.append((float(2 * hits / (true + predicted)), each.recording.name))
    median = float(np.median([value for value, _ in found])) if found else 0.0
    if len(found) < LEAST_RECORDINGS or median < LEAST_MEDIAN:
        return ""
    doubtful = sorted(each for each in found if each[0] < SHARE * median)
    if not doubtful:
        return ""
    shown = ", ".join(f"{name} ({value:.2f})" for value, name in doubtful)
    return (
        f"Doubtful events in {len(doubtful)} of {len(found)} recordings: models that never saw them find far fewer of "
        f"their events than of others' (event F1 {median:.2f}). Check times and labels in: {shown}."
    )
