"""Metrics of an exported model on recordings it has not seen: predictions ► counts by group ► metrics with errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import ClassMetrics, Estimate, Head, RangeHead
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.segmenter import Segmenter
from training.data.annotations import LabelKinds, Recording
from training.judging.metrics import Classes, Counts, add, compute_metrics, count

DRAWS = 2000  # of the bootstrap
LEAST_GROUPS = 3  # for a standard error: two recordings say nothing of a third

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeldOutPrediction:
    """What a graph that has not seen a recording makes of it.

    fold: number of the graph. heads: its own, whose decoding parameters were learned without the recording.
    probabilities: averaged, uncalibrated, float32 [rows, classes].
    """

    recording: Recording
    fold: int
    heads: tuple[Head, ...]
    probabilities: Floats
    segments: tuple[Segment, ...]


def predict(segmenter: Segmenter, recordings: Sequence[Recording], fold: int = 0) -> list[HeldOutPrediction]:
    """Run the graph over each recording and decode, as serving does."""
    found = []
    for recording in recordings:
        probabilities = segmenter.probabilities(recording.series)
        heads = segmenter.card.heads
        found.append(HeldOutPrediction(recording, fold, heads, probabilities, tuple(decode(heads, probabilities))))
    return found


def decode(heads: Sequence[Head], probabilities: Floats) -> list[Segment]:
    """Segments of all heads, by first row; exactly what serving gives."""
    segments: list[Segment] = []
    for index, head in enumerate(heads):
        decoder = RangeDecoder(head) if isinstance(head, RangeHead) else InstantDecoder(head)
        decoder.add(classes_of(heads, index, probabilities))
        segments += decoder.finish()
    return sorted(segments, key=lambda segment: (segment.first, segment.last))


def classes_of(heads: Sequence[Head], index: int, probabilities: Floats) -> Floats:
    """Probabilities of the classes of one head; heads stand side by side."""
    first = sum(1 + len(head.labels) for head in heads[:index])
    return probabilities[:, first : first + 1 + len(heads[index].labels)]


def evaluated_classes(kinds: LabelKinds, recordings: Sequence[Recording]) -> Classes:
    """Classes that at least two groups hold: with fewer, a held-out one was never learned."""
    groups: dict[str, NDArray[np.float64]] = {}
    for recording in recordings:
        groups[recording.group] = groups.get(recording.group, np.zeros(1)) + recording.class_sizes()
    spread = np.sum([class_sizes > 0 for class_sizes in groups.values()], axis=0)
    if not kinds.ranges:
        spread = spread[1:]
    return Classes(kinds, spread >= 2)


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts by group, and the metrics they give."""

    classes: Classes
    groups: tuple[str, ...]
    group_counts: tuple[Counts, ...]

    @property
    def total(self) -> Counts:
        return add(self.group_counts)

    def metrics(self) -> dict[str, float]:
        """Metrics by standard name; those that say nothing here are left out."""
        return {
            name: float(value) for name, value in compute_metrics(self.total, self.classes).items() if value == value
        }

    def estimates(self) -> dict[str, Estimate]:
        """Metrics with their standard errors by bootstrap over groups.

        Draws of n groups vary (n − 1)/n times as much as groups do: t intervals cover too little without the factor.
        """
        errors = self._standard_errors() if len(self.groups) >= LEAST_GROUPS else {}
        return {name: Estimate(value, errors.get(name)) for name, value in self.metrics().items()}

    def _standard_errors(self) -> dict[str, float]:
        drawn = compute_metrics(resample(self.group_counts, draw_groups(len(self.groups))), self.classes)
        spread = {name: values[~np.isnan(values)] for name, values in drawn.items()}
        unbiased = np.sqrt(len(self.groups) / (len(self.groups) - 1))
        return {name: float(unbiased * values.std()) for name, values in spread.items() if len(values)}

    def class_metrics(self) -> tuple[ClassMetrics, ...]:
        """Precision, recall, F1 and supports of each class; a metric without a meaning is 0."""
        from sklearn.metrics import precision_recall_fscore_support  # 1.4 s of CPU: once a training, at its end

        total = self.total
        matches = _matches(total)
        true, predicted = np.nonzero(matches)
        metrics = precision_recall_fscore_support(
            true,
            predicted,
            labels=range(len(self.classes.names)),
            sample_weight=matches[true, predicted],
            zero_division=0.0,
        )
        true_segments, predicted_segments = self._segments(total)
        return tuple(
            ClassMetrics(
                label=name,
                precision=float(precision),
                recall=float(recall),
                f1=float(f1),
                support=round(float(support)),
                true_segments=int(true_segments[index]),
                predicted_segments=int(predicted_segments[index]),
                evaluated=bool(self.classes.evaluated[index]),
            )
            for index, (name, precision, recall, f1, support) in enumerate(
                zip(self.classes.names, *metrics, strict=True)
            )
        )

    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """Rows true, columns predicted. Cells of ranges count rows, cells of instants events (0: none there).

        Heads stand side by side, each with its background; nothing is confused across heads of ranges.
        """
        total = self.total
        parts = [total[key] for key in ("rows", "crossed") if key in total]
        if len(parts) == 1:
            whole = parts[0]
        else:
            ranges, instants = len(parts[0]), len(parts[1]) - 1
            whole = np.zeros((ranges + instants, ranges + instants))
            whole[:ranges, :ranges] = parts[0]
            whole[ranges:, ranges:] = parts[1][1:, 1:]
            whole[0, ranges:], whole[ranges:, 0] = parts[1][0, 1:], parts[1][1:, 0]
        return tuple(tuple(int(cell) for cell in row) for row in whole)

    def _segments(self, total: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True and predicted segments and events of each class; none of a background."""
        true, predicted = [], []
        if "rows" in total:
            found, extra, missed = np.moveaxis(total["segments"][-1], -1, 0)
            first, backgrounds = 0, []
            for labels in self.classes.kinds.heads:
                backgrounds.append(first)
                first += len(labels)
            true.append(np.insert(found + missed, backgrounds, 0.0))
            predicted.append(np.insert(found + extra, backgrounds, 0.0))
        if "events" in total:
            true.append(total["events"][:, 1])
            predicted.append(total["events"][:, 2])
        return np.concatenate(true), np.concatenate(predicted)


def _matches(total: Counts) -> NDArray[np.float64]:
    """Rows and events by true and predicted class [classes + 1, classes + 1]. The last is no event at all: it holds 1,
    so that there is something where nothing was counted. An event is matched within its label only.
    """
    rows = total.get("rows", np.zeros((0, 0)))
    hits, true, predicted = np.moveaxis(total.get("events", np.zeros((0, 3))), -1, 0)
    ranges, classes = len(rows), len(rows) + len(hits)
    found = np.zeros((classes + 1, classes + 1))
    found[:ranges, :ranges] = rows
    found[-1, -1] = 1
    events = np.arange(ranges, classes)
    found[events, events], found[events, -1], found[-1, events] = hits, true - hits, predicted - hits
    return found


def score(predictions: Sequence[HeldOutPrediction], kinds: LabelKinds, tolerance: float) -> Scores:
    """Count every prediction and add up by group."""
    group_counts: dict[str, list[Counts]] = {}
    for prediction in predictions:
        counted = count(prediction.recording, prediction.segments, tolerance)
        group_counts.setdefault(prediction.recording.group, []).append(counted)
    classes = evaluated_classes(kinds, [prediction.recording for prediction in predictions])
    return Scores(classes, tuple(group_counts), tuple(add(each) for each in group_counts.values()))


def scores_by_set(predictions: Sequence[HeldOutPrediction], tolerance: float) -> dict[str, Scores]:
    """Scores of each TimeSeriesLabels tag by its name, as if it had been alone; none where there is one tag only."""
    found = {}
    for name, labels in predictions[0].recording.kinds.sets if predictions else ():
        some = [replace(each, recording=each.recording.only(labels)) for each in predictions]
        kinds = some[0].recording.kinds
        if kinds.ranges or kinds.instants:
            found[name] = score(some, kinds, tolerance)
    return found


def range_on_others(estimate: Estimate, groups: int) -> tuple[float, float] | None:
    """Where a metric of `groups` groups lies on as many others in about 4 of 5 cases; None without a standard error.

    Others are few, too, hence √2 standard errors: 70 to 80 % of other recordings' metrics are inside (docs/quality.md).
    """
    from scipy.special import stdtrit  # .1 s

    if estimate.standard_error is None:
        return None
    reach = float(stdtrit(groups - 1, 0.9)) * np.sqrt(2) * estimate.standard_error
    return max(estimate.value - reach, 0.0), min(estimate.value + reach, 1.0)


def draw_groups(groups: int) -> NDArray[np.float64]:
    """How often each group is drawn: [DRAWS, groups], with replacement, as many as there are."""
    random = np.random.Generator(np.random.PCG64(0))
    drawn: NDArray[np.float64] = random.multinomial(groups, np.full(groups, 1 / groups), DRAWS).astype(float)
    return drawn


def resample(group_counts: Sequence[Counts], draws: NDArray[np.float64]) -> Counts:
    """Sums of each draw: every count gets a leading axis of draws."""
    stacked = {key: np.stack([counts[key] for counts in group_counts]) for key in group_counts[0]}
    return {key: np.asarray(np.tensordot(draws, counts, axes=1), float) for key, counts in stacked.items()}
