"""What recordings are made of, learned from annotations: how often labels come, what follows what."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from shared.model_file.card import LabelSequencePrior, UsualCounts
from training.data.annotations import Recording, by_annotator, label_runs

LEAST_RECORDINGS = 2  # one does not show what varies between recordings
LEAST_COUNTED, MOST_COUNTED = 8, 64  # segments of a label, twice as many as seen; more count as so many
COUNT_SPREAD = 0.3  # standard deviation of a count beyond 1, as a share: seen once is once, but 9 may be 7 or 12
COUNT_PRIOR = 1.0  # recordings that what is true of any label counts as, beside those of the label itself
LEAST_MEAN = 0.1  # segments of a label, for its deviation
ORDER_PRIOR = 2.0  # transitions for each class that "anything may follow" counts as

Doubles = NDArray[np.float64]


def learn_label_sequence_prior(recordings: Sequence[Recording], head: int, classes: int) -> LabelSequencePrior | None:
    """Prior of the whole recordings among these whose rows are all known; None with fewer than two.

    head: of ranges. classes: its background and labels.
    """
    whole = whole_recordings(recordings, head)
    if not whole:
        return None
    sequences = [[label for _, _, label in label_runs(each.labels[:, head])] for each in whole]
    rows = [each.rows for each in whole]
    return LabelSequencePrior(
        counts=_rounded(_counts(sequences, classes)),
        order=_rounded(_order(sequences, classes)),
        rows=(min(rows), max(rows)),
        usual_rows=int(np.median(rows)),
        segment_rows=_segment_rows(whole, head, classes),
    )


def learn_usual_counts(recordings: Sequence[Recording], head: int, classes: int) -> UsualCounts | None:
    """How many segments of each label the same recordings hold; None with fewer than two.

    Deviations are drawn towards those of rare events by as much as one recording says.
    """
    whole = whole_recordings(recordings, head)
    if not whole:
        return None
    labels = [[label for _, _, label in label_runs(each.labels[:, head])] for each in whole]
    counts = np.array([np.bincount(each, minlength=classes)[1:] for each in labels], float)
    mean = counts.mean(axis=0)
    variance = (np.square(counts - mean).sum(axis=0) + np.maximum(mean, LEAST_MEAN)) / len(counts)
    rows = [each.rows for each in whole]
    return UsualCounts(
        mean=tuple(mean.round(4).tolist()),
        deviation=tuple(np.sqrt(variance).round(4).tolist()),
        rows=(min(rows), max(rows)),
        usual_rows=int(np.median(rows)),
    )


def whole_recordings(recordings: Sequence[Recording], head: int) -> list[Recording]:
    """Whole recordings whose rows are all known, as each annotator marked them; none of fewer than two recordings."""
    usable = [
        [own for own in by_annotator([each]) if own.rows == own.whole and own.known[:, head].all()]
        for each in recordings
    ]
    return list(chain.from_iterable(usable)) if sum(map(bool, usable)) >= LEAST_RECORDINGS else []


def _counts(sequences: Sequence[Sequence[int]], classes: int) -> Doubles:
    """Log probability that a recording holds 0, 1, … segments of each label; the last: or more.

    A label's own counts, the larger ones spread over their neighbours, with a prior that is half what all labels show
    and half the geometric distribution of their mean: few recordings must not rule out what they don't show.
    """
    seen = np.array([np.bincount(sequence, minlength=classes)[1:] for sequence in sequences])
    most = int(np.clip(2 * seen.max(), LEAST_COUNTED, MOST_COUNTED))
    numbers = np.arange(1 + most)
    found = np.zeros((classes - 1, 1 + most))
    for occurrences in np.minimum(seen, most):
        spread = COUNT_SPREAD * np.maximum(occurrences - 1, 0.01 / COUNT_SPREAD)[:, None]
        near = np.exp(-np.square((numbers - occurrences[:, None]) / spread) / 2)
        found += near / near.sum(axis=1, keepdims=True)
    pooled = found.sum(axis=0) / found.sum()
    mean = max(float(pooled @ numbers), 0.1)
    tail = (mean / (1 + mean)) ** numbers / (1 + mean)
    tail[-1] += 1 - tail.sum()
    prior = COUNT_PRIOR * (pooled + tail) / 2
    return np.asarray(np.log((found + prior) / (len(sequences) + COUNT_PRIOR)))


def _order(sequences: Sequence[Sequence[int]], classes: int) -> Doubles:
    """Log probability of each class after each other one, beyond that of the class after any other."""
    pairs = np.zeros((classes, classes))
    share = np.full(classes, 0.5)
    for sequence in sequences:
        np.add.at(pairs, (sequence[:-1], sequence[1:]), 1)
        np.add.at(share, list(sequence), 1)
    usual = np.tile(share, (classes, 1))
    np.fill_diagonal(usual, 0)
    usual /= usual.sum(axis=1, keepdims=True)
    prior = ORDER_PRIOR * classes
    found = (pairs + prior * usual) / (pairs.sum(axis=1, keepdims=True) + prior)
    np.fill_diagonal(found, 1)
    np.fill_diagonal(usual, 1)
    return np.asarray(np.log(found / usual))


def _segment_rows(recordings: Sequence[Recording], head: int, classes: int) -> tuple[float, ...]:
    """Mean rows of each label's segments; 0 of a label without any."""
    rows, segments = np.zeros(classes), np.zeros(classes)
    for recording in recordings:
        for first, last, label in label_runs(recording.labels[:, head]):
            rows[label] += last + 1 - first
            segments[label] += 1
    return tuple((rows / np.maximum(segments, 1))[1:].round(2).tolist())


def _rounded(table: Doubles) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in table.round(4).tolist())
