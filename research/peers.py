"""What a user could pick instead, small and honest: gradient boosting on rolling features, MS-TCN, other networks.

All get this project's targets, class weights and decoding (a minimum-duration filter, peak picking, priors), so that
only what finds the probabilities differs. Boosting sees its features as they are, networks the normalised channels that
ours sees; those of row_networks.py its windows, too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor, nn
from torch.nn import functional

from research.row_networks import Conformer, PlainLSTM, UNet, row_network
from shared.labelling.segments import Segment
from shared.model_file.card import Head
from training.data.annotations import UNKNOWN, LabelKinds, Recording
from training.fitting.dataset import normalise, row_targets, training_statistics
from training.judging.evaluate import decode
from training.planning.decoding_parameters import learn_heads

WINDOWS = (5, 15, 51, 151)  # rows of the rolling features
ITERATIONS = 100  # trees a class
FILTERS, LAYERS = 64, 9  # of MS-TCN; two stages
EPOCHS, LEAST_STEPS = 50, 300  # 50 as published; more where recordings are few
RATE, SMOOTHING = 5e-4, 0.15  # as published
WEIGHT_CAP = 10.0
LONGEST = 4.0  # medians that a recording counts at most in the statistics

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Classifier = Callable[[Sequence[Recording], Sequence[Recording], int, Head, int], list[Floats]]
Peer = Callable[[Sequence[Recording], Sequence[Recording], LabelKinds, int], list[Floats]]


def fit_and_find(
    name: str, training: Sequence[Recording], test: Sequence[Recording], kinds: LabelKinds, seed: int
) -> list[list[Segment]]:
    """Segments of each test recording, by the peer `name` (a key of PEERS) fitted on `training`."""
    heads = learn_heads(training, kinds)
    return [decode(heads, each) for each in PEERS[name](training, test, kinds, seed)]


def a_fit_a_head(
    classifier: Classifier, training: Sequence[Recording], test: Sequence[Recording], kinds: LabelKinds, seed: int
) -> list[Floats]:
    """Probabilities of the rows of each test recording, all heads side by side."""
    heads = learn_heads(training, kinds)
    parts = [classifier(training, test, number, head, seed) for number, head in enumerate(heads)]
    return [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]


def targets(recording: Recording, number: int, head: Head) -> Integers:
    """Column that is right at each row; around an instant those rows that lie within half of the widened target."""
    classes, shares = row_targets(recording, number, head)
    return np.where((classes == UNKNOWN) | (shares >= 0.5), classes, 0)


def class_weights(right: Integers, classes: int) -> Floats:
    """Square root of inverse frequency, 1 for the commonest class, at most WEIGHT_CAP: float32 [classes]."""
    counts = np.bincount(right, minlength=classes)
    weights: Floats = np.minimum(np.sqrt(counts.max() / np.maximum(counts, 1)), WEIGHT_CAP).astype(np.float32)
    return weights


def rolling_features(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values and their mean, deviation, least and most in centred windows: [rows, channels · (1 + 4 · windows)]."""
    frame = pd.DataFrame(values).ffill().bfill().fillna(0.0)
    found = [frame.to_numpy()]
    for window in WINDOWS:
        rolled = frame.rolling(window, center=True, min_periods=1)
        for part in (rolled.mean(), rolled.std().fillna(0.0), rolled.min(), rolled.max()):
            found.append(part.to_numpy())
    return np.concatenate(found, axis=1)


def boosting(
    training: Sequence[Recording], test: Sequence[Recording], number: int, head: Head, seed: int
) -> list[Floats]:
    """Histogram gradient boosting (scikit-learn), row by row."""
    right = np.concatenate([targets(each, number, head) for each in training])
    features = np.concatenate([rolling_features(each.series.values) for each in training])
    known, classes = right != UNKNOWN, 1 + len(head.labels)
    weights = class_weights(right[known], classes)
    model = HistGradientBoostingClassifier(max_iter=ITERATIONS, random_state=seed, early_stopping=False)
    model.fit(features[known], right[known], sample_weight=weights[right[known]])
    found: list[Floats] = []
    for each in test:
        probabilities = np.full((each.rows, classes), 1e-7, np.float32)
        probabilities[:, model.classes_] = model.predict_proba(rolling_features(each.series.values))
        found.append(probabilities)
    return found


class Stage(nn.Module):
    """A stack of dilated residual convolutions (Farha & Gall 2019): [1, inputs, rows] ► logits [1, classes, rows]."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(inputs, FILTERS, 1)
        self.dilated = nn.ModuleList(
            nn.Conv1d(FILTERS, FILTERS, 3, padding=2**layer, dilation=2**layer) for layer in range(LAYERS)
        )
        self.mixed = nn.ModuleList(nn.Conv1d(FILTERS, FILTERS, 1) for _ in range(LAYERS))
        self.leave = nn.Conv1d(FILTERS, classes, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of every row."""
        hidden = self.enter(rows)
        for dilated, mixed in zip(self.dilated, self.mixed, strict=True):
            hidden = hidden + functional.dropout(mixed(functional.relu(dilated(hidden))), 0.5, self.training)
        logits: Tensor = self.leave(hidden)
        return logits


def ms_tcn(
    training: Sequence[Recording], test: Sequence[Recording], number: int, head: Head, seed: int
) -> list[Floats]:
    """MS-TCN of two stages on whole recordings: cross entropy and the truncated smoothing loss of each stage."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    statistics = training_statistics(training, LONGEST)

    def rows_of(recording: Recording) -> Tensor:
        return torch.from_numpy(normalise(recording.series.values, statistics)).T[None].contiguous()

    rows = [rows_of(each) for each in training]
    right = [torch.from_numpy(targets(each, number, head))[None] for each in training]
    classes = 1 + len(head.labels)
    every = torch.cat(right, dim=1).numpy()
    weights = torch.from_numpy(class_weights(every[every != UNKNOWN], classes))
    stages = nn.ModuleList([Stage(rows[0].shape[1], classes), Stage(classes, classes)])
    optimizer = torch.optim.Adam(stages.parameters(), lr=RATE)
    for _ in range(max(EPOCHS, -(-LEAST_STEPS // len(training)))):
        for index in random.permutation(len(training)):
            loss = torch.zeros(())
            for logits in _stages(stages, rows[index]):
                logs = logits.log_softmax(1)
                jumps = (logs[:, :, 1:] - logs[:, :, :-1].detach()).square().clamp(max=16)
                loss = loss + functional.cross_entropy(logits, right[index], weights, ignore_index=UNKNOWN)
                loss = loss + SMOOTHING * jumps.mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    stages.eval()
    with torch.no_grad():
        return [_stages(stages, rows_of(each))[-1].softmax(1)[0].T.numpy() for each in test]


def _stages(stages: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
    first: Tensor = stages[0](rows)
    return first, stages[1](first.softmax(1))


PEERS: dict[str, Peer] = {
    "boosting": partial(a_fit_a_head, boosting),
    "ms-tcn": partial(a_fit_a_head, ms_tcn),
    "lstm": partial(row_network, PlainLSTM),
    "u-net": partial(row_network, UNet),
    "conformer": partial(row_network, Conformer),
}
