"""report.json of versions as training writes it, as far as pages show it. Newer reports may hold more."""

import threading
from typing import Any

import msgspec
from cachetools import LRUCache

from shared.errors import ModelError
from shared.model_file.card import Estimate, ModelMetrics
from shared.store.models import UNFINISHED, ModelStore

KEPT = 4000  # summaries of about 1 kB
SHOWN = ("balanced_accuracy", "macro_f1", "segment_f1_50", "event_f1", "ece")


class StoredSegment(msgspec.Struct, frozen=True, array_like=True):
    """A segment as an array."""

    first: int
    last: int
    label: str
    score: float = 1.0
    instant: bool = False


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """A recording as people marked it, and as a graph that had not seen it does."""

    task: str
    name: str = ""
    group: str = ""
    rows: int = 0
    true: tuple[StoredSegment, ...] = ()
    predicted: tuple[StoredSegment, ...] = ()


class Bin(msgspec.Struct, frozen=True, array_like=True):
    """A bin of the reliability diagram: mean score, share of right ones, how many."""

    score: float
    right: float
    count: int


class Report(msgspec.Struct, rename={"metrics": "figures"}, frozen=True, kw_only=True):
    """All of a report that pages show."""

    version: str
    created_at: str = ""
    outcome: str = ""
    reason: str = ""
    metrics: ModelMetrics = ModelMetrics(how="not judged", recordings=0)
    steps: int = 0
    epochs: float = 0.0
    stopped_because: str = ""
    losses: tuple[float, ...] = ()
    reliability: tuple[Bin, ...] = ()
    held_out: tuple[HeldOut, ...] = ()
    skipped: tuple[Any, ...] = ()


class ReportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What an overview shows of a version."""

    created_at: str = ""
    recordings: int = 0
    outcome: str = ""
    reason: str = ""
    how: str = ""
    estimates: dict[str, Estimate] = {}  # the standard names in SHOWN
    size: int = 0  # bytes of the model


class _Figures(msgspec.Struct, frozen=True):
    how: str = ""
    recordings: int = 0
    estimates: dict[str, Estimate] = {}


class _Short(msgspec.Struct, rename={"metrics": "figures"}, frozen=True):
    created_at: str = ""
    outcome: str = ""
    reason: str = ""
    metrics: _Figures = _Figures()


class Reports:
    """Reports of a store; summaries are read once, since a version's report never changes."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._rejections: LRUCache[tuple[int, str], str] = LRUCache(KEPT)
        self._summaries: LRUCache[tuple[int, str], ReportSummary] = LRUCache(KEPT)

    def summary(self, project: int, version: str) -> ReportSummary:
        """What an overview shows of a version; little more than its size where it has no report."""
        key = (project, version)
        with self._lock:
            found = self._summaries.get(key)
        if found is None:
            data = self._store.file(project, version, "report.json")
            found = _summarise(data) if data is not None else ReportSummary()
            found = msgspec.structs.replace(found, size=self._store.size(project, version))
            with self._lock:
                self._summaries[key] = found
        return found

    def rejection(self, project: int, version: str) -> str:
        """Why a rejected version was, read once it is settled."""
        key = (project, version)
        with self._lock:
            found = self._rejections.get(key)
        if found is None:
            found = (self._store.file(project, version, "rejected") or b"").decode(errors="replace")
            if found not in ("", UNFINISHED):
                with self._lock:
                    self._rejections[key] = found
        return found

    def report(self, project: int, version: str) -> Report | None:
        """All of a report, None where there is none. Raises ModelError if it cannot be read."""
        data = self._store.file(project, version, "report.json")
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=Report)
        except msgspec.DecodeError as error:
            raise ModelError(f"The report of version {version} cannot be read: {error}.") from error


def _summarise(data: bytes) -> ReportSummary:
    try:
        short = msgspec.json.decode(data, type=_Short)
    except msgspec.DecodeError as error:
        return ReportSummary(reason=f"Its report cannot be read: {error}.")
    estimates = {name: short.metrics.estimates[name] for name in SHOWN if name in short.metrics.estimates}
    return ReportSummary(
        created_at=short.created_at,
        recordings=short.metrics.recordings,
        outcome=short.outcome,
        reason=short.reason,
        how=short.metrics.how,
        estimates=estimates,
    )
