"""What is counted of one recording, and the metrics that sums of such counts give.

Rows, segments and events of all recordings are pooled. Segment F1@k: a predicted segment counts if its intersection
over union with an unmatched true one of its label is at least k %; edit: Levenshtein distance of the label sequences
as a share of the longer one (Lea et al. 2017; Farha & Gall 2019). Events: one-to-one matching, closest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from training.data.annotations import UNKNOWN, LabelKinds, Recording, label_runs
from training.judging.work_saved import kappa, place_evenly, work_on_events, work_on_ranges, work_saved

OVERLAPS = (0.10, 0.25, 0.50)

Doubles = NDArray[np.float64]
Counts = dict[str, Doubles]  # sums that add up over recordings; any leading axes are those of `compute_metrics`
Run = tuple[int, int, int]  # first row, last row, label


@dataclass(frozen=True, slots=True)
class Classes:
    """Names of the classes in the order of metrics: background and labels of each head of ranges, then instants.

    evaluated: bool [classes]; those that are not stay out of every mean over classes.
    """

    kinds: LabelKinds
    evaluated: NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        ranges, instants = self.kinds.ranges, self.kinds.instants
        both = tuple(f"{label} (instants)" if label in ranges else label for label in instants)
        return self.kinds.range_classes + both

    def groups(self) -> list[NDArray[np.int64]]:
        """Evaluated classes whose recalls are averaged together: indices. The balanced accuracy is the mean of those.

        All classes are one group, unless there are several heads of ranges: then each head is one, and instants are.
        A head of ranges with a single evaluated class is always right and left out, unless there is nothing else.
        """
        heads, every = self.kinds.heads, np.arange(len(self.evaluated))
        parts = np.split(every, np.cumsum([1 + len(head) for head in heads])) if len(heads) > 1 else [every]
        found = [part[self.evaluated[part]] for part in parts if self.evaluated[part].any()]
        ranges = len(self.kinds.range_classes)
        telling = [part for part in found if len(part) > 1 or part[0] >= ranges]
        return telling or found or [every[:0]]


def count(recording: Recording, segments: Sequence[Segment], tolerance: float) -> Counts:
    """Counts of one recording.

    segments: what a model found. tolerance: rows that an event may be off. Rows that nobody knows are left out, and
    so are predictions that lie wholly within them.
    """
    kinds = recording.kinds
    found: Counts = {}
    if kinds.ranges:
        found |= _side_by_side([_count_ranges(recording, segments, head) for head in range(len(kinds.heads))])
    if kinds.instants:
        events = _count_events(recording, segments, tolerance)
        events["work"] = events["work"] + found.get("work", 0.0)
        found |= events
    return found


def paint(segments: Sequence[Segment], labels: Sequence[str], rows: int) -> NDArray[np.int64]:
    """Range segments of one head as a label a row: 0 background, i the label `labels[i − 1]`."""
    painted = np.zeros(rows, np.int64)
    for segment in segments:
        if not segment.instant and segment.label in labels:
            painted[segment.first : segment.last + 1] = 1 + labels.index(segment.label)
    return painted


def _count_ranges(recording: Recording, segments: Sequence[Segment], head: int) -> Counts:
    labels = recording.kinds.heads[head]
    true = recording.known_labels(head).astype(np.int64)
    predicted = paint(segments, labels, recording.rows)
    predicted[~recording.known[:, head]] = UNKNOWN
    rows = _count_rows(true, predicted, 1 + len(labels))
    return rows | _count_segments(label_runs(true), label_runs(predicted), len(labels))


def _side_by_side(heads: Sequence[Counts]) -> Counts:
    """Counts of several heads as one: rows are confused within a head only."""
    if len(heads) == 1:
        return heads[0]
    ends = np.cumsum([len(each["rows"]) for each in heads])
    rows = np.zeros((ends[-1], ends[-1]))
    for each, end in zip(heads, ends, strict=True):
        rows[end - len(each["rows"]) : end, end - len(each["rows"]) : end] = each["rows"]
    return {
        "rows": rows,
        "segments": np.concatenate([each["segments"] for each in heads], axis=1),
        "borders": np.sum([each["borders"] for each in heads], axis=0),
        "edit": np.sum([each["edit"] for each in heads], axis=0),
        "work": np.sum([each["work"] for each in heads], axis=0),
    }


def _count_rows(true: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    pairs = (true * classes + predicted)[true != UNKNOWN]
    return {"rows": np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(float)}


def _count_segments(true: list[Run], predicted: list[Run], labels: int) -> Counts:
    true = [run for run in true if run[2] > 0]
    predicted = [run for run in predicted if run[2] > 0]
    counts = np.zeros((len(OVERLAPS), labels, 3))  # found, too many, missed
    moved = np.zeros(2)  # rows that borders are off, and their number
    for index, overlap in enumerate(OVERLAPS):
        matched: set[int] = set()
        for run in predicted:
            best, partner = _best_partner(run, true, matched)
            if best >= overlap:
                matched.add(partner)
                counts[index, run[2] - 1, 0] += 1
                if overlap == OVERLAPS[-1]:
                    moved += (abs(run[0] - true[partner][0]) + abs(run[1] - true[partner][1]), 2)
            else:
                counts[index, run[2] - 1, 1] += 1
        for position, run in enumerate(true):
            counts[index, run[2] - 1, 2] += position not in matched
    longest = max(len(true), len(predicted))
    distance = _levenshtein([run[2] for run in true], [run[2] for run in predicted])
    edit = np.array([1 - distance / longest, 1]) if longest else np.zeros(2)
    return {"segments": counts, "borders": moved, "edit": edit, "work": work_on_ranges(true, predicted)}


def _best_partner(run: Run, true: list[Run], matched: set[int]) -> tuple[float, int]:
    best, partner = 0.0, -1
    for position, other in enumerate(true):
        if other[0] > run[1]:
            break
        shared = min(run[1], other[1]) - max(run[0], other[0]) + 1
        if shared > 0 and other[2] == run[2] and position not in matched:
            union = max(run[1], other[1]) - min(run[0], other[0]) + 1
            if shared / union > best:
                best, partner = shared / union, position
    return best, partner


def _levenshtein(one: Sequence[int], other: Sequence[int]) -> int:
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        previous, row = row, [i]
        for j, right in enumerate(other, 1):
            row.append(min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (left != right)))
    return row[-1]


def _count_events(recording: Recording, segments: Sequence[Segment], tolerance: float) -> Counts:
    labels = recording.kinds.instants
    known = recording.known[:, -1]
    true = [(e.row, labels.index(e.label)) for e in recording.events if e.label in labels and known[e.row]]
    predicted = [
        (segment.first, labels.index(segment.label))
        for segment in segments
        if segment.instant and segment.label in labels and known[segment.first]
    ]
    times = recording.series.axis.times
    counts = np.zeros((len(labels), 3))  # matched, true, predicted
    even = np.zeros(len(labels))  # matched by as many events placed evenly
    known_rows = np.flatnonzero(known)
    off = np.zeros(3)  # rows, time units, matches
    for label in range(len(labels)):
        rows = np.array([row for row, each in true if each == label], np.int64)
        guesses = np.array([row for row, each in predicted if each == label], np.int64)
        pairs = match_events(rows, guesses, tolerance)
        counts[label] = len(pairs), len(rows), len(guesses)
        even[label] = len(match_events(rows, place_evenly(known_rows, len(guesses)), tolerance))
        for i, j in pairs:
            off += (abs(rows[i] - guesses[j]), abs(times[rows[i]] - times[guesses[j]]), 1)
    crossed = np.zeros((1 + len(labels), 1 + len(labels)))  # true, predicted; 0 is nothing there
    pairs = match_events(np.array([r for r, _ in true]), np.array([r for r, _ in predicted]), tolerance)
    for i, j in pairs:
        crossed[1 + true[i][1], 1 + predicted[j][1]] += 1
    for label in range(len(labels)):
        crossed[1 + label, 0] = sum(each == label for _, each in true) - crossed[1 + label, 1:].sum()
        crossed[0, 1 + label] = sum(each == label for _, each in predicted) - crossed[1:, 1 + label].sum()
    return {"events": counts, "even": even, "time": off, "crossed": crossed, "work": work_on_events(crossed)}


def match_events(true: NDArray[np.int64], predicted: NDArray[np.int64], tolerance: float) -> list[tuple[int, int]]:
    """One-to-one pairs (index of true, index of predicted) at most `tolerance` apart, closest first."""
    order = np.argsort(predicted, kind="stable")
    ordered = predicted[order]
    first = np.searchsorted(ordered, true - tolerance, side="left")
    end = np.searchsorted(ordered, true + tolerance, side="right")
    candidates = [
        (abs(int(true[i]) - int(ordered[j])), i, int(order[j]))
        for i in range(len(true))
        for j in range(first[i], end[i])
    ]
    taken: set[int] = set()
    given: set[int] = set()
    pairs = []
    for _, i, j in sorted(candidates):
        if i not in taken and j not in given:
            taken.add(i)
            given.add(j)
            pairs.append((i, j))
    return pairs


def add(group_counts: Sequence[Counts]) -> Counts:
    """Sum of counts."""
    return {key: np.sum([counts[key] for counts in group_counts], axis=0) for key in group_counts[0]}


def class_scores(counts: Counts) -> tuple[Doubles, Doubles, Doubles]:
    """Precision, recall and F1 of each class, [..., classes]: rows for ranges and background, events for instants.

    Recall of a class that has nothing true is NaN; of one that was never predicted precision is 0.
    """
    right, true, predicted = [], [], []
    if "rows" in counts:
        rows = counts["rows"]
        right.append(np.diagonal(rows, axis1=-2, axis2=-1))
        true.append(rows.sum(axis=-1))
        predicted.append(rows.sum(axis=-2))
    if "events" in counts:
        for kind, found in enumerate((right, true, predicted)):
            found.append(counts["events"][..., kind])
    hits, positives, guesses = (np.concatenate(parts, axis=-1) for parts in (right, true, predicted))
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / np.where(positives > 0, positives, np.nan)
        precision = hits / np.maximum(guesses, 1)
        f1 = 2 * hits / np.where(positives + guesses > 0, positives + guesses, np.nan)
    return precision, recall, np.where(positives > 0, f1, np.nan)


def compute_metrics(counts: Counts, classes: Classes) -> dict[str, Doubles]:
    """Metrics by standard name, of one sum of counts or of many along leading axes; NaN where there is nothing to say.

    balanced_accuracy: mean over evaluated classes of recall; of several heads, the mean of theirs. event_time_error in
    units of the time column. event_f1_above_even: above that of as many events placed evenly.
    """
    _, recall, f1 = class_scores(counts)
    evaluated = classes.evaluated
    balanced = [_mean(recall[..., group]) for group in classes.groups()]
    found = {
        "balanced_accuracy": balanced[0] if len(balanced) == 1 else _mean(np.stack(balanced, axis=-1)),
        "macro_f1": _mean(f1[..., evaluated]),
        "min_class_f1": _least(f1[..., evaluated]),
    }
    if "rows" in counts:
        rows, segments = counts["rows"], counts["segments"]
        found["kappa"] = kappa(rows, [1 + len(head) for head in classes.kinds.heads])
        found["accuracy"] = _ratio(np.trace(rows, axis1=-2, axis2=-1), rows.sum(axis=(-2, -1)))
        for index, overlap in enumerate(OVERLAPS):
            hits, extra, missed = np.moveaxis(segments[..., index, :, :].sum(axis=-2), -1, 0)
            found[f"segment_f1_{round(100 * overlap)}"] = _ratio(2 * hits, 2 * hits + extra + missed)
        found["edit"] = _ratio(counts["edit"][..., 0], counts["edit"][..., 1])
        found["boundary_error_rows"] = _ratio(counts["borders"][..., 0], counts["borders"][..., 1])
    if "events" in counts:
        events, time = counts["events"], counts["time"]
        both = events[..., 1:].sum(axis=(-2, -1))
        found["event_f1"] = _ratio(2 * events[..., 0].sum(axis=-1), both)
        found["event_f1_above_even"] = found["event_f1"] - _ratio(2 * counts["even"].sum(axis=-1), both)
        found["event_time_error"] = _ratio(time[..., 1], time[..., 2])
        found["event_time_error_rows"] = _ratio(time[..., 0], time[..., 2])
    if "work" in counts:
        found["work_saved"] = work_saved(counts["work"])
    return found


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / np.where(whole > 0, whole, np.nan))


def _mean(values: Doubles) -> Doubles:
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1).astype(float))


def _least(values: Doubles) -> Doubles:
    least = np.where(np.isnan(values), np.inf, values).min(axis=-1, initial=np.inf)
    return np.asarray(np.where(np.isinf(least), np.nan, least))
