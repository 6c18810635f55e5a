"""Push predictions to Label Studio for all tasks that have none of the current version.

Label Studio's own requests end after 100 s; this continues batch by batch. Label Studio is asked which tasks are left,
so a second start continues where the first was killed. Each batch is recorded in the store before it is sent: the next
start waits until Label Studio shows the batch, or has had time to refuse it.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TextIO

import msgspec

from inference.serving.model_cache import ModelCache
from inference.serving.predictor import Outcome, Predictor
from inference.serving.protocol import PredictCall, Prediction, ProjectRef
from shared.errors import RefusedError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.label_studio.messages import OpenTask, Project, UnpredictedTasks
from shared.net.connections import Connections
from shared.settings import Settings
from shared.store import keys
from shared.store.aliases import LabelAliases
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage

BATCH = 50  # tasks: about 100 kB, which Label Studio stores within a second
SETTLE_SECONDS = 120.0  # more than Label Studio's own limit for a request
LOOK_SECONDS = 2.0
NO_LIMIT = 86400.0  # seconds for a batch


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `preannotate`."""
    parser.description = (
        "Push predictions to Label Studio, batch by batch. After being killed or interrupted, it resumes where it was."
    )
    parser.epilog = f"example: {parser.prog} --project 3 --dry-run"
    parser.add_argument("--project", required=True, metavar="N")
    parser.add_argument("--dry-run", action="store_true", help="only count the tasks")
    parser.add_argument("--only-unlabelled", action="store_true", help="leave out tasks that people have annotated")
    parser.add_argument("--rate", type=float, default=100.0, metavar="N", help="most tasks a second (default: 100)")
    parser.add_argument("--json", action="store_true", help="write the summary as JSON to stdout")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Push missing predictions."""
    return preannotate(
        options.project,
        settings,
        dry_run=options.dry_run,
        only_unlabelled=options.only_unlabelled,
        rate=options.rate,
        as_json=options.json,
    )


class Sent(msgspec.Struct, frozen=True):
    """The batch being sent."""

    version: str
    tasks: tuple[int, ...]
    at: float  # seconds since the epoch, the store's clock


class DoubtCount(msgspec.Struct, kw_only=True):
    """Tasks with a doubt of one kind."""

    tasks: int = 0
    example: str = ""  # a task and the sentence about it


class PreannotationSummary(msgspec.Struct, kw_only=True):
    """Result of the command."""

    project: int
    version: str
    dry_run: bool
    lacking: int = 0  # tasks without a prediction of this version
    pushed: int = 0
    without_segments: int = 0  # among the pushed ones
    failed: int = 0  # nothing was pushed; a later start may succeed
    reasons: dict[str, int] = {}  # of both
    doubts: dict[str, DoubtCount] = {}  # by kind: what was not understood for certain


class Preannotation:
    """One call of the command."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        *,
        stream: TextIO,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        connections = Connections()
        credentials = Credentials(settings, connections)
        self._storage = storage
        self._stream = stream
        self._sleep = sleep
        self._clock = clock
        self._label_studio = LabelStudio(credentials, connections)
        store = ModelStore(storage, keep_versions=settings.keep_versions)
        self._models = ModelCache(store, cache_size=1, aliases=LabelAliases(storage).of)
        self._reasons: Counter[str] = Counter()
        self._doubts: dict[str, DoubtCount] = {}
        self._predictor = Predictor(
            self._models,
            Fetcher(settings, credentials, connections),
            replace(settings, predict_budget_seconds=NO_LIMIT),
            observe=self._observe,
            stage=lambda *_: None,
        )

    def close(self) -> None:
        """End the threads."""
        self._predictor.close()

    def run(self, number: int, *, dry_run: bool, only_unlabelled: bool, rate: float) -> PreannotationSummary:
        """Push missing predictions. rate: maximum tasks per second. Raises SegmenterError if it cannot continue."""
        project = self._label_studio.project(number)
        if project is None:
            raise RefusedError(f"Label Studio has no project {number}, or the token's user may not see it.")
        version = self._models.version(ProjectRef(number, project.created))
        summary = PreannotationSummary(project=number, version=version, dry_run=dry_run)
        if not dry_run:
            self._settle(number, version)
        for page in self._label_studio.tasks_without_prediction(number, version, only_unlabelled=only_unlabelled):
            summary.lacking += len(page.tasks)
            if not dry_run:
                for batch in _batches(page.tasks):
                    self._push(project, version, batch, summary, rate)
            self._show(page, summary)
        summary.reasons = dict(self._reasons.most_common(20))
        summary.doubts = self._doubts
        self._stream.write("\n" if self._stream.isatty() else "")
        return summary

    def _push(
        self, project: Project, version: str, batch: Sequence[OpenTask], summary: PreannotationSummary, rate: float
    ) -> None:
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
        summary.failed += len(batch) - len(found)
        if found:
            key = keys.preannotation(project.id)
            sent = Sent(version, tuple(each["task"] for each in found), self._storage.now())
            self._storage.put(key, msgspec.json.encode(sent))
            summary.pushed += self._label_studio.create_predictions(project.id, found)
            summary.without_segments += sum(not each["result"] for each in found)
            self._storage.delete([key])
        self._sleep(max(0.0, len(batch) / rate - (self._clock() - begun)))

    def _settle(self, project: int, version: str) -> None:
        """Wait until the last batch of a killed call is visible, or can no longer arrive."""
        key = keys.preannotation(project)
        found = self._storage.get(key)
        if found is None:
            return
        sent = msgspec.json.decode(found.data, type=Sent)
        while sent.version == version and self._storage.now() - sent.at < SETTLE_SECONDS:
            pages = self._label_studio.tasks_without_prediction(project, version, only_unlabelled=False)
            if not set(sent.tasks) & {task.id for page in pages for task in page.tasks}:
                break
            self._stream.write("The last call ended while sending a batch; waiting for it …\n")
            self._sleep(LOOK_SECONDS)
        self._storage.delete([key])

    def _observe(self, outcome: Outcome) -> None:
        if outcome.reason:
            self._reasons[outcome.reason[:300]] += 1
        for kind, sentence in {doubt.kind: doubt.sentence for doubt in reversed(outcome.doubts)}.items():
            found = self._doubts.setdefault(kind, DoubtCount(example=f"task {outcome.task}: {sentence[:500]}"))
            found.tasks += 1

    def _show(self, page: UnpredictedTasks, summary: PreannotationSummary) -> None:
        share = page.looked_at / max(1, page.total)
        bar = "█" * round(share * 30) + "·" * (30 - round(share * 30))
        end = "\r" if self._stream.isatty() else "\n"
        self._stream.write(f"{bar} {page.looked_at} of {page.total} tasks, {summary.pushed} predictions pushed{end}")
        self._stream.flush()


def preannotate(
    project: str, settings: Settings, *, dry_run: bool, only_unlabelled: bool, rate: float, as_json: bool
) -> int:
    """Push predictions for all tasks of a project that lack them. Returns 0, or 1 if some failed for now."""
    if not rate > 0:
        raise RefusedError(f"--rate is {rate:g}, but must be above 0 tasks a second.")
    work = Preannotation(settings, open_storage(settings.model_dir, settings.new_store), stream=sys.stderr)
    try:
        found = work.run(read_project(project), dry_run=dry_run, only_unlabelled=only_unlabelled, rate=rate)
    finally:
        work.close()
    if as_json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(found), indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_report(found)) + "\n")
    return int(found.failed > 0)


def _report(found: PreannotationSummary) -> Iterator[str]:
    if found.dry_run:
        yield f"{found.lacking} tasks of project {found.project} lack version {found.version}; nothing was pushed."
        return
    yield (
        f"{found.pushed} predictions of version {found.version} were pushed, {found.without_segments} of them without "
        f"segments; {found.failed} tasks failed for now."
    )
    for reason, count in found.reasons.items():
        yield f"  {count} × {reason}"
    for kind, doubt in found.doubts.items():
        yield f"  {doubt.tasks} × {kind}, such as {doubt.example}"


def _batches(tasks: Sequence[OpenTask]) -> Iterator[Sequence[OpenTask]]:
    rest = iter(tasks)
    while batch := list(islice(rest, BATCH)):
        yield batch
