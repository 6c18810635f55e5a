"""One process's part of a preannotation: claim a range, predict and push its tasks, until all ranges are finished."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec

from inference.preannotation.claims import ClaimLostError, RangeClaim, claim_range, read_range
from inference.preannotation.plans import change_plan, delete_ranges, finish_range, open_plan, range_key, read_plan
from inference.preannotation.records import Batch, Counts, DoubtCount, PreannotationPlan
from inference.serving.model_cache import REVALIDATE_SECONDS, ModelCache
from inference.serving.predictor import Outcome, Predictor
from inference.serving.protocol import PredictCall, Prediction, ProjectRef
from shared.errors import RefusedError, TemporaryError
from shared.label_studio.client import LabelStudio
from shared.label_studio.fetcher import Fetcher
from shared.label_studio.messages import OpenTask, Project
from shared.settings import Settings
from shared.store import keys
from shared.store.storage import Storage

BATCH = 50  # tasks: about 100 kB, which Label Studio stores within a second
SETTLE_SECONDS = 120.0  # more than Label Studio's own limit for a request
SUSPENDED_SECONDS = 30.0  # a process that wakes up later does not send its batch: another one may have
SPREAD = 0.618034  # golden section: spreads any number of processes evenly
LOOK_SECONDS = 2.0
WAIT_SECONDS = 5.0  # between looks at ranges that other processes push
NO_LIMIT = 86400.0  # seconds for a batch


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
        self._reasons: Counter[str] = Counter()
        self._doubts: dict[str, DoubtCount] = {}
        self._predictor = Predictor(
            models,
            fetcher,
            replace(settings, predict_budget_seconds=NO_LIMIT),
            observe=self._observe,
            stage=lambda *_: None,
        )
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

        rate: maximum tasks per second of this process. job: a second start under the name of a finished plan returns
        it at once. index: 0, 1, 2 … of processes that start together, so that they claim different ranges. Raises
        RefusedError for a project that cannot be read, UntrainedError without a model, LabelStudioError and StoreError
        if it cannot continue.
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
                    self._give_way(project.id, plan)
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
                try:
                    self._push_range(project, current, number, claim, rate)
                except ClaimLostError:
                    continue
            number = (number + 1) % len(plan.starts)

    def _push_range(
        self, project: Project, plan: PreannotationPlan, number: int, claim: RangeClaim, rate: float
    ) -> None:
        if number in self._current(project.id, plan).finished:  # while it was being claimed
            return
        start, end = plan.starts[number], plan.end_of(number)
        if claim.record.sent is not None:
            self._settle(project.id, plan, number, claim.record.sent)
            claim.update(sent=None)
        earlier = Counts(pushed=claim.record.pushed, without_segments=claim.record.without_segments)
        counts = Counts()
        for page in self._label_studio.tasks_without_prediction(
            project.id, plan.version, only_unlabelled=plan.only_unlabelled, start=start, end=end
        ):
            for batch in _batches(page.tasks):
                found = self._push(project, plan, batch, claim, rate)
                counts = counts.plus(found)
                self.counts = self.counts.plus(found)
            counts = msgspec.structs.replace(counts, looked_at=page.looked_at)
            self._show("", plan, self.counts)
        finish_range(self._storage, project.id, plan, number, counts.plus(earlier))

    def _push(
        self, project: Project, plan: PreannotationPlan, batch: Sequence[OpenTask], claim: RangeClaim, rate: float
    ) -> Counts:
        if self._stop():
            raise StoppedError("The preannotation was stopped; the next start continues it.")
        begun = self._clock()
        call = PredictCall(
            tasks=[msgspec.Raw(msgspec.json.encode({"id": task.id, "data": task.data})) for task in batch],
            project=f"{project.id}.{project.created}",
            label_config=project.label_config,
        )
        answers = asyncio.run(self._predictor.predict(call))
        found: list[dict[str, Any]] = [
            {"task": task.id, "result": answer.result, "score": answer.score, "model_version": answer.model_version}
            for task, answer in zip(batch, answers, strict=True)
            if isinstance(answer, Prediction)
        ]
        counts = Counts(failed=len(batch) - len(found), reasons=dict(self._reasons), doubts=self._doubts)
        self._reasons, self._doubts = Counter(), {}
        if found:
            if any(each["model_version"] != plan.version for each in found):
                raise SupersededError(f"Version {found[0]['model_version']} serves now.")
            counts = self._send(project.id, plan, claim, found).plus(counts)
        self._sleep(max(0.0, len(batch) / rate - (self._clock() - begun)))
        return counts

    def _send(self, project: int, plan: PreannotationPlan, claim: RangeClaim, found: list[dict[str, Any]]) -> Counts:
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
        return Counts(pushed=pushed, without_segments=empty)

    def _settle(self, project: int, plan: PreannotationPlan, number: int, sent: Batch) -> None:
        """Wait until the batch of a process that ended is visible, or can no longer arrive."""
        start, end = plan.starts[number], plan.end_of(number)
        while self._storage.now() - sent.at < SETTLE_SECONDS:
            pages = self._label_studio.tasks_without_prediction(
                project, plan.version, only_unlabelled=False, start=start, end=end
            )
            if not set(sent.tasks) & {task.id for page in pages for task in page.tasks}:
                return
            self._show("waiting for a batch that a process was sending when it ended", plan, self.counts)
            self._sleep(LOOK_SECONDS)

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

    def _give_way(self, project: int, plan: PreannotationPlan) -> None:
        """Raise unless this process can join the plan that has replaced its own."""
        current = read_plan(self._storage, project)
        if current and current.version == plan.version and current.only_unlabelled != plan.only_unlabelled:
            kind = "only of tasks without annotations" if current.only_unlabelled else "of all tasks"
            raise TemporaryError(f"Another preannotation of project {project} has begun, {kind}; start again after it.")

    def _current(self, project: int, plan: PreannotationPlan) -> PreannotationPlan:
        current = read_plan(self._storage, project)
        if current is None or current.id != plan.id:
            raise SupersededError("Another preannotation of the project has begun.")
        return current

    def _observe(self, outcome: Outcome) -> None:
        if outcome.reason:
            self._reasons[outcome.reason[:300]] += 1
        for kind, sentence in {doubt.kind: doubt.sentence for doubt in reversed(outcome.doubts)}.items():
            before = self._doubts.get(kind) or DoubtCount(example=f"task {outcome.task}: {sentence[:500]}")
            self._doubts[kind] = DoubtCount(tasks=before.tasks + 1, example=before.example)


def _batches(tasks: Sequence[OpenTask]) -> Iterator[Sequence[OpenTask]]:
    rest = iter(tasks)
    while batch := list(islice(rest, BATCH)):
        yield batch
