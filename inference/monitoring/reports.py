"""Reports of versions, read from the store for pages: complete ones, and summaries for the overview."""

import threading

import msgspec
from cachetools import LRUCache

from inference.monitoring.evaluation import EvaluationSummary, summarise_report
from shared.errors import ModelError
from shared.json_decoding import decode_json
from shared.model_file.card import Estimate
from shared.reporting.wording import CHOICE_ACCURACY, metric_of_set
from shared.store.models import UNFINISHED, ModelStore
from shared.store.report import AgreementMetrics, Comparison, RegionUse, ReportFile, read_report

EVALUATIONS = 100  # of versions, a few hundred bytes a task
KEPT = 4000  # summaries of about 1 kB
SHOWN = ("balanced_accuracy", "macro_f1", "segment_f1_50", "event_f1", "ece")
MOST_SETS = 20  # label sets whose balanced accuracy is shown


class ReportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a version for the overview."""

    number: int = 0  # 0 in reports made before versions were numbered
    created_at: str = ""
    recordings: int = 0
    outcome: str = ""
    reason: str = ""
    comparisons: tuple[Comparison, ...] = ()  # with earlier versions
    how: str = ""
    estimates: dict[str, Estimate] = {}  # the standard names in SHOWN; balanced accuracy by label set
    size: int = 0  # bytes of the model
    people: dict[str, float] = {}  # share of predicted regions left as they were, agreement with annotators


class _ShortMetrics(msgspec.Struct, frozen=True):
    how: str = ""
    recordings: int = 0
    estimates: dict[str, Estimate] = {}


class _Short(msgspec.Struct, rename={"metrics": "figures"}, frozen=True):
    number: int = 0
    created_at: str = ""
    outcome: str = ""
    reason: str = ""
    comparisons: tuple[Comparison, ...] = ()
    metrics: _ShortMetrics = _ShortMetrics()
    region_use: tuple[RegionUse, ...] = ()
    agreements: tuple[AgreementMetrics, ...] = ()


class Reports:
    """Reports of a store. Summaries are cached: a version's report never changes."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._rejections: LRUCache[tuple[int, str], str] = LRUCache(KEPT)
        self._summaries: LRUCache[tuple[int, str], ReportSummary] = LRUCache(KEPT)
        self._evaluations: LRUCache[tuple[int, str], EvaluationSummary] = LRUCache(EVALUATIONS)

    def short(self, project: int, version: str) -> ReportSummary:
        """Summary of a version's report, without the size of the model; empty if it has no report."""
        data = self._store.file(project, version, "report.json")
        return _summarise(data) if data is not None else ReportSummary()

    def summary(self, project: int, version: str) -> ReportSummary:
        """Summary of a version; only its size if it has no report."""
        key = (project, version)
        with self._lock:
            found = self._summaries.get(key)
        if found is None:
            found = msgspec.structs.replace(self.short(project, version), size=self._store.size(project, version))
            with self._lock:
                self._summaries[key] = found
        return found

    def rejection(self, project: int, version: str) -> str:
        """Why a version was rejected, "" if it was not."""
        key = (project, version)
        with self._lock:
            found = self._rejections.get(key)
        if found is None:
            found = (self._store.file(project, version, "rejected") or b"").decode(errors="replace")
            if found not in ("", UNFINISHED):
                with self._lock:
                    self._rejections[key] = found
        return found

    def report(self, project: int, version: str) -> ReportFile | None:
        """A complete report, None if there is none. Raises ModelError if it cannot be read."""
        data = self._store.file(project, version, "report.json")
        if data is None:
            return None
        return read_report(data, version)

    def evaluation(self, project: int, version: str) -> EvaluationSummary:
        """Summary of a version's held-out predictions; empty if it has no readable report."""
        if not version:
            return EvaluationSummary()
        key = (project, version)
        with self._lock:
            found = self._evaluations.get(key)
        if found is None:
            try:
                report = self.report(project, version)
            except ModelError:  # named among the project's problems
                return EvaluationSummary()
            if report is None:
                return EvaluationSummary()
            found = summarise_report(report)
            with self._lock:
                self._evaluations[key] = found
        return found


def _summarise(data: bytes) -> ReportSummary:
    try:
        short = decode_json(data, _Short)
    except msgspec.DecodeError as error:
        return ReportSummary(reason=f"Its report cannot be read: {error}.")
    known = short.metrics.estimates
    starts = tuple(metric_of_set(metric, "")[:-1] for metric in (SHOWN[0], CHOICE_ACCURACY))
    of_sets = [name for name in known if name.startswith(starts)][:MOST_SETS]
    estimates = {name: known[name] for name in (*SHOWN, *of_sets) if name in known}
    return ReportSummary(
        number=short.number,
        created_at=short.created_at,
        recordings=short.metrics.recordings,
        people=_people(short),
        outcome=short.outcome,
        reason=short.reason,
        comparisons=tuple(_compact(each) for each in short.comparisons),
        how=short.metrics.how,
        estimates=estimates,
    )


def _people(short: _Short) -> dict[str, float]:
    found: dict[str, float] = {}
    for use in short.region_use:
        if use.by == "all" and use.predicted:
            found["predicted_regions_unchanged"] = use.unchanged / use.predicted
    for each in short.agreements:
        if each.by == "all" and each.f1 is not None:
            found[f"{each.between}_agreement_f1"] = each.f1
    return found


def _compact(comparison: Comparison) -> Comparison:
    kept = {name: value for name, value in comparison.differences.items() if name in SHOWN}
    return msgspec.structs.replace(comparison, differences=kept)
