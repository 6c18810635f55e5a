"""An event expert serves where held-out recordings do not lose by it."""

from collections.abc import Callable

import pytest

from shared.labelling.label_config import LabelConfig
from shared.settings import Settings
from tests.support.predicted_events import predicted
from tests.support.synthetic import LABELS, draw_instants
from training.data.annotations import Recording
from training.fitting.trainer import Trainer
from training.judging.cross_validation import choose_event_expert, cross_validate
from training.planning.plan import make_plan


class Quiet:
    """Progress that nobody follows."""

    def begin(self, what: str, steps: int) -> None:
        """A fit begins."""

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        """It goes on."""

    def taken(self, what: str) -> None:
        """It was made before."""


@pytest.mark.parametrize("helps", [True, False])
def test_each_fold_gets_what_the_other_folds_chose(
    make_recording: Callable[..., Recording], settings: Settings, helps: bool
) -> None:
    """In fold 0 it is the other way round than in folds 1 and 2."""
    bad = [predicted(make_recording, number, 0.1, 0.9, 0.0) for number in range(6)]
    good = [predicted(make_recording, number, 0.9, 0.9, 0.0) for number in range(6)]
    plan = make_plan([each.recording for each in good], good[0].recording.kinds, settings, {})
    without = [b if (b.fold == 0) != helps else g for b, g in zip(bad, good, strict=True)]
    expert = [g if (b.fold == 0) != helps else b for b, g in zip(bad, good, strict=True)]
    serves, chosen = choose_event_expert(expert, without, plan) if helps else choose_event_expert(without, expert, plan)
    assert not serves
    assert {each.fold for each in chosen} == {0, 1, 2}
    assert choose_event_expert(without, [], plan) == (False, without)


def test_the_model_that_serves_has_the_expert_only_if_it_was_chosen(
    make_recordings: Callable[..., list[Recording]], settings: Settings
) -> None:
    recordings = make_recordings(4, draw=draw_instants)
    config = LabelConfig(
        from_name="label",
        to_name="ts",
        value_key="csv",
        value_type="url",
        labels=LABELS,
        colors=("",) * len(LABELS),
        channels=("a", "b"),
    )
    trainer = Trainer(make_plan(recordings, recordings[0].kinds, settings, {}), config, settings, Quiet())
    found = cross_validate(trainer, trainer.plan.splits, 30, "test")
    assert found.scores is not None and found.metric("event_f1") > 0
    model = trainer.fit(recordings, 30, 0, "all")
    assert model.fit.network.event_expert is not None
    served = found.applied_to(model)
    assert (served.fit.network.event_expert is not None) is found.event_expert
    assert all(each.fit.network.arguments["event_expert"] is found.event_expert for each in found.models)
