"""Snapshots of a project's annotations, independent of the order and the way in which they were listed."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the annotations that a run starts from."""

    taken_at: str  # UTC, ISO 8601
    newest: str  # when the newest annotation was written (UTC, ISO 8601); "" offline
    tasks: int  # annotated tasks
    annotations: int
    digest: str  # over tasks, annotations and their times: equal digests mean equal annotations
    fingerprint: str  # of the label configuration


class AnnotationState(NamedTuple):
    """The fields that change when an annotation changes. Skipped (cancelled) annotations are never listed."""

    task: int
    annotation: int
    updated_at: str  # UTC, ISO 8601 with microseconds; "" when unknown
    ground_truth: bool


def utc_text(time: datetime | str | None) -> str:
    """A time as UTC in ISO 8601 with microseconds; "" for none. Raises ValueError."""
    if not time:
        return ""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def take_snapshot(states: Iterable[AnnotationState], fingerprint: str, now: datetime) -> Snapshot:
    """Snapshot of these annotations at `now`, under the label configuration of `fingerprint`."""
    ordered = sorted(set(states))
    digest = hashlib.sha256()
    for state in ordered:
        digest.update(f"{state.task} {state.annotation} {state.updated_at} {int(state.ground_truth)}\n".encode())
    return Snapshot(
        taken_at=utc_text(now),
        newest=max((state.updated_at for state in ordered), default=""),
        tasks=len({state.task for state in ordered}),
        annotations=len(ordered),
        digest=digest.hexdigest(),
        fingerprint=fingerprint,
    )


def same_annotations(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots have equal annotations and label configurations."""
    return (one.digest, one.fingerprint) == (other.digest, other.fingerprint)
