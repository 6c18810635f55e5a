"""What the card holds about the training recordings, and how good out-of-fold predictions are without a channel."""

from dataclasses import replace

import numpy as np
from msgspec.structs import replace as with_fields

from shared.model_file.card import KnownRecordings
from training.data.annotations import Recording
from training.fitting.trainer import Trainer
from training.judging.cross_validation import Evaluation, score_with
from training.judging.evaluate import predict
from training.planning.known_recordings import learn_known_recordings

MAX_CHANNELS = 12  # beyond them one channel hardly decides
NOISE = 0.05  # of balanced accuracy that guessing reaches on a few recordings
MAX_ROWS = 30_000  # held-out rows that are predicted again for each channel


def known_recordings(trainer: Trainer, evaluation: Evaluation, *, timed: bool) -> KnownRecordings:
    """What the card holds about the training recordings. timed: their times are those of a column."""
    found = learn_known_recordings([recording.series for recording in trainer.plan.recordings], timed=timed)
    scores = evaluation.scores
    classes = int(scores.classes.evaluated.sum()) if scores is not None else 0
    return with_fields(
        found,
        accuracy_without=accuracy_without_each_channel(trainer, evaluation),
        chance=1 / classes + NOISE if classes else 0.0,
    )


def accuracy_without_each_channel(trainer: Trainer, evaluation: Evaluation) -> tuple[float, ...]:
    """Balanced accuracy on held-out recordings with each channel emptied in turn; () where it is not known."""
    channels = trainer.plan.recordings[0].series.values.shape[1]
    if evaluation.scores is None or not 1 < channels <= MAX_CHANNELS:
        return ()
    held_out = [_up_to(split.held_out, MAX_ROWS // len(trainer.plan.splits)) for split in trainer.plan.splits]
    segmenters = [trainer.load(model) for model in evaluation.models]
    found = []
    for channel in range(channels):
        predictions = [
            each
            for fold, (segmenter, recordings) in enumerate(zip(segmenters, held_out, strict=True))
            for each in predict(segmenter, [_emptied(recording, channel) for recording in recordings], fold)
        ]
        found.append(score_with(trainer.plan, predictions).metrics().get("balanced_accuracy", 1.0))
    return tuple(found)


def _up_to(recordings: tuple[Recording, ...], rows: int) -> list[Recording]:
    """The first recordings, at least one, of at most so many rows together."""
    ends = np.cumsum([recording.rows for recording in recordings])
    return list(recordings[: max(1, int(np.searchsorted(ends, rows, side="right")))])


def _emptied(recording: Recording, channel: int) -> Recording:
    values = recording.series.values.copy()
    values[:, channel] = np.nan
    return replace(recording, series=replace(recording.series, values=values))
