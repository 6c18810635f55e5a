"""Snapshots of a project's annotations, independent of the order and the way in which they were listed."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

# How annotations become labelled rows. 2: rows that cannot be read for certain are unknown, more than half of the
# annotators decide, and predictions accepted unchanged are left out. 1: as before.
RULES = 2


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the annotations that a run starts from."""

    taken_at: str  # UTC, ISO 8601
    newest: str  # when the newest annotation was written (UTC, ISO 8601); "" offline
    tasks: int  # annotated tasks
    annotations: int
    digest: str  # over tasks, annotations and their times: equal digests mean equal annotations
    fingerprint: str  # of the label configuration
    rules: int = 1  # RULES of the program that took it

    @property
    def is_outdated(self) -> bool:
        """Whether the same annotations mean something else by today's rules."""
        return self.rules < RULES


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
        rules=RULES,
    )


def same_annotations(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots have equal annotations and label configurations, whatever the rules.

    New rules alone train nothing: that is for people to ask, project by project.
    """
    return (one.digest, one.fingerprint) == (other.digest, other.fingerprint)
