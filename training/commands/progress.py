"""How far a run is: a bar on a terminal, plain lines elsewhere, and the record in the store."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
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
        self._done = 0  # steps of finished fits
        self._what = ""
        self._fit = 0
        self._steps = 1
        self._step = 0
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
        self._done += self._step
        self._what, self._steps, self._step = what, steps, 0
        self._fit += 1
        self._fits = max(self._fits, self._fit)
        self._losses = []
        self._active.report(state="fitting")
        if self._bar is not None:
            if self._fit > 1:
                self._bar.remove_task(self._bar.task_ids[-1])
            self._bar.add_task(what, total=steps, loss="")
        else:
            self._say(f"Fitting {what}: {steps} steps.")

    def taken(self, what: str) -> None:
        """A fit is that of an earlier run: nothing is to be done."""
        self._fits = max(self._fits - 1, self._fit)
        self._say(f"{what[:1].upper()}{what[1:]}: unchanged since an earlier run, its network is taken again.")

    def step(self, step: int, loss: float, epoch: float) -> None:
        """So far in the fit that began last. Raises RunCancelledError, LeaseHeldError."""
        self._step = step
        self._losses.append((step, round(loss, 4)))
        thinned = self._losses[:: 1 + len(self._losses) // CURVE_POINTS]
        foreseen = self._done + self._steps * (self._fits - self._fit + 1)
        fraction = min((self._done + step) / foreseen, 1.0)
        spent = self._clock() - self._began
        self._active.report(
            progress=ProgressRecord(
                fraction=fraction,
                step=step,
                steps=self._steps,
                epoch=round(epoch, 2),
                losses=tuple(thinned),
                metrics=self._metrics,
                eta_seconds=round(spent * (1 - fraction) / max(fraction, 1e-6), 1),
            )
        )
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], completed=step, loss=f"loss {loss:.3f}")
        elif self._clock() - self._spoke > LINE_SECONDS and step < self._steps:
            self._say(f"{self._what}: step {step} of {self._steps}, epoch {epoch:.1f}, loss {loss:.3f}.")

    def evaluated(self, metrics: Mapping[str, float], *, more: bool) -> None:
        """A schedule was evaluated; `more`: whether another one follows."""
        self._metrics = {name: round(value, 4) for name, value in metrics.items()}
        if more:
            self._fits += self._fit
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
