"""Whatever decides a fit changes its digest, and nothing else does."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from shared.settings import Settings
from training.data.annotations import LabelKinds, Recording
from training.data.votes import Instant
from training.fitting import fit_input
from training.fitting.fit_input import FitInput, content_digest
from training.planning.plan import Plan, make_plan

Change = Callable[[Plan], Plan]


def changed_recording(plan: Plan, **fields: object) -> Plan:
    first = replace(plan.recordings[0], **fields)  # type: ignore[arg-type]
    return replace(plan, recordings=(first, *plan.recordings[1:]))


def other_values(plan: Plan) -> Plan:
    series = plan.recordings[0].series
    values = series.values.copy()
    values[5, 1] = np.nextafter(values[5, 1], np.inf)
    return changed_recording(plan, series=replace(series, values=values))


def other_label(plan: Plan) -> Plan:
    labels = plan.recordings[0].labels.copy()
    labels[-1, 0] = 1 - labels[-1, 0]
    return changed_recording(plan, labels=labels)


def unknown_row(plan: Plan) -> Plan:
    known = plan.recordings[0].known.copy()
    known[0, 0] = False
    return changed_recording(plan, known=known)


CHANGES: dict[str, Change] = {
    "a value": other_values,
    "a label": other_label,
    "an unknown row": unknown_row,
    "an instant": lambda plan: changed_recording(plan, events=(Instant(3, "Run"),)),
    "an annotator": lambda plan: changed_recording(plan, annotators=(plan.recordings[0],)),
    "a group": lambda plan: changed_recording(plan, group="another"),
    "a task": lambda plan: changed_recording(plan, key="99"),
    "the order": lambda plan: replace(plan, recordings=plan.recordings[::-1]),
    "a recording more": lambda plan: replace(plan, recordings=(*plan.recordings, plan.recordings[0])),
    "the classes": lambda plan: replace(plan, kinds=LabelKinds((("Walk", "Run"),), (), ())),
    "the window": lambda plan: replace(plan, shape=replace(plan.shape, window=plan.shape.window * 2)),
    "the recipe": lambda plan: replace(plan, recipe=replace(plan.recipe, warp=0.1)),
}


@pytest.fixture
def plan(make_recordings: Callable[..., list[Recording]], settings: Settings) -> Plan:
    recordings = make_recordings(3)
    return make_plan(recordings, recordings[0].kinds, settings, {})


def digest(plan: Plan, settings: Settings, steps: int = 20, seed: int = 0, device: str = "cpu") -> str:
    return FitInput(plan, settings, device).digest(plan.recordings, steps, seed)


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_learned_from_decides(plan: Plan, settings: Settings, what: str) -> None:
    assert digest(CHANGES[what](plan), settings) != digest(plan, settings)


def test_so_do_the_schedule_the_network_and_the_machine(plan: Plan, settings: Settings) -> None:
    ours = digest(plan, settings)
    for other in (
        digest(plan, settings, steps=21),
        digest(plan, settings, seed=1),
        digest(plan, settings, device="cuda"),
        digest(plan, replace(settings, hidden_size=16)),
        digest(plan, replace(settings, train_epochs=25)),
        digest(plan, replace(settings, use_class_weights=False)),
    ):
        assert other != ours


def test_so_do_the_libraries_and_the_program(plan: Plan, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = digest(plan, settings)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0")
        assert digest(plan, settings) != ours
    with monkeypatch.context() as patch:
        patch.setattr(fit_input, "program_digest", lambda: "another")
        assert digest(plan, settings) != ours


def test_the_program_is_all_its_sources() -> None:
    assert fit_input.program_digest() == fit_input.program_digest.__wrapped__()
    assert len(fit_input.program_digest()) == 64


def test_what_decides_nothing_leaves_it(plan: Plan, settings: Settings) -> None:
    ours = digest(plan, settings)
    assert digest(changed_recording(plan, name="renamed", machine_made=True), settings) == ours
    assert digest(plan, replace(settings, balanced_accuracy_threshold=0.1, keep_versions=3)) == ours


def test_labels_of_another_shape_are_other_labels(plan: Plan) -> None:
    one = plan.recordings[0]
    other = replace(one, labels=one.labels.reshape(1, -1))
    assert content_digest(one) != content_digest(other)
