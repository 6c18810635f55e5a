"""How many steps are fitted, and what they are evaluated on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.labelling.label_config import parse_label_config
from shared.labelling.segments import Segment
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from training.data.annotations import LabelKinds, Recording
from training.fitting.trainer import ALL_RECORDINGS, FitRequest, FittedModel, Trainer
from training.judging import cross_validation, evaluate
from training.judging.step_search import StepSearch, search_steps
from training.planning.plan import make_plan
from training.publishing.report import calibrated_heads, make_metrics

CONFIG = parse_label_config(
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" value="$csv" valueType="url"><Channel column="a"/><Channel column="b"/></TimeSeries></View>'
)


class Silent:
    """Progress that nobody watches."""

    def __init__(self) -> None:
        self.fits: list[tuple[str, int]] = []
        self.judgements: list[tuple[dict[str, float], bool]] = []

    def begin(self, what: str, steps: int) -> None:
        self.fits.append((what, steps))

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        pass

    def taken(self, what: str) -> None:
        pass

    def evaluated(self, metrics: Mapping[str, float], *, more: bool) -> None:
        self.judgements.append((dict(metrics), more))


def train(
    recordings: list[Recording], settings: Settings, first: int = 20, **changes: object
) -> tuple[StepSearch, FittedModel, Silent]:
    settings = replace(settings, **changes)  # type: ignore[arg-type]
    plan = make_plan(recordings, recordings[0].kinds, settings, {})
    recipe = replace(plan.recipe, least_steps=first)
    silent = Silent()
    trainer = Trainer(replace(plan, recipe=recipe), CONFIG, settings, silent)
    search = search_steps(trainer, silent)
    return search, trainer.fit(plan.recordings, search.best.steps, ALL_RECORDINGS, "all recordings"), silent


def hopeless(recordings: list[Recording]) -> list[Recording]:
    """The same recordings with noise instead of channels: nothing to learn."""
    random = np.random.default_rng(1)
    return [
        replace(each, series=replace(each.series, values=random.normal(size=each.series.values.shape)))
        for each in recordings
    ]


@pytest.fixture
def recordings(make_recordings: Callable[..., list[Recording]]) -> list[Recording]:
    return make_recordings(3)


def test_a_low_threshold_ends_with_the_first_schedule(recordings: list[Recording], settings: Settings) -> None:
    search, _, silent = train(recordings, settings, balanced_accuracy_threshold=0.0, min_class_f1_threshold=0.0)
    assert [each.steps for each in search.evaluations] == [20]
    assert "both thresholds hold" in search.stopped_because
    assert [what for what, _ in silent.fits][-1] == "all recordings"
    assert len(silent.fits) == 4


def slow_to_learn(make_recording: Callable[..., Recording]) -> list[Recording]:
    """Instants where the channel falls, none where it rises: ten steps do not tell them apart."""
    random = np.random.default_rng(0)
    recordings = []
    for number in range(3):
        rises, falls = np.arange(10, 230, 20), np.arange(20, 230, 20) + random.integers(-4, 5, 11)
        values = random.normal(0, 0.1, (240, 2))
        for rise, fall in zip(rises, falls, strict=True):
            values[rise:fall, 0] += 1
        marks = [Segment(int(row), int(row), "Walk", instant=True) for row in falls]
        one = make_recording(marks, rows=240, values=values)
        recordings.append(replace(one, key=str(number), group=str(number)))
    return recordings


def test_a_longer_schedule_follows_where_one_fold_shows_that_it_helps(
    make_recording: Callable[..., Recording], settings: Settings
) -> None:
    recordings = slow_to_learn(make_recording)
    search, _, silent = train(recordings, settings, first=10, train_epochs=12, min_class_f1_threshold=1.0)
    assert [each.steps for each in search.evaluations] == [10, 20]
    assert "TRAIN_EPOCHS=12" in search.stopped_because
    assert search.best.steps == 20
    assert [steps for _, steps in silent.fits] == [10, 10, 10, 20, 20, 20, 20]  # the last one on all recordings


@pytest.mark.parametrize("name", ["balanced_accuracy_threshold", "min_class_f1_threshold"])
def test_where_twice_the_steps_do_not_help_one_fold_the_others_are_spared(
    recordings: list[Recording], settings: Settings, name: str
) -> None:
    other: dict[str, Any] = {"balanced_accuracy_threshold": 0.0, "min_class_f1_threshold": 0.0, name: 1.0}
    search, _, silent = train(hopeless(recordings), settings, train_epochs=25, **other)
    assert [each.steps for each in search.evaluations] == [20]
    assert "did not help" in search.stopped_because
    assert [steps for _, steps in silent.fits] == [20, 20, 20, 40, 20]


def test_train_epochs_bounds_the_passes(recordings: list[Recording], settings: Settings) -> None:
    epochs = {}
    for wanted in (2, 6):
        _, model, _ = train(hopeless(recordings), settings, train_epochs=wanted, balanced_accuracy_threshold=1.0)
        epochs[wanted] = model.fit.epochs
        assert epochs[wanted] <= wanted
    assert epochs[6] > epochs[2]


def test_held_out_recordings_decide_not_training_rows(recordings: list[Recording], settings: Settings) -> None:
    """Labels that only the training rows agree on: fitted well, held out badly, and the figures say so."""
    search, _, _ = train(hopeless(recordings), settings, balanced_accuracy_threshold=0.0, min_class_f1_threshold=0.0)
    assert search.best.metric("balanced_accuracy") < 0.6


def test_no_recording_is_evaluated_by_a_network_that_saw_it(
    recordings: list[Recording], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[bytes, set[str]] = {}
    leaks: list[str] = []
    fit_all, predict, export = Trainer.fit_all, evaluate.predict, Trainer.export
    fitted: dict[int, set[str]] = {}

    def note_fits(self: Trainer, wanted: Sequence[FitRequest]) -> list[FittedModel]:
        models = fit_all(self, wanted)
        fitted.update(
            (id(model), {one.key for one in each.recordings}) for each, model in zip(wanted, models, strict=True)
        )
        return models

    def note_export(self: Trainer, model: object, card: object) -> bytes:
        data = export(self, model, card)  # type: ignore[arg-type]
        seen[data] = fitted[id(model)]
        return data

    def note_predict(segmenter: Segmenter, held_out: list[Recording], *rest: int) -> object:
        leaks.extend({each.key for each in held_out} & latest[-1])
        evaluated.extend(each.key for each in held_out)
        return predict(segmenter, held_out, *rest)

    latest: list[set[str]] = []
    evaluated: list[str] = []
    load = Segmenter.load

    def note_load(data: bytes) -> Segmenter:
        latest.append(seen[data])
        return load(data)

    monkeypatch.setattr(Trainer, "fit_all", note_fits)
    monkeypatch.setattr(Trainer, "export", note_export)
    monkeypatch.setattr(cross_validation, "predict", note_predict)
    monkeypatch.setattr(Segmenter, "load", note_load)
    train(recordings, settings, balanced_accuracy_threshold=0.0, min_class_f1_threshold=0.0)
    assert sorted(evaluated) == ["1", "2", "3"]
    assert leaks == []


def test_of_one_recording_nothing_is_known(make_recordings: Callable[..., list[Recording]], settings: Settings) -> None:
    search, _, silent = train(make_recordings(1, rows=500), settings, balanced_accuracy_threshold=0.0)
    assert (search.plan.how, search.best.predictions, len(silent.fits)) == ("not judged", (), 1)
    metrics = make_metrics(search, [])
    assert (metrics.how, metrics.estimates, metrics.classes, metrics.confusion) == ("not judged", {}, (), ())


def test_two_recordings_choose_the_schedule_and_calibrate_but_give_no_metrics(
    make_recordings: Callable[..., list[Recording]], settings: Settings
) -> None:
    search, model, silent = train(
        make_recordings(2), settings, balanced_accuracy_threshold=0.0, min_class_f1_threshold=0.0
    )
    assert search.plan.how == "not judged"
    assert len(search.best.predictions) == 2
    assert len(silent.fits) == 3
    metrics = make_metrics(search, [])
    assert (metrics.how, metrics.recordings, metrics.estimates, metrics.classes) == ("not judged", 2, {}, ())
    assert all(head.calibration.fitted for head in calibrated_heads(model.heads, search))


def test_where_no_class_can_be_evaluated_no_longer_schedule_is_tried(
    make_recording: Callable[..., Recording], settings: Settings
) -> None:
    kinds = LabelKinds((("Run", "Walk"),), (), ())
    one = make_recording([Segment(0, 99, "Run")], kinds=kinds)
    other = make_recording([Segment(0, 99, "Walk")], kinds=kinds)
    search, _, _ = train([one, replace(other, key="2", group="2")], settings, train_epochs=1000)
    assert len(search.evaluations) == 1
    assert "no class is in two groups" in search.stopped_because


def test_a_project_of_both_kinds_gets_two_heads(
    make_recording: Callable[..., Recording], settings: Settings, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    recordings = []
    for number in range(3):
        marks = [Segment(30, 59, "Run"), Segment(100, 129, "Run")]
        marks += [Segment(row, row, "Walk", instant=True) for row in (20, 45, 80, 115, 140)]
        values = random.normal(0, 0.2, (160, 2))
        for each in marks:
            values[each.first : each.last + 1, int(each.instant)] += 3
        one = make_recording(marks, rows=160, values=values)
        recordings.append(replace(one, key=str(number), group=str(number)))
    search, _, _ = train(recordings, settings, balanced_accuracy_threshold=0.0, min_class_f1_threshold=0.0)
    names = search.best.scores.classes.names if search.best.scores else ()
    assert names == ("background", "Run", "Walk")
    assert search.plan.shape.downsampling == 1
