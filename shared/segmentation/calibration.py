"""Probabilities that mean what they say: applied to scores, never to decoding."""

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import Calibration

LEAST = 1e-7  # least probability whose logarithm is taken: one row can't outweigh a segment

Floats = NDArray[np.float32]


def log_probabilities(probabilities: Floats) -> Floats:
    """Natural logarithm, with probabilities below 1e-7 taken as 1e-7."""
    logs: Floats = np.log(np.maximum(probabilities, np.float32(LEAST)))
    return logs


def calibrate(logs: Floats, calibration: Calibration) -> Floats:
    """softmax((logs + bias) / temperature) over the classes of one head.

    logs: [rows, classes], logarithms of averaged probabilities. Source: Guo et al. 2017, with a bias a class because
    class weights shift the prior.
    """
    scaled = np.array(logs.T, order="C")  # classes are few: sums over them are 20 times faster this way round
    if calibration.bias:
        scaled += np.asarray(calibration.bias, np.float32)[:, None]
    scaled /= np.float32(calibration.temperature)
    scaled -= scaled.max(axis=0)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=0)
    return scaled.T
