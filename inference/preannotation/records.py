"""What is stored of a preannotation: the plan, and for each range of tasks who pushes it."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from shared.store.lease import HeldRecord

MOST_REASONS = 20


class DoubtCount(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks with a doubt of one kind."""

    tasks: int = 0
    example: str = ""  # a task and the sentence about it


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of tasks."""

    looked_at: int = 0  # with or without a prediction
    pushed: int = 0
    without_segments: int = 0  # among the pushed ones
    failed: int = 0  # nothing was pushed; a later start may succeed
    reasons: dict[str, int] = {}  # of both
    doubts: dict[str, DoubtCount] = {}  # by kind: what was not understood for certain

    def plus(self, other: "Counts") -> "Counts":
        """The sum."""
        return Counts(
            looked_at=self.looked_at + other.looked_at,
            pushed=self.pushed + other.pushed,
            without_segments=self.without_segments + other.without_segments,
            failed=self.failed + other.failed,
            reasons=dict((Counter(self.reasons) + Counter(other.reasons)).most_common(MOST_REASONS)),
            doubts=_sum_doubts(self.doubts, other.doubts),
        )


class PreannotationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions of one version for the tasks of a project, in ranges of ids."""

    id: str  # another one for every plan
    job: str = ""  # name of the Job that planned it
    version: str
    only_unlabelled: bool = False
    starts: tuple[int, ...]  # a range holds the tasks with ids above its start, up to the start of the next one
    total: int  # tasks when it was planned
    replaces: str = ""  # an unfinished plan of the same version, whose last batches may still arrive
    started_at: float  # seconds since the epoch, the store's clock
    updated_at: float
    finished: tuple[int, ...] = ()  # ranges
    counts: Counts = Counts()  # of the finished ranges; what was pushed, also of earlier plans of this version

    @property
    def is_complete(self) -> bool:
        """Whether all ranges are finished."""
        return len(self.finished) >= len(self.starts)

    def end_of(self, number: int) -> int | None:
        """The last id of a range, None for the last range: tasks imported later belong to it."""
        return self.starts[number + 1] if number + 1 < len(self.starts) else None

    def with_finished(self, number: int, counts: Counts, now: float) -> "PreannotationPlan":
        """The plan after one more range; unchanged if that was finished already."""
        if number in self.finished:
            return self
        return msgspec.structs.replace(
            self,
            finished=tuple(sorted({*self.finished, number})),
            counts=self.counts.plus(counts),
            updated_at=max(now, self.updated_at),
        )


class Batch(msgspec.Struct, frozen=True):
    """Predictions being sent."""

    tasks: tuple[int, ...]
    at: float  # seconds since the epoch, the store's clock


class RangeRecord(HeldRecord, frozen=True, kw_only=True):
    """Who pushes the predictions of a range, and how far that is."""

    sent: Batch | None = None
    pushed: int = 0
    without_segments: int = 0


def _sum_doubts(one: Mapping[str, DoubtCount], other: Mapping[str, DoubtCount]) -> dict[str, DoubtCount]:
    total = dict(one)
    for kind, count in other.items():
        before = total.get(kind, DoubtCount())
        total[kind] = DoubtCount(tasks=before.tasks + count.tasks, example=before.example or count.example)
    return total
