"""Where the CPU time of a training goes, beside the plain baseline fitted for as many epochs.

`python -m benchmarks.train [--tasks EXPORT.json --label-config CONFIG.xml]` (default: examples/watch). Whole trainings
run in this process and one thread, as `python -m training run` does them; ours and the baseline in turns. A stage is
what its functions spend themselves, less the stages within it.
"""

import argparse
import functools
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.baseline import STRIDE, WINDOW, Baseline
from benchmarks.measure import say_where, table
from shared.command_line import parse
from shared.settings import Settings
from training.commands import assemble, run, series_run
from training.data import training_data
from training.data.annotations import Recording
from training.data.recordings import load_recordings
from training.data.training_data import training_data_of_export
from training.fitting import trainer
from training.judging import step_search

ROUNDS = 2
FINAL, FOLDS, EXPORT, SCORE, PUBLISH, READ, REST = (
    "final fit", "fits of the folds", "export of all graphs", "scoring", "publishing", "reading", "all else"
)  # fmt: skip
STAGES: tuple[tuple[object, str, str], ...] = (
    (trainer, "export_model", EXPORT),
    (step_search, "cross_validate", SCORE),
    (step_search, "_reason_to_stop", SCORE),
    (series_run, "pass_gate", SCORE),
    (series_run, "make_card", SCORE),
    (assemble, "make_report", SCORE),
    (assemble, "render_report", SCORE),
    (assemble, "make_weights", EXPORT),
    (run._Run, "_publish", PUBLISH),
    (run._Run, "_read_training_data", READ),
    (training_data, "load_recordings", READ),
)


class Fit(NamedTuple):
    """What the final fit was."""

    steps: int
    epochs: float


class Clock:
    """CPU seconds by stage, each without the stages within it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._inner = [0.0]  # of the stages that are open, outermost first: what stages within have spent
        self.fitted = Fit(0, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is spent within."""
        begin = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.process_time() - begin
            self.spent[name] = self.spent.get(name, 0.0) + whole - self._inner.pop()
            self._inner[-1] += whole

    def counting(self, work: Callable[..., Any], name: str) -> Callable[..., Any]:
        """`work`, counted as a stage."""

        @functools.wraps(work)
        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return work(*args, **kwargs)

        return counted

    def counting_fits(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """`Trainer._fit`: the fit on all recordings has number 0."""

        @functools.wraps(work)
        def counted(owner: Any, wanted: Any, over: Any) -> Any:
            with self.stage(FOLDS if wanted.number else FINAL):
                model = work(owner, wanted, over)
            if not wanted.number:
                self.fitted = Fit(model.fit.steps, model.fit.epochs)
            return model

        return counted


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, default=Path("examples/watch/tasks.json"))
    parser.add_argument("--label-config", type=Path, default=Path("examples/watch/label_config.xml"))
    options = parser.parse_args()
    say_where("python -m benchmarks.train")
    torch.set_num_threads(1)
    data = training_data_of_export(options.tasks, options.label_config, Settings())
    loaded = load_recordings(data.tasks, data.config, data.source, "background")
    clocks, plain = [], []
    for _ in range(ROUNDS):
        clocks.append(train(options.tasks, options.label_config))
        begin = time.process_time()
        baseline_steps = fit_baseline(loaded.recordings, data.config.labels, clocks[-1].fitted.epochs)
        plain.append(time.process_time() - begin)
    rows = sum(recording.rows for recording in loaded.recordings)
    print(f"\n## Training ({len(loaded.recordings)} recordings, {rows:,} rows)")
    show(clocks, plain, baseline_steps)


def train(tasks: Path, label_config: Path) -> Clock:
    """One whole training into an empty store."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        fits = clock.counting_fits(trainer.Trainer._fit)
        stack.enter_context(patch.object(trainer.Trainer, "_fit", fits))
        for owner, name, title in STAGES:
            stack.enter_context(patch.object(owner, name, clock.counting(getattr(owner, name), title)))
        for redirect in (redirect_stdout, redirect_stderr):
            stack.enter_context(redirect(io.StringIO()))
        given = ["run", "--tasks", str(tasks), "--label-config", str(label_config)]
        arguments = parse("training", given, "python -m training", "")
        with clock.stage(REST):
            run.main(arguments, Settings(model_dir=folder, train_threads=1))
    return clock


def fit_baseline(recordings: list[Recording] | tuple[Recording, ...], labels: tuple[str, ...], epochs: float) -> int:
    """Fit the baseline on all recordings for as many epochs; gives the number of its steps."""
    windows, targets = [], []
    for recording in recordings:
        values = recording.series.values.astype(np.float32)
        values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
        for start in range(0, recording.rows - WINDOW + 1, STRIDE):
            windows.append(values[start : start + WINDOW])
            targets.append(recording.labels[start : start + WINDOW, 0].astype(np.int64))
    baseline = Baseline([str(index) for index in range(windows[0].shape[1])], list(labels))
    return baseline.fit(np.stack(windows), np.stack(targets), epochs)


def show(clocks: list[Clock], plain: list[float], baseline_steps: int) -> None:
    """Print the stages, and what is asked of them."""
    names = (READ, FOLDS, FINAL, EXPORT, SCORE, PUBLISH, REST)
    spent = {name: median(clock.spent.get(name, 0.0) for clock in clocks) for name in names}
    whole = median(sum(clock.spent.values()) for clock in clocks)
    lines = [[name, f"{value:.2f}", f"{value / spent[FINAL]:.1%}"] for name, value in spent.items()]
    table(
        [f"median of {ROUNDS}", "CPU s", "of the final fit"],
        [*lines, ["whole run", f"{whole:.2f}", f"{whole / spent[FINAL]:.1%}"]],
    )
    beside = spent[EXPORT] + spent[SCORE] + spent[PUBLISH]
    steps, epochs = clocks[0].fitted
    table(
        ["", ""],
        [["export, scoring and publishing, of the final fit", f"{beside / spent[FINAL]:.1%}"],
         ["steps, epochs of the final fit", f"{steps}, {epochs:.1f}"],
         [f"baseline, {baseline_steps} steps in as many epochs, CPU s", f"{median(plain):.2f}"],
         ["final fit, of the baseline's", f"{spent[FINAL] / median(plain):.2f}"]],
    )  # fmt: skip


if __name__ == "__main__":
    main()
