"""What the card holds about the training recordings."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from shared.settings import Settings
from tests.training.judging.test_step_search import CONFIG, Silent
from training.data.annotations import Recording
from training.fitting.trainer import Trainer
from training.judging.cross_validation import cross_validate
from training.judging.known_recordings import known_recordings
from training.planning.plan import make_plan


def without_information(recording: Recording, channel: int) -> Recording:
    """The recording with all that tells labels apart in one channel; the other, `channel`, holds noise."""
    values = recording.series.values.copy()
    values[:, 1 - channel] += 4 * (recording.labels.reshape(len(values), -1)[:, 0] == 2)
    values[:, channel] = np.random.default_rng(0).normal(size=len(values))
    return replace(recording, series=replace(recording.series, values=values))


def test_it_is_known_which_channel_a_model_cannot_do_without(
    make_recordings: Callable[..., list[Recording]], settings: Settings
) -> None:
    recordings = [without_information(each, 1) for each in make_recordings(4)]
    plan = make_plan(recordings, recordings[0].kinds, settings, {})
    trainer = Trainer(plan, CONFIG, settings, Silent())
    evaluation = cross_validate(trainer, plan.splits, 120, "a schedule")
    known = known_recordings(trainer, evaluation, timed=False)
    assert (known.recordings, known.varied, known.filled, known.log_step) == (4, (True, True), (True, True), None)
    assert 1 / 3 < known.chance < 0.4
    needed, noise = known.accuracy_without
    assert needed <= known.chance
    assert needed < noise
