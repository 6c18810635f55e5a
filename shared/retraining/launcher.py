"""Launchers start training runs: the protocol, and the launcher that runs each training in a child process."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from shared.errors import SegmenterError
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.settings import Settings

KEPT_LINES = 200
GRACE_SECONDS = 15.0  # between asking a trainer to stop and killing it; it needs one step of the fit
# -P: the server's working directory may hold a training/ or shared/ of its own, which must not run
TRAIN_COMMAND = (sys.executable, "-P", "-m", "training", "run", "--attached")
NICE = 19  # a training takes only what predictions leave

log = logging.getLogger(__name__)


class Launcher(Protocol):
    """Starts trainings. `launch` and `running` raise TemporaryError if they could not do so, or not find out."""

    name: str  # as TRAIN_LAUNCHER names it

    def launch(self, launch: Launch) -> None:
        """Start a training and return at once. Does nothing if the project is being trained already."""
        ...

    def running(self) -> set[int]:
        """Projects whose training this launcher has started and that has not ended."""
        ...

    def close(self) -> None:
        """End the trainings that depend on this process."""
        ...


class Child(NamedTuple):
    """A child process and the run it trains."""

    launch: Launch
    process: subprocess.Popen[str]


class ChildProcessLauncher:
    """`python -m training run` as a child in a process group of its own, nice 19.

    The child ends when the pipe on its standard input does, so that it never outlives this process, kill -9 included.
    """

    name = "process"

    def __init__(
        self,
        settings: Settings,
        *,
        runs: Runs,
        environment: Callable[[], Mapping[str, str]],
        command: tuple[str, ...] = TRAIN_COMMAND,
    ) -> None:
        """`environment` gives variables that change while running (address and token of Label Studio)."""
        self._settings = settings
        self._environment = environment
        self._runs = runs
        self._command = command
        self._lock = threading.Lock()
        self._children: dict[int, Child] = {}
        self._closed = False

    def launch(self, launch: Launch) -> None:
        """Start a child for a project, unless one is running."""
        with self._lock:
            if self._closed or launch.project in self._children:
                return
            process = subprocess.Popen(
                [*self._command, "--project", str(launch.project), "--number", str(launch.number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=self._child_environment(),
                start_new_session=True,
            )
            child = self._children[launch.project] = Child(launch, process)
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        log.info("Training started: %s.", launch.reason, extra={"project": launch.project, "pid": process.pid})
        name = f"train-{launch.project}"
        threading.Thread(target=self._follow, args=(child,), name=name, daemon=True).start()

    def running(self) -> set[int]:
        """Projects whose child is alive."""
        with self._lock:
            return set(self._children)

    def close(self) -> None:
        """Send SIGTERM to all children and wait for them; kill those that have not ended after GRACE_SECONDS."""
        with self._lock:
            self._closed = True
            children = [child.process for child in self._children.values()]
        for child in children:
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(child, signal.SIGKILL)
                child.wait()

    def _child_environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self._settings.environment(),
            **self._environment(),
            "OMP_NUM_THREADS": "1",  # of each fit; TRAIN_THREADS of them go on side by side
            "MKL_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def _follow(self, child: Child) -> None:
        """Read the output of a child until it ends; end it after TRAIN_TIMEOUT_SECONDS."""
        launch, process = child
        limit = self._settings.train_timeout_seconds
        timed_out = threading.Event()

        def end(number: signal.Signals) -> None:
            if process.poll() is None:
                timed_out.set()  # before the signal: its cause is known once the child has ended
                _signal(process, number)

        timers = [
            threading.Timer(limit, end, (signal.SIGTERM,)),
            threading.Timer(limit + GRACE_SECONDS, end, (signal.SIGKILL,)),
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        assert process.stdin and process.stdout  # noqa: S101  Popen was asked for both
        output: deque[str] = deque(maxlen=KEPT_LINES)
        for line in process.stdout:
            output.append(line.rstrip())
            log.debug("%s", output[-1], extra={"project": launch.project})
        exit_code = process.wait()
        for timer in timers:
            timer.cancel()
        process.stdin.close()
        process.stdout.close()
        if timed_out.is_set():
            output.append(f"It was ended after TRAIN_TIMEOUT_SECONDS={limit}.")
        try:
            self._record_end(child, exit_code, output)
        except SegmenterError as error:
            log.warning("The end of a training could not be recorded: %s", error, extra={"project": launch.project})
        finally:
            with self._lock:
                del self._children[launch.project]

    def _record_end(self, child: Child, exit_code: int, output: Sequence[str]) -> None:
        """Record a run that ended without doing so itself, so that its number moves on and back-off applies.

        Exit code 0 is no exception: without a record the same run would be launched again at every pass.
        """
        launch, process = child
        level = logging.INFO if exit_code == 0 else logging.WARNING
        last_line = output[-1] if output else "no output"
        log.log(level, "Training ended with exit code %d: %s", exit_code, last_line, extra={"project": launch.project})
        if self._runs.next_number(launch.project) != launch.number:
            return  # the run recorded its end, or another one has ended meanwhile
        record = self._runs.record(launch.project, launch.number)
        ours = record is not None and record.host.endswith(f"pid {process.pid}")
        if ours or self._runs.state(launch.project).active is None:
            reason = f"It ended with exit code {exit_code}; last line of its output: {last_line}"
            self._runs.record_failed(launch.project, launch.number, reason, exit_code=exit_code)


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to the child's whole process group, if it still runs."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
