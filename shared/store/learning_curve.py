"""Learning curve measured by `python -m training curve`: metrics against recordings, `runs/{id}/curve.json`."""

import msgspec

from shared.model_file.card import Estimate
from shared.store import keys
from shared.store.storage import Storage, read_record


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of networks trained on this many recordings."""

    groups: int  # recordings of one group (meta.group, meta.subject) are drawn together
    recordings: float  # mean number in those groups
    steps: float  # mean length of the fits
    estimates: dict[str, Estimate]  # by standard name


class LearningCurve(msgspec.Struct, frozen=True, kw_only=True):
    """A curve. Every point is evaluated on the same recordings, each by networks that had not seen it."""

    made_at: str  # UTC, ISO 8601
    recordings: int  # evaluated
    groups: int  # evaluated
    points: tuple[Point, ...]  # by number of recordings, ascending
    verdict: str  # whether labelling more is worth it, a sentence for people
    notes: tuple[str, ...] = ()


def keep_curve(storage: Storage, project: int, curve: LearningCurve) -> None:
    """Store the curve of a project, replacing an older one."""
    storage.put(keys.curve(project), msgspec.json.encode(curve))


def read_curve(storage: Storage, project: int) -> LearningCurve | None:
    """The last curve of a project, None if there is none. Raises RecordError if its file is damaged."""
    remedy = f"`python -m training curve --project {project}` writes a new one."
    return read_record(storage, keys.curve(project), LearningCurve, remedy)
