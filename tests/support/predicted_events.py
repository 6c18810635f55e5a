"""Held-out predictions of instants, as sure and as wrong as a test wants them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from shared.labelling.segments import Segment
from shared.model_file.card import InstantHead
from training.data.annotations import LabelKinds, Recording
from training.judging.evaluate import HeldOutPrediction, decode
from training.planning.decoding_parameters import THRESHOLD

INSTANTS = LabelKinds((), ("Run", "Walk"), ())
ROWS = 400
Make = Callable[..., Recording]


def predicted(make_recording: Make, number: int, run: float, walk: float, noise: float) -> HeldOutPrediction:
    """Nine Runs and nine Walks of these heights; beside each Walk something of height `noise` that looks like one."""
    heights, labels = np.zeros((ROWS, 2)), []
    for at in range(18):
        kind = at % 2
        heights[10 + 20 * at, kind] = (run, walk)[kind]
        labels.append(Segment(10 + 20 * at, 10 + 20 * at, ("Run", "Walk")[kind], instant=True))
        heights[20 + 20 * at, 1] = noise
    recording = replace(make_recording(labels, rows=ROWS, kinds=INSTANTS), key=str(number), group=str(number))
    probabilities = np.concatenate([1 - heights.sum(axis=1, keepdims=True), heights], axis=1).astype(np.float32)
    head = InstantHead(labels=("Run", "Walk"), spacing=(3, 3), threshold=(THRESHOLD,) * 2, half_width=0)
    return HeldOutPrediction(recording, number % 3, (head,), probabilities, tuple(decode([head], probabilities)))
