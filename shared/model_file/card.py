"""The model card: written by training, stored in the graph's metadata, read by serving and by people."""

from typing import Literal

import msgspec

from shared.errors import ModelError
from shared.json_decoding import decode_json
from shared.labelling.label_config import LabelConfig
from shared.labelling.snapshots import Snapshot
from shared.model_file.choices import ChoiceModel

SCHEMA = 2  # newest that is read
PLAIN_SCHEMA = 1  # of one label set on one series; of several, programs before 2 would answer for one of them only
# keys of cards keep the names they were first stored under
STORED_NAMES = {"stride": "hop", "downsampling": "stem", "metrics": "figures"}
MAX_LOG_SCALE = 87.0  # of a recording's scale, which is float32
MAX_LOG = 1000.0  # of a prior's logarithms: those learned from annotations stay below 20


class _Schema(msgspec.Struct):
    schema: int


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)  # msgspec turns it into a ValidationError that names the field


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """softmax((log p + bias) / temperature) over the classes of one head; applied to scores, never to decoding."""

    temperature: float = 1.0
    bias: tuple[float, ...] = ()  # one per class, background first; empty: zeros
    fitted: bool = False  # False: too little data; scores are marked uncalibrated

    def __post_init__(self) -> None:
        _require(self.temperature > 0, f"temperature {self.temperature} is not above 0")


def _check_head(labels: tuple[str, ...], calibration: Calibration) -> None:
    _require(len(set(labels)) == len(labels) > 0, f"labels are {labels}, expected one or more, all different")
    _require(len(calibration.bias) in (0, 1 + len(labels)), "bias has not one value for background and each label")


class LabelSequencePrior(msgspec.Struct, frozen=True, kw_only=True):
    """Which labels follow each other and how often each occurs in a recording. Logarithms of probabilities."""

    counts: tuple[tuple[float, ...], ...]  # of 0, 1, … segments of each label in a recording; the last: or more
    order: tuple[tuple[float, ...], ...]  # of each class after each other, relative to the second after any
    rows: tuple[int, int]  # of the shortest and the longest recording it was learned from
    usual_rows: int = 0  # of the median one; 0 in cards made before parts and joined recordings had a prior
    segment_rows: tuple[float, ...] = ()  # mean of each label's segments

    def __post_init__(self) -> None:
        logs = [each for row in (*self.counts, *self.order) for each in row]
        _require(
            all(abs(each) <= MAX_LOG for each in logs), f"a logarithm of the label-sequence prior is beyond {MAX_LOG:g}"
        )
        if self.usual_rows:
            _require(self.usual_rows > 0, f"usual_rows of the label-sequence prior is {self.usual_rows}, not above 0")
            _require(len(self.segment_rows) == len(self.counts), "segment_rows has not one value per label")
            _require(min(self.segment_rows) >= 0, "a value of segment_rows is below 0")


class UsualCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many segments of each label whole recordings hold."""

    mean: tuple[float, ...]  # of each label
    deviation: tuple[float, ...]
    rows: tuple[int, int]  # of the shortest and the longest recording
    usual_rows: int  # of the median one

    def __post_init__(self) -> None:
        _require(len(self.mean) == len(self.deviation), "usual counts have not one deviation for each mean")
        _require(all(each >= 0 for each in self.mean), "a mean of the usual counts is below 0")
        _require(all(each > 0 for each in self.deviation), "a deviation of the usual counts is not above 0")
        _require(self.usual_rows > 0, f"usual_rows of the usual counts is {self.usual_rows}, not above 0")


class RangeHead(msgspec.Struct, rename={"label_sequence_prior": "composition"}, frozen=True, kw_only=True, tag="range"):
    """Range classes of `probabilities`: background, then `labels`; their softmax sums to 1."""

    labels: tuple[str, ...]
    min_rows: tuple[int, ...]  # shortest run kept, background first, then labels [rows]
    sure_rows: tuple[int, ...] = ()  # from which a shorter run stays where its rows are sure; empty: none does
    label_sequence_prior: LabelSequencePrior | None = None  # None: not learned, or it did not help held-out recordings
    usual_counts: UsualCounts | None = None  # for the task score; None: of one recording, or an older card
    calibration: Calibration = Calibration()

    def __post_init__(self) -> None:
        _check_head(self.labels, self.calibration)
        class_count = 1 + len(self.labels)
        if self.usual_counts is not None:
            _require(len(self.usual_counts.mean) == len(self.labels), "usual counts have not one mean for each label")
        _require(len(self.min_rows) == class_count, "min_rows has not one value for background and each label")
        _require(len(self.sure_rows) in (0, class_count), "sure_rows has not one value for background and each label")
        if self.label_sequence_prior is not None:
            counts, order = self.label_sequence_prior.counts, self.label_sequence_prior.order
            _require(len(counts) == len(self.labels), "the label-sequence prior has not one row of counts per label")
            _require(
                min(map(len, counts)) == max(map(len, counts)) > 0,
                "rows of counts of the label-sequence prior differ in length",
            )
            square = len(order) == class_count and all(len(row) == class_count for row in order)
            _require(square, "the order of the label-sequence prior is not a square over background and labels")


class InstantHead(msgspec.Struct, rename={"event_label_prior": "amounts"}, frozen=True, kw_only=True, tag="instant"):
    """Instant classes of `probabilities`: background, then `labels`; their softmax sums to 1."""

    labels: tuple[str, ...]
    spacing: tuple[int, ...]  # least distance between two peaks of one label [rows]
    threshold: tuple[float, ...]  # least evidence of a peak as a share of a perfect event's, one per label
    half_width: int  # rows on each side of an instant over which training lets its target fall to 0
    # Parameters of a Dirichlet distribution of the labels' shares in a recording. Empty: each event is labelled by
    # itself, because there is one label, or few recordings, or the prior did not help held-out recordings.
    event_label_prior: tuple[float, ...] = ()
    # which events are labelled together; cards written before "blocks" existed lack the field
    event_labelling: Literal["whole", "blocks"] = "whole"
    # of each label, around its events: mean log gap before and after, its variance before, covariance, variance after;
    # a gap is taken relative to those around. Empty: not learned, or it did not help held-out recordings
    event_gaps: tuple[tuple[float, float, float, float, float], ...] = ()
    calibration: Calibration = Calibration()

    def __post_init__(self) -> None:
        _check_head(self.labels, self.calibration)
        _require(
            len(self.spacing) == len(self.threshold) == len(self.labels),
            "spacing or threshold has not one value per label",
        )
        _require(
            len(self.event_label_prior) in (0, len(self.labels)), "the event-label prior has not one value per label"
        )
        _require(min(self.event_label_prior, default=1) > 0, "a value of the event-label prior is not above 0")
        _require(len(self.event_gaps) in (0, len(self.labels)), "event_gaps has not one value per label")
        proper = all(one > 0 and one * other > both * both for _, _, one, both, other in self.event_gaps)
        _require(proper, "a covariance of event_gaps is not positive definite")


Head = RangeHead | InstantHead


class Estimate(msgspec.Struct, frozen=True):
    """A metric and its standard error over recordings (None: too few recordings to know)."""

    value: float
    standard_error: float | None = None


class ClassMetrics(msgspec.Struct, rename={"evaluated": "judged"}, frozen=True, kw_only=True):
    """Metrics of one class on held-out recordings. Rows for ranges and background, matched events for instants."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int  # rows, or events
    true_segments: int = 0
    predicted_segments: int = 0
    # False: in fewer than two groups of recordings, so left out of thresholds, gate and macro metrics
    evaluated: bool = True


class ModelMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics on held-out recordings. Defined in training/judging/evaluate.py."""

    # "optimistic", on parts of a single recording, was written by older versions
    how: Literal["out-of-fold", "by-recording", "optimistic", "not judged"]
    recordings: int
    classes: tuple[ClassMetrics, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()  # rows true, columns predicted; background, then labels in card order
    estimates: dict[str, Estimate] = {}  # by standard name: balanced_accuracy, macro_f1, segment_f1_50, event_f1, …
    notes: tuple[str, ...] = ()  # sentences for people


class ClassStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What rows of each class of the first head, one of ranges, look like; by what they say of a recording's level.

    share: of a recording's rows. center, spread: mean and standard deviation [classes][channels]. The rest are
    variances of channels: of recordings' levels, all classes moved alike, and of a single class around that; the same
    of logarithms of spreads.
    """

    share: tuple[float, ...]
    center: tuple[tuple[float, ...], ...]
    spread: tuple[tuple[float, ...], ...]
    center_between: tuple[float, ...]
    center_within: tuple[float, ...]
    scale_between: tuple[float, ...]
    scale_within: tuple[float, ...]

    def __post_init__(self) -> None:
        classes = len(self.share)
        _require(len(self.center) == len(self.spread) == classes, "classes of the statistics differ")
        variances = (self.center_between, self.center_within, self.scale_between, self.scale_within)
        channels = {len(each) for each in (*self.center, *self.spread, *variances)}
        _require(len(channels) == 1, "channels of the statistics of classes differ")
        centers = [number for each in self.center for number in each]
        _require(all(abs(number) < float("inf") for number in centers), "a centre of a class is not a number")
        others = [number for each in (self.share, *self.spread, *variances) for number in each]
        _require(
            all(0 <= number < float("inf") for number in others), "a spread or variance of a class is not 0 or more"
        )


class RecordingStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How centre and scale of a recording are taken, as normalisation.py does; learned from training recordings.

    Absent in a card: mean and standard deviation of all values, whatever the recording's length.
    """

    method: Literal["completed"] = "completed"  # moments without absurd values, of a part completed to a whole
    rows: int  # a recording of fewer is a part
    log_scale: tuple[float, ...]  # mean logarithm of recordings' scales, one a channel, as all below
    center_between: tuple[float, ...]  # variance of recordings' centres
    center_within: tuple[float, ...]  # of a part's centre around its recording's, over 1/rows − 1/(all rows)
    scale_between: tuple[float, ...]  # the same of logarithms of scales
    scale_within: tuple[float, ...]
    classes: ClassStatistics | None = None  # None: a part's classes say nothing of what it lacks

    def __post_init__(self) -> None:
        _require(self.rows > 0, f"rows {self.rows} are not above 0")
        variances = (self.center_between, self.center_within, self.scale_between, self.scale_within)
        _require(all(len(each) == len(self.log_scale) for each in variances), "channels of the statistics differ")
        numbers = [number for each in variances for number in each]
        _require(all(0 <= number < float("inf") for number in numbers), "a variance of the statistics is not 0 or more")
        _require(all(abs(each) <= MAX_LOG_SCALE for each in self.log_scale), "a log_scale is beyond float32")


class KnownRecordings(msgspec.Struct, frozen=True, kw_only=True):
    """What the training recordings look like, and how far from them a recording may be before it is doubted.

    Numbers of known_recordings.py; absent in cards made before, whose models doubt nothing of the kind.
    """

    recordings: int
    rows: tuple[int, int]  # of the shortest and the longest
    length_limit: float | None = None  # logarithm of times that one may be shorter or longer than these; None: any
    missing_share: float  # of cells, in the recording that lacks most
    missing_limit: float | None = None  # share of cells that a recording may lack; None: any
    channel_missing_limits: tuple[float, ...] = ()  # the same for each channel by itself; empty: any
    outlying_limit: float | None = None  # share of a channel's rows that may lie far beyond all others; None: any
    terminated: bool = False  # whether the files of all of them end with a line break
    log_step: float | None = None  # logarithm of the median step of time; None: no times, or no constant step
    step_limit: float = 0.0  # a logarithm may be off by at most
    varied: tuple[bool, ...]  # whether each channel varies in all of them
    filled: tuple[bool, ...]  # whether each channel has values in any of them
    scales: tuple[tuple[float, ...], ...]  # medians of logarithms: three measures of each channel
    scale_measure: int | None = None  # the one that is compared; None: all three must be off
    scale_limit: float
    levels: tuple[float, ...] = ()  # median of the means of each channel; empty: not compared
    level_limit: float = 0.0  # spreads of a recording that a mean may be off by
    profile_mean: tuple[tuple[float, ...], ...] = ()  # features of each channel; empty: swapped ones are not looked for
    profile_std: tuple[tuple[float, ...], ...] = ()
    correlation_mean: tuple[tuple[float, ...], ...] = ()
    correlation_std: tuple[tuple[float, ...], ...] = ()
    distinct: tuple[tuple[int, int], ...] = ()  # pairs of channels that differ in all training recordings
    swap_limit: float = 0.0  # gain of swapping such a pair
    accuracy_without: tuple[float, ...] = ()  # balanced accuracy out of fold with each channel emptied; empty: unknown
    chance: float = 0.0  # balanced accuracy that guessing may reach

    def __post_init__(self) -> None:
        channels = len(self.varied)
        rows = (
            self.filled,
            *self.scales,
            self.levels or self.varied,
            self.channel_missing_limits or self.varied,
            self.profile_mean or self.varied,
            self.accuracy_without or self.varied,
        )
        _require(all(len(row) == channels for row in rows), "channels of the known recordings differ")
        tables = (self.profile_mean, self.profile_std, self.correlation_mean, self.correlation_std)
        _require(len({len(table) for table in tables}) == 1, "profiles of the known recordings differ")
        _require(len(self.scales) == 3 and self.scale_measure in (None, 0, 1, 2), "there are three measures of scale")
        _require(all(std > 0 for table in tables[1::2] for row in table for std in row), "a deviation is not above 0")
        within = all(0 <= place < len(self.profile_mean) for pair in self.distinct for place in pair)
        _require(within, "channels that differ are not among the known ones")
        square = all(len(row) == channels for table in tables[2:] for row in table)
        _require(square and len({len(row) for table in tables[:2] for row in table}) < 2, "profiles differ in length")


class ModelCard(msgspec.Struct, rename=STORED_NAMES, frozen=True, kw_only=True):
    """Everything serving needs besides the graph, and what people want to know about the model."""

    schema: int = PLAIN_SCHEMA
    version: str
    created_at: str  # UTC, ISO 8601
    project: int
    project_created: str = ""  # creation time as Label Studio sends it after the dot of "id.created"; "" offline
    label_config: LabelConfig
    heads: tuple[Head, ...]  # their classes are concatenated in `probabilities`
    window: int  # rows of a full window
    stride: int  # rows between two windows
    downsampling: int  # rows an LSTM step
    channel_mean: tuple[float, ...]  # of the training rows; centre of a channel without values
    channel_std: tuple[float, ...]
    statistics: RecordingStatistics | None = None  # None: mean and standard deviation of all values
    known: KnownRecordings | None = None  # None: a recording is never unlike the training recordings
    choices: ChoiceModel | None = None  # None: nothing is chosen about recordings
    metrics: ModelMetrics
    snapshot: Snapshot
    renames: tuple[tuple[str, str], ...] = ()  # old label of annotations, new one of the configuration: not confirmed
    folds: dict[str, int] = {}  # group of recordings ► fold, kept as recordings are added
    settings: dict[str, str] = {}  # the training settings that were in force
    packages: dict[str, str] = {}
    seed: int = 0

    def __post_init__(self) -> None:
        _require(len(self.heads) > 0, "there are no heads")
        _require(
            1 <= self.stride <= self.window, f"stride {self.stride} is not between 1 and the window, {self.window}"
        )
        channels = len(self.label_config.channels)
        _require(
            len(self.channel_mean) == len(self.channel_std) == channels,
            f"there are {channels} channels, but {len(self.channel_mean)} means and {len(self.channel_std)} deviations",
        )
        statistics, known = self.statistics, self.known
        _require(
            statistics is None or len(statistics.log_scale) == channels, "channels of the statistics are not the card's"
        )
        classes = statistics.classes if statistics else None
        if classes is not None:
            head = self.heads[0]
            fits = isinstance(head, RangeHead) and len(classes.share) == 1 + len(head.labels)
            _require(fits, "classes of the statistics are not those of a first head of ranges")
            _require(
                len(classes.center_between) == channels, "channels of the statistics of classes are not the card's"
            )
        _require(known is None or len(known.varied) == channels, "channels of the known recordings are not the card's")

    @property
    def range_labels(self) -> tuple[tuple[str, ...], ...]:
        """Labels of each head of ranges."""
        return tuple(head.labels for head in self.heads if isinstance(head, RangeHead))

    @property
    def class_count(self) -> int:
        """Classes of all heads, the background of each included: the last dimension of `probabilities`."""
        return sum(1 + len(head.labels) for head in self.heads)


def encode_card(card: ModelCard) -> str:
    """JSON of a card."""
    return msgspec.json.encode(card).decode()


def decode_card(text: str | bytes) -> ModelCard:
    """Card from JSON. Raises ModelError if it is not a card, or one of a newer schema."""
    try:
        schema = decode_json(text, _Schema).schema
        if schema > SCHEMA:
            raise ModelError(
                f"A model card has schema {schema}, this program reads up to {SCHEMA}: update the program."
            )
        return decode_json(text, ModelCard)
    except msgspec.DecodeError as error:
        raise ModelError(f"A model card cannot be read: {error}; train the project again.") from error
