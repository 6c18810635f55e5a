"""Annotations that models which have not seen the recording contradict: which label, which rows, and how surely.

Of ranges, every stretch of rows under one annotated and another decoded class is a suspect; of instants, every
annotated or decoded event without its like. They are ordered by the mean log odds of what was decoded against what was
annotated, those shorter than an eighth of a usual segment less. `research/label_errors.py` measures how many of the
first are errors (after Northcutt et al. 2021, by segment instead of by sample).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray

from shared.model_file.card import InstantHead, RangeHead
from shared.store.report import LabelError
from training.data.annotations import UNKNOWN, Recording, label_runs
from training.judging.decoding import instant_events
from training.judging.evaluate import HeldOutPrediction, classes_of
from training.judging.metrics import match_events, paint

MOST = 50
LEAST_LOG_ODDS = 2.0  # 7 to 9 of 10 suspects above are planted errors where 5 to 10 % of the segments are wrong
LEAST_PROBABILITY = 1e-6
MOSTLY = 0.5  # of a segment, from where on it is the segment that is wrong, not its border
MOVED = 3.0  # tolerances that an event may be off and still be the same one
SHORT = 1 / 8  # of the median segment

Floats = NDArray[np.float64]
Label = tuple[bool, str]  # instant, label
Pair = tuple[bool, str, str]  # instant, annotated, decoded


def find_label_errors(
    predictions: Sequence[HeldOutPrediction], tolerance: float, least: float = LEAST_LOG_ODDS
) -> list[LabelError]:
    """All suspects of at least these log odds, the surest first. tolerance: rows that an event may be off."""
    lengths = [
        segment.last - segment.first + 1
        for prediction in predictions
        for segment in prediction.recording.segments()
        if not segment.instant
    ]
    short = SHORT * float(np.median(lengths)) if lengths else 0.0
    found = [each for prediction in predictions for each in _of_recording(prediction, tolerance, short)]
    found = _discounted(found, predictions)
    found = [each for each in found if each.log_odds >= least]
    return sorted(found, key=lambda each: (-each.log_odds, each.task, each.first))


def _discounted(found: Sequence[LabelError], predictions: Sequence[HeldOutPrediction]) -> list[LabelError]:
    """Suspects, less sure by how much else of their label is decoded so, in their recording and in others: models err.

    Precision at k on mitbih_long .71 ► .81, hapt .73 ► .75, watch .84 as before.
    """
    annotated = {prediction.recording.key: _annotated_rows(prediction.recording) for prediction in predictions}
    decoded: dict[str, Counter[Pair]] = {task: Counter() for task in annotated}
    for each in found:
        decoded[each.task][each.instant, each.annotated, each.decoded] += _rows(each)
    every_pair, every_label = sum(decoded.values(), Counter()), sum(annotated.values(), Counter())

    def factor(each: LabelError) -> float:
        label, pair = (each.instant, each.annotated), (each.instant, each.annotated, each.decoded)
        own, own_label = decoded[each.task][pair], annotated[each.task][label]
        others = _share(every_pair[pair] - own, every_label[label] - own_label)
        return (1 - others) * (1 - _share(own - _rows(each), own_label))

    return [with_fields(each, log_odds=round(each.log_odds * factor(each), 3)) for each in found]


def _annotated_rows(recording: Recording) -> Counter[Label]:
    """Rows of each label, and of none; of instants their number, and for none that of all."""
    found: Counter[Label] = Counter()
    for segment in recording.segments():
        found[segment.instant, segment.label] += segment.last - segment.first + 1
    found[False, ""] = len(recording.kinds.heads) * recording.rows - sum(
        found[False, each] for each in recording.kinds.ranges
    )
    found[True, ""] = len(recording.events)
    return found


def _rows(error: LabelError) -> int:
    return error.last - error.first + 1


def _share(part: int, whole: int) -> float:
    return min(part / whole, 1.0) if whole else 0.0


def _of_recording(prediction: HeldOutPrediction, tolerance: float, short: float) -> Iterator[LabelError]:
    for index, head in enumerate(prediction.heads):
        probabilities = classes_of(prediction.heads, index, prediction.probabilities).astype(float)
        logs = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
        if isinstance(head, RangeHead):
            yield from _of_ranges(prediction, index, head, logs, short)
        else:
            yield from _of_instants(prediction, index, head, logs, tolerance)


def _of_ranges(
    prediction: HeldOutPrediction, index: int, head: RangeHead, logs: Floats, short: float
) -> Iterator[LabelError]:
    recording = prediction.recording
    annotated = recording.known_labels(index).astype(np.int64)
    decoded = paint(prediction.segments, head.labels, recording.rows)
    names = ("", *head.labels)
    annotated_rows, decoded_rows = _run_lengths(annotated), _run_lengths(decoded)
    for first, last, pair in label_runs(np.where(annotated == UNKNOWN, -1, annotated * len(names) + decoded)):
        before, after = divmod(pair, len(names))
        if pair < 0 or before == after:
            continue
        rows = last - first + 1
        odds = float((logs[first : last + 1, after] - logs[first : last + 1, before]).mean())
        whole = annotated_rows[first] if before else decoded_rows[first]
        kind = "border off" if rows < MOSTLY * whole else "wrong label"
        if kind != "border off" and not (before and after):
            kind = "superfluous" if before else "missing"
        yield _suspect(recording, kind, (first, last), (names[before], names[after]), odds * rows / (rows + short))


def _run_lengths(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of every row, how many rows the run has that it lies in."""
    lengths = np.array([last - first + 1 for first, last, _ in label_runs(labels)], np.int64)
    return np.repeat(lengths, lengths)


def _of_instants(
    prediction: HeldOutPrediction, index: int, head: InstantHead, logs: Floats, tolerance: float
) -> Iterator[LabelError]:
    recording = prediction.recording
    events = [each for each in recording.events if each.label in head.labels and recording.known[each.row, index]]
    rows = np.array([each.row for each in events], np.int64)
    labels = np.array([1 + head.labels.index(each.label) for each in events], np.int64)
    peaks = instant_events(prediction, index)
    reach = max(1, head.half_width // 2)
    names = ("", *head.labels)

    def suspect(kind: str, where: tuple[int, int], annotated: int, decoded: int, odds: float) -> LabelError:
        return _suspect(recording, kind, where, (names[annotated], names[decoded]), odds, instant=True)

    near = match_events(rows, peaks.rows, tolerance)
    for i, j in near:
        label, decoded = int(labels[i]), int(peaks.classes[j])
        if label != decoded:
            odds = float(peaks.logs[j, decoded] - peaks.logs[j, label])
            yield suspect("wrong label", (int(rows[i]), int(rows[i])), label, decoded, odds)
    lone = np.setdiff1d(np.arange(len(rows)), [i for i, _ in near])
    extra = np.setdiff1d(np.arange(len(peaks.rows)), [j for _, j in near])
    moved = match_events(rows[lone], peaks.rows[extra], MOVED * tolerance)
    absent = {int(i): _odds_of_nothing(logs, int(rows[i]), int(labels[i]), reach) for i in lone}
    present = {int(j): float(peaks.logs[j, peaks.classes[j]] - peaks.logs[j, 0]) for j in extra}
    for i, j in moved:
        one, other = int(lone[i]), int(extra[j])
        first, last = sorted((int(rows[one]), int(peaks.rows[other])))
        odds = (absent.pop(one) + present.pop(other)) / 2
        yield suspect("border off", (first, last), int(labels[one]), int(peaks.classes[other]), odds)
    for one, odds in absent.items():
        yield suspect("superfluous", (int(rows[one]), int(rows[one])), int(labels[one]), 0, odds)
    for other, odds in present.items():
        row = int(peaks.rows[other])
        yield suspect("missing", (row, row), 0, int(peaks.classes[other]), odds)


def _odds_of_nothing(logs: Floats, row: int, label: int, reach: int) -> float:
    """Log odds of no event against one of the label, where the label is likeliest nearby."""
    around = logs[max(0, row - reach) : row + reach + 1]
    return float((around[:, 0] - around[:, label]).min())


def _suspect(
    recording: Recording,
    kind: str,
    rows: tuple[int, int],
    labels: tuple[str, str],
    odds: float,
    *,
    instant: bool = False,
) -> LabelError:
    start, end = recording.series.axis.values(rows)
    return LabelError(
        task=recording.key,
        kind=kind,
        first=recording.own_row(rows[0]),
        last=recording.own_row(rows[1]),
        start=start,
        end=end,
        annotated=labels[0],
        decoded=labels[1],
        log_odds=round(odds, 3),
        instant=instant,
    )
