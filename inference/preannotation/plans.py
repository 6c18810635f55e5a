"""Plans in the store: made by the first process, joined by all others, replaced when another version serves."""

import time
from collections.abc import Callable
from uuid import uuid4

import msgspec

from inference.preannotation.claims import REMEDY, is_in_progress
from inference.preannotation.records import Counts, PreannotationPlan
from shared.errors import ConflictError, StoreError
from shared.label_studio.client import LabelStudio
from shared.store import keys
from shared.store.storage import Storage, decode_record, read_record

RANGES = 100  # of a large project: progress in steps of 1 %, and one small request each to plan them
LEAST_TASKS = 100  # of a range, the page size of Label Studio's task list
ATTEMPTS = 30  # to record a finished range, while other processes do the same
PAUSE_SECONDS = 0.1
STALLED_SECONDS = 600.0  # a range of a large project takes minutes


def read_plan(storage: Storage, project: int) -> PreannotationPlan | None:
    """The last plan of a project, with its progress. Raises RecordError if it cannot be read."""
    return read_record(storage, keys.preannotation_plan(project), PreannotationPlan, REMEDY)


def progress_sentence(plan: PreannotationPlan, now: float) -> str:
    """How far a preannotation is, for the project's page."""
    counts = plan.counts
    tasks = "tasks without annotations" if plan.only_unlabelled else "tasks"
    text = f"{counts.looked_at} of {plan.total} {tasks} looked at, {counts.pushed} predictions pushed"
    failed = f", {counts.failed} tasks failed for now" if counts.failed else ""
    if plan.is_complete:
        return f"Predictions of version {plan.version} for all tasks are done: {text}{failed}."
    seconds = now - plan.updated_at
    waits = "" if seconds < STALLED_SECONDS else f" Nothing was finished for {seconds / 60:.0f} minutes."
    return f"Predictions of version {plan.version} for all tasks: {text}{failed}.{waits}"


def open_plan(
    storage: Storage, label_studio: LabelStudio, project: int, version: str, *, only_unlabelled: bool, job: str
) -> PreannotationPlan:
    """The plan to work on: the one in progress, the same Job's one that finished without failed tasks, or a new one."""
    key = keys.preannotation_plan(project)
    while True:
        found = storage.get(key)
        before = None if found is None else decode_record(storage, key, found.data, PreannotationPlan, REMEDY)
        if before is not None:
            if before.is_complete and job and before.job == job and not before.counts.failed:
                return before
            if not before.is_complete and before.version == version:
                if before.only_unlabelled == only_unlabelled:
                    return before
                # A plan of all tasks does those without annotations, too; the other way round it is replaced.
                if only_unlabelled and is_in_progress(storage, keys.preannotation_ranges(project, before.id)):
                    return before
        plan = _make_plan(storage, label_studio, project, version, only_unlabelled=only_unlabelled, job=job)
        if before is not None and before.version == version:
            pushed = Counts(pushed=before.counts.pushed, without_segments=before.counts.without_segments)
            replaces = "" if before.is_complete else before.id
            plan = msgspec.structs.replace(plan, replaces=replaces, counts=pushed)
        try:
            data = msgspec.json.encode(plan)
            if found is None:
                storage.put(key, data, create=True)
            else:
                storage.put(key, data, if_match=found.tag)
        except ConflictError:
            continue  # another process planned at the same time: join it
        if before is not None and not plan.replaces:
            delete_ranges(storage, project, before.id)
        return plan


def change_plan(
    storage: Storage,
    project: int,
    plan: PreannotationPlan,
    change: Callable[[PreannotationPlan], PreannotationPlan],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Change the plan in the store, unless another one has replaced it."""
    key = keys.preannotation_plan(project)
    for _ in range(ATTEMPTS):
        found = storage.get(key)
        now = None if found is None else decode_record(storage, key, found.data, PreannotationPlan, REMEDY)
        if found is None or now is None or now.id != plan.id:
            return
        changed = change(now)
        if changed == now:
            return
        try:
            storage.put(key, msgspec.json.encode(changed), if_match=found.tag)
        except ConflictError:
            sleep(PAUSE_SECONDS)
            continue
        return
    raise StoreError(f"{key} kept changing; try again.")


def finish_range(storage: Storage, project: int, plan: PreannotationPlan, number: int, counts: Counts) -> None:
    """Record that all tasks of a range have been looked at."""
    now = storage.now()
    change_plan(storage, project, plan, lambda current: current.with_finished(number, counts, now))


def range_key(project: int, plan: str, number: int) -> str:
    """Where a range of a plan is recorded."""
    return f"{keys.preannotation_ranges(project, plan)}/{number:06d}.json"


def _make_plan(
    storage: Storage, label_studio: LabelStudio, project: int, version: str, *, only_unlabelled: bool, job: str
) -> PreannotationPlan:
    total = label_studio.task_count(project)
    size = max(LEAST_TASKS, -(-total // RANGES))
    starts = [0]
    for place in range(size, total, size):
        task = label_studio.nth_task(project, place)
        if task is not None and task - 1 > starts[-1]:
            starts.append(task - 1)
    now = storage.now()
    return PreannotationPlan(
        id=uuid4().hex[:12],
        job=job,
        version=version,
        only_unlabelled=only_unlabelled,
        starts=tuple(starts),
        total=total,
        started_at=now,
        updated_at=now,
    )


def delete_ranges(storage: Storage, project: int, plan: str) -> None:
    """Delete the records of a plan's ranges, which say nothing once it is complete or replaced."""
    storage.delete(storage.keys(keys.preannotation_ranges(project, plan)))
