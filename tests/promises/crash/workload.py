"""Processes that do to one store what servers, trainers and people do, until they are killed.

An annotator saves annotations and writes their updates; a trainer does all of a run but the fit; a person goes back,
promotes and cancels; a reader reads whatever is there. What they have done stands in memory that outlives them.
"""

import mmap
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from shared.errors import LeaseHeldError, RefusedError, RunCancelledError, StoreError
from shared.retraining.active_run import begin_run
from shared.retraining.repetition import is_repetition
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.store import keys
from shared.store.models import ModelStore
from shared.store.storage import Storage
from tests.support.models import model_file, snapshot, version_name

PROJECTS = (1, 2)
KEPT = 4  # versions
WEIGHTS = {"annotator": 3, "trainer": 4, "person": 2, "reader": 1}


class Ledger:
    """What processes share even if one is killed: numbers, and which updates were answered."""

    def __init__(self) -> None:
        memory = memoryview(mmap.mmap(-1, 2**20))
        self.saved = memory[:64].cast("q")  # annotations
        self.read = memory[64:128].cast("q")  # times that a reader has seen all
        self._answered = memory[2**16 :]

    def answer(self, project: int, number: int) -> None:
        """The update of an annotation is written: its 2xx leaves."""
        self._answered[number * len(PROJECTS) + project - 1] = 1

    def answered(self, project: int) -> set[int]:
        """Annotations whose event was answered."""
        numbers = range(1, self.saved[project] + 1)
        return {number for number in numbers if self._answered[number * len(PROJECTS) + project - 1]}


class Process(NamedTuple):
    """Somebody at work."""

    pid: int
    role: str
    project: int

    def kill(self) -> str:
        """Kill it (SIGKILL); returns what it complained of, if it had ended before."""
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return "" if os.WIFSIGNALED(status) else f"a {self.role} of project {self.project} ended by itself"


def start(role: str, project: int, storage: Storage, ledger: Ledger, seed: int) -> Process:
    """Fork somebody who goes on until killed."""
    pid = os.fork()
    if pid:
        return Process(pid, role, project)
    try:
        work: Callable[[Storage, int, Ledger, random.Random], None] = ROLES[role]
        generator = random.Random(seed)
        while True:
            work(storage, project, ledger, generator)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def annotate(storage: Storage, project: int, ledger: Ledger, generator: random.Random) -> None:
    """Save an annotation; the 2xx leaves when its update is written."""
    ledger.saved[project] += 1
    number = ledger.saved[project]
    Updates(storage).add(project, "ANNOTATION_CREATED", time.time(), job=f"{project}-{number}")
    ledger.answer(project, number)
    time.sleep(generator.uniform(0, 0.01))


def train(storage: Storage, project: int, ledger: Ledger, generator: random.Random) -> None:
    """All of a run as training/commands/run.py does it, but the fit."""
    with suppress(LeaseHeldError, RunCancelledError):
        run = begin_run(storage, project, launcher="test", host=f"here pid {os.getpid()}")
        run.start_from(Updates(storage).of(project))
        reference = snapshot(ledger.saved[project])
        run.report(state="fetching", snapshot=reference)
        if is_repetition(storage, project, reference):
            run.end("unchanged", exit_code=0)
            return
        time.sleep(generator.uniform(0, 0.005))
        if generator.random() < 0.1:
            run.end("failed", exit_code=75, reason="Label Studio is away.")
            return
        version = version_name(run.lease.fence)
        run.report(state="publishing", version=version)
        try:
            run.beat()
        except RunCancelledError:
            run.end("cancelled", exit_code=0)
            return
        data = model_file(run.lease.fence, project=project, state=reference.annotations)
        store = ModelStore(storage, keep_versions=KEPT)
        if generator.random() < 0.2:
            store.reject(run.lease, data, b"weights", reason="worse")
            run.end("rejected", exit_code=0, reason="worse")
            return
        result = store.publish(run.lease, data, b"weights " + version.encode(), reports={"report.json": b"{}"})
        run.end("published" if result.published else "rejected", exit_code=0, reason=result.reason)


def go_back(storage: Storage, project: int, ledger: Ledger, generator: random.Random) -> None:
    """Roll back, promote the newest, cancel; sometimes there is nothing to go back to."""
    store = ModelStore(storage)
    choice = generator.randrange(3)
    try:
        if choice == 0:
            store.roll_back(project)
        elif choice == 1 and (found := store.versions(project)):
            store.roll_back(project, found[0].name)
        else:
            Runs(storage).request_cancel(project)
    except RefusedError:
        pass  # no earlier version, or pruned a moment ago
    except StoreError as error:
        if "kept changing" not in str(error):
            raise
    time.sleep(generator.uniform(0, 0.03))


def read(storage: Storage, project: int, ledger: Ledger, generator: random.Random) -> None:
    """Read all there is: half of anything is an error."""
    store = ModelStore(storage)
    model_info = store.model_info(project)
    assert model_info is None or not model_info.refused, model_info
    for version in store.versions(project):
        store.load_version(project, version.name)
    Runs(storage).history(project)
    Runs(storage).state(project)
    weights = storage.get(keys.weights(project))
    assert weights is None or weights.data.startswith(b"weights")
    ledger.read[project] += 1


ROLES: dict[str, Callable[[Storage, int, Ledger, random.Random], None]] = {
    "annotator": annotate,
    "trainer": train,
    "person": go_back,
    "reader": read,
}
