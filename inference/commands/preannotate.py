"""Push predictions to Label Studio for all tasks that have none of the current version.

Label Studio's own requests end after 100 s; this continues batch by batch, with as many processes as are started
(`inference.preannotation`).
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TextIO

import msgspec

from inference.preannotation import Counts, Preannotation, PreannotationPlan
from inference.preannotation.records import DoubtCount
from inference.serving.model_cache import ModelCache
from inference.serving.protocol import ProjectRef
from shared.errors import RefusedError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.net.connections import Connections
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `preannotate`."""
    parser.description = (
        "Push predictions to Label Studio, batch by batch. After being killed or interrupted, it resumes where it was. "
        "Start it several times, on one machine or many, to share the work."
    )
    parser.epilog = f"example: {parser.prog} --project 3 --dry-run"
    parser.add_argument("--project", required=True, metavar="N")
    parser.add_argument("--dry-run", action="store_true", help="only count the tasks")
    parser.add_argument("--only-unlabelled", action="store_true", help="leave out tasks that people have annotated")
    parser.add_argument("--rate", type=float, default=100.0, metavar="N", help="most tasks a second (default: 100)")
    parser.add_argument(
        "--job", default="", metavar="NAME", help="processes of one name end where one of them has finished the work"
    )
    parser.add_argument(
        "--part", type=int, default=0, metavar="I", help="0, 1, 2, … for processes that are started together"
    )
    parser.add_argument("--json", action="store_true", help="write the summary as JSON to stdout")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Push missing predictions."""
    if not options.rate > 0:
        raise RefusedError(f"--rate is {options.rate:g}, but must be above 0 tasks a second.")
    project = read_project(options.project)
    command = PreannotateCommand(settings, open_storage(settings.model_dir, settings.new_store), sys.stderr)
    try:
        if options.dry_run:
            found = command.count(project, only_unlabelled=options.only_unlabelled)
        else:
            found = command.push(
                project,
                only_unlabelled=options.only_unlabelled,
                rate=options.rate,
                job=options.job,
                index=options.part,
            )
    finally:
        command.close()
    if options.json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(found), indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_report(found)) + "\n")
    return int(found.all_failed > 0)


class PreannotationSummary(msgspec.Struct, kw_only=True):
    """Result of the command: what this process did, and all together."""

    project: int
    version: str
    dry_run: bool
    lacking: int = 0  # tasks without a prediction of this version
    pushed: int = 0
    without_segments: int = 0  # among the pushed ones
    failed: int = 0  # nothing was pushed; a later start may succeed
    reasons: dict[str, int] = {}  # of both
    doubts: dict[str, DoubtCount] = {}  # by kind: what was not understood for certain
    all_pushed: int = 0  # by all processes that shared the work
    all_failed: int = 0


class PreannotateCommand:
    """The command's objects."""

    def __init__(self, settings: Settings, storage: Storage, stream: TextIO) -> None:
        connections = Connections()
        credentials = Credentials(settings, connections)
        self._stream = stream
        self._label_studio = LabelStudio(credentials, connections)
        store = ModelStore(storage, keep_versions=settings.keep_versions)
        self._models = ModelCache(store, cache_size=1, aliases=LabelAliases(storage).of)
        fetcher = Fetcher(settings, credentials, connections)
        self._work = Preannotation(settings, storage, self._label_studio, fetcher, self._models, show=self._show)

    def close(self) -> None:
        """End the threads."""
        self._work.close()

    def count(self, number: int, *, only_unlabelled: bool) -> PreannotationSummary:
        """Only count the tasks that lack a prediction."""
        project = self._label_studio.project(number)
        if project is None:
            raise RefusedError(f"Label Studio has no project {number}, or the token's user may not see it.")
        version = self._models.version(ProjectRef(number, project.created))
        pages = self._label_studio.tasks_without_prediction(number, version, only_unlabelled=only_unlabelled)
        lacking = sum(len(page.tasks) for page in pages)
        return PreannotationSummary(project=number, version=version, dry_run=True, lacking=lacking)

    def push(self, number: int, *, only_unlabelled: bool, rate: float, job: str, index: int) -> PreannotationSummary:
        """Push missing predictions."""
        plan = self._work.run(number, only_unlabelled=only_unlabelled, rate=rate, job=job, index=index)
        self._stream.write("\n" if self._stream.isatty() else "")
        counts = self._work.counts
        return PreannotationSummary(
            project=number,
            version=plan.version,
            dry_run=False,
            lacking=counts.pushed + counts.failed,
            pushed=counts.pushed,
            without_segments=counts.without_segments,
            failed=counts.failed,
            reasons=counts.reasons,
            doubts=counts.doubts,
            all_pushed=plan.counts.pushed,
            all_failed=plan.counts.failed,
        )

    def _show(self, sentence: str, plan: PreannotationPlan, counts: Counts) -> None:
        share = len(plan.finished) / max(1, len(plan.starts))
        bar = "█" * round(share * 30) + "·" * (30 - round(share * 30))
        end = "\r" if self._stream.isatty() else "\n"
        text = sentence or f"{counts.pushed} predictions pushed by this process"
        self._stream.write(f"{bar} {plan.counts.looked_at} of {plan.total} tasks, {text}{end}")
        self._stream.flush()


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
    if (found.all_pushed, found.all_failed) != (found.pushed, found.failed):
        yield f"All processes together pushed {found.all_pushed}; {found.all_failed} tasks failed for now."
