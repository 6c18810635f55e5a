"""How far a run is: a bar on a terminal, plain lines elsewhere, and the record in the store."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from shared.retraining.active_run import ActiveRun
from shared.retraining.runs import Progress as ProgressRecord

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

CURVE_POINTS = 200  # kept of the loss
LINE_SECONDS = 5.0  # between two plain lines of one fit

log = logging.getLogger("training")


class RunProgress:
    """Follows the fits of a run. `fits`: how many are foreseen; a longer schedule adds as many again."""

    def __init__(self, active: ActiveRun, fits: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._active = active
        self._clock = clock
        self._began = clock()
        self._fits = fits
        self._lock = Lock()  # fits go on side by side
        self._steps_wanted: dict[str, int] = {}  # steps of each fit that has begun
        self._steps_done: dict[str, int] = {}  # … so far
        self._what = ""  # the fit that began last, whose steps and losses are shown
        self._steps = 1
        self._losses: list[tuple[int, float]] = []
        self._metrics: dict[str, float] = {}
        self._spoke = self._began
        self._bar: Bar | None = None
        self._task = 0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description:<28}"), BarColumn(), TextColumn("{task.fields[loss]}"))
            self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, what: str, steps: int) -> None:
        """A fit of `steps` steps begins."""
        with self._lock:
            self._what, self._steps, self._losses = what, steps, []
            self._steps_wanted[what], self._steps_done[what] = steps, 0
            self._fits = max(self._fits, len(self._steps_done))
            if self._bar is not None:
                for each in self._bar.task_ids:
                    self._bar.remove_task(each)
                self._bar.add_task(what, total=steps, loss="")
            else:
                self._say(f"Fitting {what}: {steps} steps.")
        self._active.report(state="fitting")

    def taken(self, what: str) -> None:
        """A fit is that of an earlier run: nothing is to be done."""
        with self._lock:
            self._fits = max(self._fits - 1, len(self._steps_done))
            self._say(f"{what[:1].upper()}{what[1:]}: unchanged since an earlier run, its network is taken again.")

    def step(self, what: str, step: int, loss: float, epoch: float) -> None:
        """So far in a fit. Raises RunCancelledError, LeaseHeldError."""
        with self._lock:
            self._steps_done[what] = step
            progress = self._progress(step, loss, epoch) if what == self._what else None
        self._active.report(progress=progress)

    def _progress(self, step: int, loss: float, epoch: float) -> ProgressRecord:
        """Show the fit that began last, and how much of all is done."""
        self._losses.append((step, round(loss, 4)))
        thinned = self._losses[:: 1 + len(self._losses) // CURVE_POINTS]
        foreseen = sum(self._steps_wanted.values()) + self._steps * (self._fits - len(self._steps_wanted))
        fraction = min(sum(self._steps_done.values()) / foreseen, 1.0)
        spent = self._clock() - self._began
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], completed=step, loss=f"loss {loss:.3f}")
        elif self._clock() - self._spoke > LINE_SECONDS and step < self._steps:
            self._say(f"{self._what}: step {step} of {self._steps}, epoch {epoch:.1f}, loss {loss:.3f}.")
        return ProgressRecord(
            fraction=fraction,
            step=step,
            steps=self._steps,
            epoch=round(epoch, 2),
            losses=tuple(thinned),
            metrics=self._metrics,
            eta_seconds=round(spent * (1 - fraction) / max(fraction, 1e-6), 1),
        )

    def evaluated(self, metrics: Mapping[str, float], *, more: bool) -> None:
        """A schedule was evaluated; `more`: whether another one follows."""
        self._metrics = {name: round(value, 4) for name, value in metrics.items()}
        if more:
            self._fits += len(self._steps_done)
        shown = ", ".join(
            f"{name} {self._metrics[name]:.3f}" for name in ("balanced_accuracy", "macro_f1") if name in metrics
        )
        self._say(f"Evaluated on held-out recordings: {shown or 'nothing could be held out'}.")

    def _say(self, line: str) -> None:
        self._spoke = self._clock()
        log.info(line)


class KeepLines(logging.Handler):
    """Gives log lines to the record of a run, which keeps the last 200."""

    def __init__(self, active: ActiveRun) -> None:
        super().__init__()
        self._active = active

    def emit(self, record: logging.LogRecord) -> None:
        self._active.log(self.format(record))
