"""May a candidate replace the model that serves? Both are scored against today's annotations on the same recordings.

Paired bootstrap over groups gives a difference and its standard error. Rejected is what is worse by more than noise and
by more than matters; what is not clearly better than chance; and, first model or not, what is of no use.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from shared.labelling.segments import Segment
from shared.model_file.card import Estimate
from shared.reporting.wording import METRIC_TITLES
from shared.segmentation.segmenter import Segmenter
from shared.store.report import Comparison
from training.data.annotations import LabelKinds, Recording
from training.judging.evaluate import HeldOutPrediction, Scores, draw_groups, resample, score, scores_by_set
from training.judging.metrics import Counts, class_scores, compute_metrics
from training.judging.usefulness import withheld_because

MATTERS = 0.02  # of the balanced accuracy
SEGMENTS_MATTER = 0.05  # of segment F1@50, or of event F1: they jump more
FEW_MATTERS = 0.10  # with fewer than LEAST_GROUPS groups, which give no standard error
LEAST_GROUPS = 3
CHANCE_ERRORS = 2.0  # standard errors above chance that a candidate must be


@dataclass(frozen=True, slots=True)
class Reference:
    """A kept version: its held-out predictions by task, and its graph for all other recordings.

    held_out: segments in rows of the task's recording, and its number of rows. renamed: its labels ► those of today.
    labels: that it finds, by their names of today; serves: whether it is the model that serves.
    """

    version: str
    held_out: Mapping[str, tuple[int, Sequence[Segment]]]
    graph: bytes
    renamed: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    serves: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's decision, with a sentence where there was something to compare."""

    accepted: bool
    reason: str
    comparisons: tuple[Comparison, ...] = ()  # with each reference, on the same recordings


def pass_gate(
    candidate: Sequence[HeldOutPrediction],
    references: Sequence[Reference],
    tolerance: float,
    labels: Collection[str] = (),
) -> Verdict:
    """Compare a candidate's held-out predictions with the best of `references` on the same recordings.

    labels: of the configuration. What a reference finds under other labels than the candidate's is left out.
    """
    # One or two recordings tell no more of the candidate than of a reference that was never evaluated itself.
    few = len(candidate) < LEAST_GROUPS
    evaluated = [each for each in references if not few or len(each.held_out) >= LEAST_GROUPS]
    if not candidate:
        nothing = f"nothing could be held out to compare it with {evaluated[0].version}" if evaluated else ""
        return Verdict(not evaluated, nothing)
    kinds = candidate[0].recording.kinds
    lost = _lost_labels(kinds, references, labels)
    if lost:
        return Verdict(False, lost)
    ours = score(candidate, kinds, tolerance)
    withheld = withheld_because(ours)
    if withheld:
        return Verdict(False, withheld)
    if not evaluated:
        return Verdict(True, "")
    if _is_at_chance_level(ours):
        return Verdict(False, "on held-out recordings it is not clearly better than chance")
    recalled = [_recall(each, candidate) for each in evaluated]
    rescored = [score(each, kinds, tolerance) for each in recalled]
    best = max(range(len(rescored)), key=lambda place: rescored[place].metrics().get("balanced_accuracy", 0.0))
    version, groups = evaluated[best].version, len(ours.groups)
    verdict = compare(ours, rescored[best], version, groups)
    if verdict.accepted:
        theirs = scores_by_set(recalled[best], tolerance)
        for name, scores in scores_by_set(candidate, tolerance).items():
            of_set = compare(scores, theirs[name], version, groups)
            if not of_set.accepted:
                verdict = Verdict(False, f"of the labels of {name!r}, {of_set.reason}")
                break
    comparisons = tuple(
        describe_differences(ours, scores, each.version, groups)
        for scores, each in zip(rescored, evaluated, strict=True)
    )
    return replace(verdict, comparisons=comparisons)


def _lost_labels(kinds: LabelKinds, references: Sequence[Reference], labels: Collection[str]) -> str:
    """Why a candidate that finds less than the model that serves is rejected; "" if it does not."""
    for each in references:
        lost = sorted((each.labels & set(labels)) - {*kinds.ranges, *kinds.instants}) if each.serves else []
        if lost:
            names = ", ".join(map(repr, lost))
            return (
                f"no annotation has the label {names} any more, which {each.version} finds and the configuration still "
                "has: promote this version if that is meant, or annotate the label"
            )
    return ""


def compare(ours: Scores, theirs: Scores, version: str, groups: int) -> Verdict:
    """The rule: balanced accuracy, then segment F1@50 and event F1."""
    limits = {"balanced_accuracy": MATTERS, "segment_f1_50": SEGMENTS_MATTER, "event_f1": SEGMENTS_MATTER}
    differences, errors = paired_differences(ours, theirs)
    changes = []
    for name, matters in limits.items():
        if name not in differences:
            continue
        difference, error = differences[name], errors[name]
        if groups < LEAST_GROUPS:
            worse = difference < -FEW_MATTERS
        else:
            worse = difference < -matters and difference < -t_quantile(groups - 1) * error
        title = METRIC_TITLES[name][0].lower() + METRIC_TITLES[name][1:]
        changes.append(
            f"{title} {difference:+.3f} ± {error:.3f}" if groups >= LEAST_GROUPS else f"{title} {difference:+.3f}"
        )
        if worse:
            return Verdict(False, f"its {changes[-1]} against {version} on the same {groups} groups of recordings")
    return Verdict(True, f"Against {version} on the same recordings: {', '.join(changes)}." if changes else "")


def describe_differences(ours: Scores, theirs: Scores, version: str, groups: int) -> Comparison:
    """What the report keeps of a comparison. Without LEAST_GROUPS groups there are no standard errors."""
    differences, errors = paired_differences(ours, theirs)
    f1, other = (class_scores(scores.total)[2] for scores in (ours, theirs))
    known = groups >= LEAST_GROUPS
    return Comparison(
        version=version,
        groups=groups,
        differences={
            name: Estimate(round(value, 4), round(errors[name], 4) if known else None)
            for name, value in differences.items()
        },
        f1_by_label={
            name: round(float(f1[index] - other[index]), 4)
            for index, name in enumerate(ours.classes.names)
            if np.isfinite(f1[index]) and np.isfinite(other[index])
        },
    )


def paired_differences(ours: Scores, theirs: Scores) -> tuple[dict[str, float], dict[str, float]]:
    """Differences of the metrics, and their standard errors by a bootstrap that draws the same groups for both."""
    draws = draw_groups(len(ours.groups))
    classes = ours.classes
    mine, other = compute_metrics(ours.total, classes), compute_metrics(theirs.total, classes)
    many_mine, many_other = (
        compute_metrics(resample(_ordered(each, ours.groups), draws), classes) for each in (ours, theirs)
    )
    differences, errors = {}, {}
    for name in mine:
        if not np.isnan(mine[name]):
            differences[name] = float(mine[name] - np.nan_to_num(other[name]))
            spread = many_mine[name] - many_other[name]
            errors[name] = float(np.nanstd(spread)) if not np.isnan(spread).all() else 0.0
    return differences, errors


def t_quantile(degrees: int) -> float:
    """The .975 quantile of Student's t distribution."""
    from scipy.special import stdtrit  # .1 s, only where a model is compared; scipy.stats takes .9 s

    return float(stdtrit(degrees, 0.975))


def chance_level(scores: Scores) -> float:
    """Balanced accuracy by chance: 1/classes; an instant of the only label is not hit by chance."""
    ranges = sum(1 + len(head) for head in scores.classes.kinds.heads)
    chances = []
    for group in scores.classes.groups():
        if (group < ranges).any() or (ranges and not len(group)):
            chances.append(1 / max(len(group), 1))
        else:
            chances.append(1 / (1 + len(group)) if len(group) > 1 else 0.0)
    return sum(chances) / len(chances)


def _is_at_chance_level(scores: Scores) -> bool:
    estimate = scores.estimates().get("balanced_accuracy")
    if estimate is None:
        return True
    return estimate.value <= chance_level(scores) + CHANCE_ERRORS * (estimate.standard_error or 0.0)


def _ordered(scores: Scores, groups: Sequence[str]) -> list[Counts]:
    return [scores.group_counts[scores.groups.index(group)] for group in groups]


def _recall(reference: Reference, candidate: Sequence[HeldOutPrediction]) -> list[HeldOutPrediction]:
    """Predictions of `reference` for the candidate's recordings: held out where stored, else from its graph."""
    segmenter: Segmenter | None = None
    kinds = candidate[0].recording.kinds
    known = {*kinds.ranges, *kinds.instants}
    found = []
    for prediction in candidate:
        recording = prediction.recording
        segments = _stored(reference, recording)
        if segments is None:
            segmenter = segmenter or Segmenter.load(reference.graph)
            segments = segmenter.segment(recording.series).segments
        segments = [
            Segment(each.first, each.last, label, each.score, each.instant)
            for each in segments
            if (label := reference.renamed.get(each.label, each.label)) in known
        ]
        found.append(
            HeldOutPrediction(recording, prediction.fold, prediction.heads, prediction.probabilities, tuple(segments))
        )
    return found


def _stored(reference: Reference, recording: Recording) -> list[Segment] | None:
    """Stored segments of a recording; None if there are none of it as it is now."""
    rows, segments = reference.held_out.get(recording.key, (-1, ()))
    return recording.from_own_rows(segments) if rows == recording.own_count else None
