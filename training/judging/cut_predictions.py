"""Held-out predictions of recordings cut in half and joined in pairs: what priors are evaluated on beside whole ones.

Probabilities are those of the whole recordings, which a part alone would not have exactly; what decoding makes of them
is what a part would get.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import Instant, Recording
from training.judging.evaluate import HeldOutPrediction

POSITIONS = (0.0, 0.25, 0.5)  # where halves begin


def halves(predictions: Sequence[HeldOutPrediction]) -> list[HeldOutPrediction]:
    """Three halves of each recording, in the recording's group. Segments are still to be decoded."""
    found = []
    for each in predictions:
        rows = each.recording.rows
        for position in POSITIONS:
            first = int(position * rows)
            end = first + max(rows // 2, 1)
            part = replace(each.recording.part(first, end), group=each.recording.group)
            found.append(replace(each, recording=part, probabilities=each.probabilities[first:end], segments=()))
    return found


def joined_pairs(predictions: Sequence[HeldOutPrediction]) -> list[HeldOutPrediction]:
    """Neighbours of one fold as one recording; the odd one is left out. Segments are still to be decoded."""
    found = []
    for fold in sorted({each.fold for each in predictions}):
        some = [each for each in predictions if each.fold == fold]
        for one, other in zip(some[::2], some[1::2], strict=False):
            both = np.concatenate([one.probabilities, other.probabilities])
            recording = join(one.recording, other.recording)
            found.append(replace(one, recording=recording, probabilities=both, segments=()))
    return found


def join(one: Recording, other: Recording) -> Recording:
    """Two recordings as one, in the group of the first; times go on with its last step."""
    times, more = one.series.axis.times, other.series.axis.times
    step = times[-1] - times[-2] if len(times) > 1 else 1.0
    axis = TimeAxis(np.concatenate([times, more - more[0] + times[-1] + step]), one.series.axis.time_format)
    events = tuple(Instant(event.row + one.rows, event.label) for event in other.events)
    return replace(
        one,
        series=Series(np.concatenate([one.series.values, other.series.values]), axis),
        labels=np.concatenate([one.labels, other.labels]),
        known=np.concatenate([one.known, other.known]),
        events=one.events + events,
        whole=one.rows + other.rows,
    )
