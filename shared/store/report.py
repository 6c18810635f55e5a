"""report.json: what is kept of a run with its version, for people, pages, and the gate of later runs."""

import msgspec

from shared.errors import ModelError
from shared.labelling.segments import Segment
from shared.model_file.card import ModelMetrics

SCHEMA = 1


class StoredSegment(msgspec.Struct, frozen=True, array_like=True):
    """A segment as an array."""

    first: int
    last: int
    label: str
    score: float
    instant: bool


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """A recording as people marked it and as a graph that had not seen it does; rows of the task's recording."""

    task: str
    name: str
    group: str
    rows: int
    true: tuple[StoredSegment, ...]
    predicted: tuple[StoredSegment, ...]


class Bin(msgspec.Struct, frozen=True, array_like=True):
    """A bin of the reliability diagram: mean score, share of right ones, how many."""

    score: float
    right: float
    count: int


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that was tried."""

    steps: int
    balanced_accuracy: float
    min_class_f1: float


class ReportFile(msgspec.Struct, rename={"metrics": "figures"}, frozen=True, kw_only=True):
    """All of report.json."""

    schema: int = SCHEMA
    version: str
    created_at: str
    project: int
    outcome: str  # published or rejected
    reason: str  # of a rejection, or how it compares with the version before
    metrics: ModelMetrics
    steps: int
    epochs: float
    stopped_because: str
    schedules: tuple[Schedule, ...]
    losses: tuple[float, ...]  # of the final fit, in equal steps
    reliability: tuple[Bin, ...]
    held_out: tuple[HeldOut, ...]


def read_held_out(report: bytes) -> dict[str, tuple[int, list[Segment]]]:
    """Segments that a version's folds predicted, by task, with the recording's rows. Raises ModelError."""
    try:
        stored = msgspec.json.decode(report, type=ReportFile)
    except msgspec.DecodeError as error:
        raise ModelError(f"A report.json cannot be read: {error}.") from error
    return {
        each.task: (
            each.rows,
            [Segment(one.first, one.last, one.label, one.score, one.instant) for one in each.predicted],
        )
        for each in stored.held_out
    }
