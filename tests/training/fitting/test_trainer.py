"""Fits that go on side by side."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Event, Thread

import pytest
import torch

from shared.labelling.label_config import parse_label_config
from shared.settings import Settings
from tests.support.synthetic import draw_instants, draw_ranges
from training.data.annotations import Recording
from training.fitting.network import weights_of_seed
from training.fitting.trainer import FitRequest, Trainer
from training.planning.plan import make_plan

CONFIG = parse_label_config(
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" value="$csv" valueType="url"><Channel column="a"/><Channel column="b"/></TimeSeries></View>'
)


class Progress:
    """`turn` is called at each step."""

    def __init__(self, turn: Callable[[str], object] = lambda what: None) -> None:
        self._turn = turn
        self.stepped: list[str] = []

    def begin(self, what: str, steps: int) -> None:
        """A fit begins."""

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        self.stepped.append(what)
        self._turn(what)

    def taken(self, what: str) -> None:
        """Nothing is kept."""


@pytest.fixture(params=[draw_ranges, draw_instants])
def wanted(make_recordings: Callable[..., list[Recording]], request: pytest.FixtureRequest) -> list[FitRequest]:
    """Two fits."""
    recordings = make_recordings(7, draw=request.param)
    return [FitRequest(recordings[number:], 20, number, f"fit {number}") for number in range(2)]


def trainer_of(wanted: list[FitRequest], settings: Settings, threads: int, progress: Progress) -> Trainer:
    recordings = wanted[0].recordings
    plan = make_plan(recordings, recordings[0].kinds, settings, {})
    return Trainer(plan, CONFIG, replace(settings, train_threads=threads), progress)


def test_side_by_side_they_are_what_they_are_one_by_one(wanted: list[FitRequest], settings: Settings) -> None:
    meeting = Barrier(2)
    together = trainer_of(wanted, settings, 2, Progress(lambda what: meeting.wait(60))).fit_all(wanted)
    apart = trainer_of(wanted, settings, 1, Progress()).fit_all(wanted)
    for one, other in zip(together, apart, strict=True):
        ours, theirs = one.fit.network.state(), other.fit.network.state()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_one_network_at_a_time_draws_its_first_weights() -> None:
    entered = Event()

    def enter() -> None:
        with weights_of_seed(1):
            entered.set()

    other = Thread(target=enter)
    with weights_of_seed(0):
        other.start()
        assert not entered.wait(0.2)
    assert entered.wait(60)
    other.join()


def test_where_one_fails_the_others_end(wanted: list[FitRequest], settings: Settings) -> None:
    meeting = Barrier(2)

    def turn(what: str) -> None:
        if progress.stepped.count(what) == 1:
            meeting.wait(60)
            if what == "fit 1":
                raise InterruptedError("cancelled")

    progress = Progress(turn)
    endless = [each._replace(steps=10**6) for each in wanted]
    trainer = trainer_of(wanted, replace(settings, train_epochs=10**6), 2, progress)
    with pytest.raises(InterruptedError, match="cancelled"):
        trainer.fit_all(endless)
    assert progress.stepped.count("fit 1") == 1


def test_no_fit_imports_the_compiler_of_torch() -> None:
    code = """
        import sys, torch
        from training.fitting.optimizer import Optimizer
        from training.planning.recipe import RANGES
        weight = torch.nn.Parameter(torch.ones(1))
        optimizer = Optimizer([weight], RANGES, 10, clip=1.0)
        for _ in range(10):
            optimizer.step((weight * weight).sum())
        assert weight.item() < 1
        print("torch._dynamo" in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "False\n"
