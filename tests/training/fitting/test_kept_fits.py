"""A fit whose whole input is unchanged is not repeated, and nobody can tell the difference."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.labelling.label_config import parse_label_config
from shared.lineage import KeptFits
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.support.synthetic import draw_instants
from training.data.annotations import Recording
from training.fitting.trainer import ALL_RECORDINGS, FittedModel, Trainer
from training.judging.cross_validation import cross_validate
from training.planning.plan import Plan, make_plan

CONFIG = parse_label_config(
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" value="$csv" valueType="url"><Channel column="a"/><Channel column="b"/></TimeSeries></View>'
)
STEPS = 5


class Counting:
    """Which fits were made, and which were taken."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.again: list[str] = []

    def begin(self, what: str, steps: int) -> None:
        self.made.append(what)

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        """It goes on."""

    def taken(self, what: str) -> None:
        self.again.append(what)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "models"))


def run(
    recordings: list[Recording], settings: Settings, storage: Storage | None, folds: dict[str, int] | None = None
) -> tuple[Counting, list[bytes], Plan]:
    """Fit every fold and all recordings, as a run does; the models as they would serve."""
    plan = make_plan(recordings, recordings[0].kinds, settings, folds or {})
    counting = Counting()
    kept = None if storage is None else KeptFits(storage, 3)
    trainer = Trainer(plan, CONFIG, settings, counting, kept)
    found = cross_validate(trainer, plan.splits, STEPS, "schedule 1")
    models: list[FittedModel] = [*found.models]
    models.append(found.applied_to(trainer.fit(plan.recordings, STEPS, ALL_RECORDINGS, "all recordings")))
    if kept:
        kept.remove_unused()
    return counting, [trainer.export(each, trainer.draft_card()) for each in models], plan


@pytest.mark.parametrize("instants", [False, True])
def test_the_same_recordings_are_fitted_once(
    make_recordings: Callable[..., list[Recording]], settings: Settings, storage: Storage, instants: bool
) -> None:
    recordings = make_recordings(3, draw=draw_instants) if instants else make_recordings(3)
    first, models, _ = run(recordings, settings, storage)
    again, same, _ = run(recordings, settings, storage)
    scratch, other, _ = run(recordings, settings, None)
    assert (len(first.made), len(again.made), len(again.again), len(scratch.made)) == (4, 0, 4, 4)
    assert models == same == other


def test_a_recording_more_leaves_the_fold_that_holds_it_out(
    make_recordings: Callable[..., list[Recording]], settings: Settings, storage: Storage
) -> None:
    recordings = make_recordings(4)
    _, _, before = run(recordings[:3], settings, storage)
    counting, models, plan = run(recordings, settings, storage, dict(before.folds))
    fold = plan.folds["task 4"]
    assert counting.again == [f"schedule 1, fold {fold + 1} of 3"]
    assert len(counting.made) == 3
    assert models == run(recordings, settings, None, dict(before.folds))[1]


def test_so_does_a_label_that_changed(
    make_recordings: Callable[..., list[Recording]], settings: Settings, storage: Storage
) -> None:
    recordings = make_recordings(3)
    _, _, before = run(recordings, settings, storage)
    labels = recordings[1].labels.copy()
    labels[:5] = 1
    recordings[1] = replace(recordings[1], labels=labels)
    counting, models, plan = run(recordings, settings, storage, dict(before.folds))
    assert counting.again == [f"schedule 1, fold {plan.folds['task 2'] + 1} of 3"]
    assert models == run(recordings, settings, None, dict(before.folds))[1]


def test_what_cannot_be_read_is_fitted_from_scratch(
    make_recordings: Callable[..., list[Recording]], settings: Settings, storage: Storage
) -> None:
    recordings = make_recordings(3)
    _, models, _ = run(recordings, settings, storage)
    damaged, foreign, *_ = storage.keys("fits")
    found = storage.get(damaged)
    assert found is not None
    storage.put(damaged, found.data[:-100])
    other = KeptFits(storage, 3)
    other.keep(foreign.rpartition("/")[2].removesuffix(".fit"), b"no network", [])
    counting, same, _ = run(recordings, settings, storage)
    assert (len(counting.made), len(counting.again)) == (2, 2)
    assert same == models
    assert len(run(recordings, settings, storage)[0].again) == 4


def test_a_run_that_is_cut_off_goes_on_with_the_next_fit(
    make_recordings: Callable[..., list[Recording]], settings: Settings, storage: Storage
) -> None:
    recordings = make_recordings(3)
    plan = make_plan(recordings, recordings[0].kinds, settings, {})
    trainer = Trainer(plan, CONFIG, settings, Counting(), KeptFits(storage, 3))
    trainer.fit(plan.splits[0].training, STEPS, 1, "fold 1")  # here it is killed
    counting, _, _ = run(recordings, settings, storage)
    assert (len(counting.made), len(counting.again)) == (3, 1)


def test_reading_them_runs_no_code(
    make_recordings: Callable[..., list[Recording]], settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    recordings = make_recordings(3)
    run(recordings, settings, storage)
    target = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (target,))  # type: ignore[return-value]

    torch.save(Evil(), tmp_path / "evil.pt")
    for key in storage.keys("fits"):
        name = key.rpartition("/")[2].removesuffix(".fit")
        KeptFits(storage, 3).keep(name, (tmp_path / "evil.pt").read_bytes(), [])
    counting, _, _ = run(recordings, settings, storage)
    assert len(counting.made) == 4
    assert not target.exists()
