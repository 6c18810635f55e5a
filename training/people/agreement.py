"""How far a model that has not seen a recording agrees with those who annotated it, and annotators with each other."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shared.store.report import AgreementMetrics
from training.data.annotations import LabelKinds, Recording, by_annotator
from training.judging.evaluate import HeldOutPrediction
from training.judging.metrics import Counts, count

NOTHING, PRELABEL = "drawn from nothing", "drawn from a prelabel"

Doubles = NDArray[np.float64]
Group = tuple[str, str, str]  # between, by, name
Counted = tuple[str, Counts]  # recording, counts


def agreements(
    predictions: Sequence[HeldOutPrediction], recordings: Sequence[Recording], tolerance: float
) -> tuple[AgreementMetrics, ...]:
    """Held-out predictions against each annotator, and annotators of the same recording against each other.

    Annotations made from a prediction are told apart: they agree with models more than people do by themselves.
    """
    counted: dict[Group, list[Counted]] = defaultdict(list)
    for group, each in [*_with_model(predictions, tolerance), *_with_each_other(recordings, tolerance)]:
        counted[group].append(each)
    kinds = next((each.kinds for each in recordings), None)
    return tuple(_agreements(counted, kinds)) if kinds else ()


def _with_model(predictions: Sequence[HeldOutPrediction], tolerance: float) -> Iterator[tuple[Group, Counted]]:
    for prediction in predictions:
        if prediction.recording.machine_made:
            continue
        for each in by_annotator([prediction.recording]):
            counted = each.key, count(each, prediction.segments, tolerance)
            yield ("model", "all", ""), counted
            yield ("model", "origin", PRELABEL if each.author.prelabelled else NOTHING), counted
            yield ("model", "person", each.author.name or "unknown"), counted
            if each.author.at:
                yield ("model", "month", each.author.at[:7]), counted


def _with_each_other(recordings: Iterable[Recording], tolerance: float) -> Iterator[tuple[Group, Counted]]:
    for recording in recordings:
        for one, other in combinations(recording.annotators, 2):
            both = one.known & other.known
            first, second = sorted((one, other), key=lambda each: each.author.name)
            counted = recording.key, count(replace(first, known=both), second.segments(), tolerance)
            yield ("annotators", "all", ""), counted
            names = [each.author.name or "unknown" for each in (first, second)]
            yield ("annotators", "pair", " and ".join(names)), counted
            for name in names:
                yield ("annotators", "person", name), counted
            if month := max(one.author.at, other.author.at)[:7]:
                yield ("annotators", "month", month), counted


def _agreements(counted: dict[Group, list[Counted]], kinds: LabelKinds) -> Iterator[AgreementMetrics]:
    for (between, by, name), found in sorted(counted.items()):
        recordings = len({key for key, _ in found})
        hits, first, second = np.sum([_segments(counts) for _, counts in found], axis=0).T
        segments, f1 = int(first.sum()), _f1(hits.sum(), first.sum() + second.sum())
        if all("rows" in counts for _, counts in found):
            rows = np.sum([counts["rows"] for _, counts in found], axis=0)
            kappa = kappa_of_rows(rows, [1 + len(head) for head in kinds.heads])
        else:
            kappa = None
        yield AgreementMetrics(
            between=between, by=by, name=name, recordings=recordings, segments=segments, f1=f1, kappa=kappa
        )
        if by == "all":
            labels = kinds.ranges + kinds.instants
            for label, hit, true, predicted in zip(labels, hits, first, second, strict=True):
                if true + predicted:
                    yield AgreementMetrics(
                        between=between,
                        by="label",
                        name=label,
                        recordings=recordings,
                        segments=int(true),
                        f1=_f1(hit, true + predicted),
                    )


def _segments(counts: Counts) -> Doubles:
    """Segments that overlap by half, those of the first and of the second; events likewise: [labels, 3]."""
    parts = []
    if "segments" in counts:
        hits, extra, missed = counts["segments"][-1].T
        parts.append(np.stack([hits, hits + missed, hits + extra], axis=-1))
    if "events" in counts:
        parts.append(counts["events"])
    return np.concatenate(parts)


def _f1(hits: float, both: float) -> float | None:
    return round(float(2 * hits / both), 4) if both else None


def kappa_of_rows(rows: Doubles, head_sizes: Sequence[int]) -> float | None:
    """Cohen's kappa of a confusion of rows; of several heads, the mean of theirs by rows. None if one class is all."""
    from sklearn.metrics import cohen_kappa_score  # 1.4 s of CPU: once a training, at its end

    found, weights, first = [], [], 0
    for size in head_sizes:
        part = rows[first : first + size, first : first + size]
        first += size
        one, other = np.nonzero(part)
        if len({*one.tolist(), *other.tolist()}) > 1:
            found.append(float(cohen_kappa_score(one, other, sample_weight=part[one, other])))
            weights.append(float(part.sum()))
    return round(float(np.average(found, weights=weights)), 4) if found else None
