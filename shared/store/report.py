"""report.json: metrics, losses and held-out predictions of a run, stored with its version.

Training writes it; pages and the gate of later runs read it. Optional fields have defaults, so that reports of other
versions of this program can be read.
"""

import msgspec

from shared.errors import ModelError
from shared.json_decoding import decode_json
from shared.labelling.segments import Segment
from shared.model_file.card import Estimate, ModelMetrics

SCHEMA = 1


class StoredSegment(msgspec.Struct, frozen=True, array_like=True):
    """A segment as an array."""

    first: int
    last: int
    label: str
    score: float = 1.0
    instant: bool = False


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """Segments of a held-out recording, annotated and predicted; rows of the task's recording."""

    task: str
    name: str = ""
    group: str = ""
    rows: int = 0
    true: tuple[StoredSegment, ...] = ()
    predicted: tuple[StoredSegment, ...] = ()
    annotators: tuple[str, ...] = ()  # ids or e-mail addresses, as far as they are known


class LabelError(msgspec.Struct, frozen=True, kw_only=True):
    """An annotation that models which have not seen the recording contradict, or that is missing.

    kind: wrong label, missing, superfluous or border off. first, last: rows of the task's recording; start, end: the
    same as bounds of a region. annotated, decoded: labels, "" for none.
    """

    task: str
    kind: str
    first: int
    last: int
    start: int | float | str
    end: int | float | str
    annotated: str
    decoded: str
    log_odds: float  # of what was decoded against what was annotated, mean of the rows
    instant: bool = False


class Bin(msgspec.Struct, frozen=True, array_like=True):
    """A bin of the reliability diagram: mean score, share of correct rows or events, count."""

    score: float
    right: float
    count: int


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of one number of steps that was tried."""

    steps: int
    balanced_accuracy: float
    min_class_f1: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How a version differs from an earlier one on the same recordings; standard errors by a paired bootstrap."""

    version: str  # the earlier one
    groups: int  # of recordings
    differences: dict[str, Estimate] = {}  # by standard name of the metric; positive: this version has more
    f1_by_label: dict[str, float] = {}


class RegionUse(msgspec.Struct, frozen=True, kw_only=True):
    """What people made of predicted regions, for one label, version, person or month, or for all.

    Regions are the same where their ids are. A region that was relabelled may have been moved, too.
    """

    by: str  # all, label, version, person or month
    name: str
    annotations: int = 0
    unchanged: int = 0
    moved: int = 0
    relabelled: int = 0
    deleted: int = 0
    added: int = 0  # drawn beside them, under the label that people gave

    @property
    def predicted(self) -> int:
        """All regions that were predicted."""
        return self.unchanged + self.moved + self.relabelled + self.deleted


class AgreementMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How far two mark the same in the same recordings.

    between: model (one that has not seen the recording, and a person) or annotators. f1: of segments that overlap by
    half or more, and of instants within the tolerance. kappa: Cohen's, of rows.
    """

    between: str
    by: str  # all, origin (drawn from a prelabel or from nothing), label, person, pair or month
    name: str
    recordings: int
    segments: int  # of the person, or of the first one
    f1: float | None = None
    kappa: float | None = None


class ReportFile(msgspec.Struct, rename={"metrics": "figures"}, frozen=True, kw_only=True):
    """Contents of report.json."""

    schema: int = SCHEMA
    version: str
    number: int = 0  # 1, 2, … for people; 0 in reports made before versions were numbered
    created_at: str = ""
    project: int = 0
    series: str = ""  # name of the TimeSeries tag, in reports of several series
    outcome: str = ""  # published or rejected
    reason: str = ""  # of a rejection, or the comparison with the previous version
    comparisons: tuple[Comparison, ...] = ()  # with the versions that the gate compared it with, newest first
    metrics: ModelMetrics = ModelMetrics(how="not judged", recordings=0)
    steps: int = 0
    epochs: float = 0.0
    stopped_because: str = ""
    schedules: tuple[Schedule, ...] = ()
    losses: tuple[float, ...] = ()  # of the final fit, in equal steps
    reliability: tuple[Bin, ...] = ()
    held_out: tuple[HeldOut, ...] = ()
    label_errors: tuple[LabelError, ...] = ()  # the surest first
    learned_from: tuple[str, ...] | None = None  # tasks; None in reports made before they were listed
    region_use: tuple[RegionUse, ...] = ()  # of predictions that annotations were made from
    agreements: tuple[AgreementMetrics, ...] = ()
    others: tuple["ReportFile", ...] = ()  # of further series

    @property
    def parts(self) -> tuple["ReportFile", ...]:
        """Of every series."""
        return (self, *self.others)

    def of_series(self, series: str) -> "ReportFile":
        """The part about one series; the first where none has its name."""
        return next((each for each in self.others if each.series == series), self)


class _Numbered(msgspec.Struct, frozen=True):
    number: int = 0


def read_number(data: bytes) -> int:
    """The number of a version from its report.json; 0 where it has none."""
    try:
        return decode_json(data, _Numbered).number
    except msgspec.DecodeError:
        return 0


def read_report(data: bytes, version: str = "") -> ReportFile:
    """Decode a report.json. Raises ModelError; `version` names it there."""
    try:
        return decode_json(data, ReportFile)
    except msgspec.DecodeError as error:
        name = f"The report of version {version}" if version else "A report.json"
        raise ModelError(f"{name} cannot be read: {error}.") from error


def read_held_out(report: bytes, series: str = "") -> dict[str, tuple[int, list[Segment]]]:
    """Segments that a version's folds predicted, by task, with the recording's rows. Raises ModelError.

    series: name of the TimeSeries tag, where there are several.
    """
    return {
        each.task: (
            each.rows,
            [Segment(one.first, one.last, one.label, one.score, one.instant) for one in each.predicted],
        )
        for each in read_report(report).of_series(series).held_out
    }
