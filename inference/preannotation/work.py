"""One process's part of a preannotation: claim a range, predict and push its tasks, until all ranges are finished."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from inference.preannotation.batches import BatchPredictor, batches_of
from inference.preannotation.claims import ClaimLostError, RangeClaim, claim_range, read_range
from inference.preannotation.plans import (
    change_plan,
    delete_ranges,
    finish_range,
    open_plan,
    range_key,
    read_plan,
)
from inference.preannotation.records import Batch, Counts, PreannotationPlan
from inference.serving.model_cache import REVALIDATE_SECONDS, ModelCache
from inference.serving.protocol import ProjectRef
from shared.errors import LabelStudioError, RefusedError, TemporaryError
from shared.label_studio.client import LabelStudio
from shared.label_studio.fetcher import Fetcher
from shared.label_studio.messages import Project
from shared.settings import Settings
from shared.store import keys
from shared.store.storage import Storage

# Predictions sent at a time: each request makes Label Studio count all tasks of the project, so that larger
# projects get larger ones; 500 have about 1 MB
SEND_TASKS = 50
MOST_SENT = 500
SETTLE_SECONDS = 120.0  # more than Label Studio's own limit for a request
SUSPENDED_SECONDS = 30.0  # a process that wakes up later does not send its batch: another one may have
SPREAD = 0.618034  # golden section: spreads any number of processes evenly
LOOK_SECONDS = 2.0
RETRIES = 3  # of a range, in a row, when Label Studio does not take predictions
RETRY_SECONDS = 10.0
WAIT_SECONDS = 5.0  # between looks at ranges that other processes push


class SupersededError(TemporaryError):
    """Another version serves, or another plan was made."""


class StoppedError(TemporaryError):
    """The caller's `stop` said so."""


class Preannotation:
    """Pushes predictions for all tasks of projects. Any number of processes may do so at the same time."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        label_studio: LabelStudio,
        fetcher: Fetcher,
        models: ModelCache,
        *,
        show: Callable[[str, PreannotationPlan, Counts], None] = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`show` is given a sentence, the plan and this process's counts as it goes on. `stop` is asked before each
        batch: once it is true, `run` raises StoppedError; the next call continues.
        """
        self._storage = storage
        self._label_studio = label_studio
        self._models = models
        self._show = show
        self._stop = stop
        self._sleep = sleep
        self._clock = clock
        self._predictor = BatchPredictor(settings, fetcher, models)
        self.counts = Counts()  # of this process

    def close(self) -> None:
        """End the threads."""
        self._predictor.close()

    def run(
        self,
        number: int,
        *,
        only_unlabelled: bool,
        rate: float = 100.0,
        job: str = "",
        index: int = 0,
    ) -> PreannotationPlan:
        """Push what is missing, with all other processes that do so; returns the plan once it is complete.

        rate: maximum tasks per second of this process. job: a second start under the name of a plan that finished
        without failed tasks returns it at once. index: 0, 1, 2 … of processes that start together, so that they claim
        different ranges. Raises RefusedError for a project that cannot be read, UntrainedError without a model,
        LabelStudioError and StoreError if it cannot continue.
        """
        project = self._label_studio.project(number)
        if project is None:
            raise RefusedError(f"Label Studio has no project {number}, or the token's user may not see it.")
        begun = self._storage.now()
        while True:
            plan = self._open(project, only_unlabelled=only_unlabelled, job=job)
            if not plan.is_complete:
                try:
                    self._settle_replaced(project.id, plan)
                    plan = self._work(project, plan, rate, index * SPREAD % 1)
                except SupersededError:
                    continue
            if plan.started_at >= begun or (job and plan.job == job):
                return plan
            # It was begun by an earlier call: tasks imported since, or that failed, are looked at once more.

    def _open(self, project: Project, *, only_unlabelled: bool, job: str) -> PreannotationPlan:
        reference = ProjectRef(project.id, project.created)
        version = self._models.version(reference)
        before = read_plan(self._storage, project.id)
        if before is not None and not before.is_complete and before.version != version:
            self._sleep(2 * REVALIDATE_SECONDS)  # one of us has not seen the newest version yet
            version = self._models.version(reference)
        return open_plan(
            self._storage, self._label_studio, project.id, version, only_unlabelled=only_unlabelled, job=job
        )

    def _work(self, project: Project, plan: PreannotationPlan, rate: float, share: float) -> PreannotationPlan:
        """Push ranges until none is left. Raises SupersededError."""
        number = int(share * len(plan.starts))
        failures = 0
        while True:
            current = self._current(project.id, plan)
            if current.is_complete:
                delete_ranges(self._storage, project.id, plan.id)
                return current
            claim = None
            for each in (*range(number, len(plan.starts)), *range(number)):
                if each not in current.finished:
                    claim = claim_range(self._storage, range_key(project.id, plan.id, each))
                    number = each
                    if claim:
                        break
            if claim is None:
                self._show("waiting for other processes", current, self.counts)
                self._sleep(WAIT_SECONDS)
                continue
            with claim:
                trouble = self._try_range(project, current, number, claim, rate)
            if trouble is None:
                failures, number = 0, (number + 1) % len(plan.starts)
            elif failures == RETRIES:
                raise trouble
            else:
                failures += 1
                self._show(f"trying again: {trouble}", current, self.counts)
                self._sleep(RETRY_SECONDS * failures)

    def _try_range(
        self, project: Project, plan: PreannotationPlan, number: int, claim: RangeClaim, rate: float
    ) -> LabelStudioError | None:
        try:
            self._push_range(project, plan, number, claim, rate)
        except ClaimLostError:
            return None
        except LabelStudioError as error:
            return error
        return None

    def _push_range(
        self, project: Project, plan: PreannotationPlan, number: int, claim: RangeClaim, rate: float
    ) -> None:
        if number in self._current(project.id, plan).finished:  # while it was being claimed
            return
        start, end = plan.starts[number], plan.end_of(number)
        sent = claim.record.sent
        if sent is not None:
            arrived = self._settle(project.id, plan, number, sent)
            claim.update(sent=None, pushed=claim.record.pushed + arrived)
        size = min(max(SEND_TASKS, plan.total // 100), MOST_SENT)
        found: list[dict[str, Any]] = []
        failed = Counts()
        for page in self._label_studio.tasks_without_prediction(
            project.id, plan.version, only_unlabelled=plan.only_unlabelled, start=start, end=end
        ):
            for batch in batches_of(page.tasks):
                if self._stop():
                    raise StoppedError("The preannotation was stopped; the next start continues it.")
                begun = self._clock()
                predictions, counts = self._predictor.predict(project, batch)
                if any(each["model_version"] != plan.version for each in predictions):
                    raise SupersededError(f"Version {predictions[0]['model_version']} serves now.")
                self._sleep(max(0.0, len(batch) / rate - (self._clock() - begun)))
                failed = failed.plus(counts)
                self.counts = self.counts.plus(counts)
                found += predictions
                while len(found) >= size:
                    self._send(project.id, plan, claim, found[:size])
                    found = found[size:]
            failed = msgspec.structs.replace(failed, looked_at=page.looked_at)
            self._show("", plan, self.counts)
        if found:
            self._send(project.id, plan, claim, found)
        pushed = Counts(pushed=claim.record.pushed, without_segments=claim.record.without_segments)
        if pushed.pushed:
            # Label Studio on SQLite repeats a request that met a locked database, after storing its predictions; also
            # one of a process that has ended
            if sent is not None:
                self._sleep(max(0.0, sent.at + SETTLE_SECONDS - self._storage.now()))
            for task in self._label_studio.tasks_with_predictions(project.id, start=start, end=end):
                for repeated in task.repeated(plan.version):
                    self._label_studio.delete_prediction(repeated)
        finish_range(self._storage, project.id, plan, number, pushed.plus(failed))

    def _send(self, project: int, plan: PreannotationPlan, claim: RangeClaim, found: list[dict[str, Any]]) -> None:
        """Record a batch, send it, record that it was sent."""
        begun = self._clock()
        claim.update(sent=Batch(tuple(each["task"] for each in found), self._storage.now()))
        try:  # a process that replaces the plan waits for the batches that were recorded before, and for no others
            self._current(project, plan)
        except SupersededError:
            claim.update(sent=None)
            raise
        if self._clock() - begun > SUSPENDED_SECONDS:
            raise ClaimLostError("This process was suspended while it was about to send a batch.")
        pushed = self._label_studio.create_predictions(project, found)
        empty = sum(not each["result"] for each in found)
        before = claim.record
        claim.update(sent=None, pushed=before.pushed + pushed, without_segments=before.without_segments + empty)
        self.counts = self.counts.plus(Counts(pushed=pushed, without_segments=empty))

    def _settle(self, project: int, plan: PreannotationPlan, number: int, sent: Batch) -> int:
        """Wait until the batch of a process that ended is visible, or can no longer arrive; how many have arrived."""
        start, end = plan.starts[number], plan.end_of(number)
        while self._storage.now() - sent.at < SETTLE_SECONDS:
            pages = self._label_studio.tasks_without_prediction(
                project, plan.version, only_unlabelled=False, start=start, end=end
            )
            if not set(sent.tasks) & {task.id for page in pages for task in page.tasks}:
                return len(sent.tasks)
            self._show("waiting for a batch that a process was sending when it ended", plan, self.counts)
            self._sleep(LOOK_SECONDS)
        return 0

    def _settle_replaced(self, project: int, plan: PreannotationPlan) -> None:
        """Wait for the batches of an unfinished plan of the same version that this one replaces."""
        if not plan.replaces:
            return
        for key in self._storage.keys(keys.preannotation_ranges(project, plan.replaces)):
            record = read_range(self._storage, key)
            if record is not None and record.sent is not None:
                everything = msgspec.structs.replace(plan, starts=(0,))
                self._settle(project, everything, 0, record.sent)
        delete_ranges(self._storage, project, plan.replaces)
        change_plan(self._storage, project, plan, lambda current: msgspec.structs.replace(current, replaces=""))

    def _current(self, project: int, plan: PreannotationPlan) -> PreannotationPlan:
        current = read_plan(self._storage, project)
        if current is None or current.id != plan.id:
            raise SupersededError("Another preannotation of the project has begun.")
        return current
