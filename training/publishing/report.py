"""The output of a run at its end: metrics for the card, report.json, a few lines for a terminal."""

from collections.abc import Sequence

from shared.labelling.segments import Segment
from shared.model_file.card import Estimate, Head, ModelCard, ModelMetrics
from shared.reporting.wording import (
    agreement_sentence,
    evaluation_sentence,
    metric_of_set,
    sets_sentence,
    use_sentence,
    work_sentence,
)
from shared.retraining.accepted_labels import AcceptedLabel, without_accepted
from shared.store.report import (
    AgreementMetrics,
    Bin,
    HeldOut,
    LabelError,
    RegionUse,
    ReportFile,
    Schedule,
    StoredSegment,
)
from training.data.annotations import by_annotator
from training.fitting.trainer import FittedModel
from training.judging.calibration import (
    ScoredSegments,
    calibrate_heads,
    calibration_noise,
    cross_calibrate,
    expected_calibration_error,
    reliability,
)
from training.judging.doubtful_events import doubtful_events
from training.judging.evaluate import HeldOutPrediction, range_on_others, scores_by_set
from training.judging.gate import Verdict
from training.judging.label_errors import MOST, find_label_errors
from training.judging.step_search import StepSearch
from training.people import agreements

SHOWN = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "segment_f1_50": "segment F1@50",
    "event_f1": "event F1",
    "event_time_error": "time error",
    "ece": "calibration error",
}

OF_SETS = ("balanced_accuracy", "segment_f1_50", "event_f1")  # metrics of each label set, where there are several
GAINED = ("macro_f1", "segment_f1_50", "event_f1")


def calibrated_heads(heads: tuple[Head, ...], search: StepSearch) -> tuple[Head, ...]:
    """Heads whose scores mean what they say; as they are where too little was held out to know."""
    if not search.best.predictions:
        return heads
    return calibrate_heads(heads, search.best.predictions, search.plan.tolerance)


def make_metrics(search: StepSearch, notes: Sequence[str]) -> ModelMetrics:
    """Metrics for the card."""
    plan, scores = search.plan, search.best.scores
    if plan.how == "not judged":
        scores = None
    estimates = scores.estimates() if scores else {}
    notes = [*plan.notes, *notes]
    if scores is not None and search.best.without_priors is not None:
        without, found = search.best.without_priors.metrics(), scores.metrics()
        gained = [f"{SHOWN[name]} {found[name]:.3f} ({without[name]:.3f})" for name in GAINED if name in found]
        notes.append(f"Labels are chosen by the whole recording (in brackets: row by row): {', '.join(gained)}.")
    accuracy = estimates.get("balanced_accuracy", Estimate(0.0))
    if scores is not None and (others := range_on_others(accuracy, len(scores.groups))):
        low, high = others
        notes.append(
            f"On as many other recordings balanced accuracy is between {low:.2f} and {high:.2f} in about 4 of 5 cases."
        )
    if scores is not None and (doubtful := doubtful_events(search.best.predictions, plan.tolerance)):
        notes.append(doubtful)
    of_sets = scores_by_set(search.best.predictions, plan.tolerance) if scores is not None else {}
    for name, each in of_sets.items():
        found_estimates = each.estimates()
        estimates |= {metric_of_set(key, name): found_estimates[key] for key in OF_SETS if key in found_estimates}
    scored = _scored(search)
    if scored is not None:
        estimates["ece"] = Estimate(expected_calibration_error(scored.scores, scored.right))
        estimates["ece_of_perfect_scores"] = Estimate(calibration_noise(scored))
    return ModelMetrics(
        how=plan.how,
        recordings=len(plan.recordings),
        classes=scores.class_metrics() if scores else (),
        confusion=scores.confusion() if scores else (),
        estimates=estimates,
        notes=tuple(notes),
    )


def make_report(
    card: ModelCard,
    search: StepSearch,
    model: FittedModel,
    verdict: Verdict,
    number: int = 0,
    accepted: Sequence[AcceptedLabel] = (),
    region_use: tuple[RegionUse, ...] = (),
) -> ReportFile:
    """All of report.json. number: of the version, for people. accepted: annotations that are no label errors."""
    fit = model.fit
    scored = _scored(search)
    bins = reliability(scored.scores, scored.right) if scored is not None else []
    return ReportFile(
        version=card.version,
        number=number,
        created_at=card.created_at,
        project=card.project,
        outcome="published" if verdict.accepted else "rejected",
        reason=verdict.reason,
        comparisons=verdict.comparisons,
        metrics=card.metrics,
        steps=fit.steps,
        epochs=fit.epochs,
        stopped_because=search.stopped_because,
        schedules=tuple(
            Schedule(
                steps=each.steps,
                balanced_accuracy=each.metric("balanced_accuracy"),
                min_class_f1=each.metric("min_class_f1"),
            )
            for each in (search.evaluations if search.plan.how != "not judged" else ())
        ),
        losses=tuple(round(loss, 4) for loss in fit.losses),
        reliability=tuple(Bin(*each) for each in bins),
        held_out=store_held_out(search.best.predictions),
        label_errors=_label_errors(search, accepted),
        learned_from=tuple(dict.fromkeys(each.key for each in search.plan.recordings)),
        region_use=region_use,
        agreements=_agreements(search),
    )


def text_report(
    card: ModelCard,
    search: StepSearch,
    model: FittedModel,
    report: ReportFile,
    *,
    outcome: str,
    reason: str,
    place: str,
) -> str:
    """A few lines for a terminal. outcome: "" says nothing of how the run ended. place: where the model lies."""
    metrics = card.metrics
    lines = [f"{metrics.recordings} recording{'s' * (metrics.recordings != 1)}. {evaluation_sentence(metrics)}"]
    if work := work_sentence(metrics):
        lines.append(work)
    lines += filter(None, [use_sentence(report.region_use), agreement_sentence(report.agreements)])
    if metrics.classes:
        width = max(10, *(len(each.label) for each in metrics.classes))
        lines.append(f"{'class':<{width}} precision  recall      F1  support  segments found / true")
        for each in metrics.classes:
            counts = f"{each.predicted_segments} / {each.true_segments}" if each.true_segments else ""
            lines.append(
                f"{each.label:<{width}} {each.precision:9.3f} {each.recall:7.3f} {each.f1:7.3f} {each.support:8d}  "
                + counts
                + ("" if each.evaluated else "  (in one group only: not evaluated)")
            )
    for name, title in SHOWN.items():
        if name in metrics.estimates:
            value, error = metrics.estimates[name].value, metrics.estimates[name].standard_error
            lines.append(f"{title:<18} {value:.3f}" + (f" ± {error:.3f}" if error is not None else ""))
    if sets := sets_sentence(metrics):
        lines.append(sets)
    fit = model.fit
    lines.append(
        f"Fitted {fit.steps} steps, {fit.epochs:.1f} epochs; schedules evaluated: "
        f"{len(search.evaluations)}; stopped because {search.stopped_because}."
    )
    lines += [f"Note: {note}" for note in metrics.notes]
    if outcome == "published":
        lines += [reason] if reason else []
        lines.append(f"Published {card.version} as {place}/model_project_{card.project}.onnx")
    elif outcome:
        lines.append(f"Not published: {reason}. Kept as version {card.version} in {place}.")
    return "\n".join(lines) + "\n"


def _agreements(search: StepSearch) -> tuple[AgreementMetrics, ...]:
    predictions = () if search.plan.how == "not judged" else search.best.predictions
    return agreements(predictions, search.plan.recordings, search.plan.tolerance)


def _label_errors(search: StepSearch, accepted: Sequence[AcceptedLabel]) -> tuple[LabelError, ...]:
    """The surest suspects; none of one or two recordings."""
    if search.plan.how == "not judged":
        return ()
    return tuple(without_accepted(find_label_errors(search.best.predictions, search.plan.tolerance), accepted)[:MOST])


def _scored(search: StepSearch) -> ScoredSegments | None:
    predictions = search.best.predictions if search.plan.how != "not judged" else ()
    return cross_calibrate(predictions, search.plan.tolerance) if predictions else None


def store_held_out(predictions: Sequence[HeldOutPrediction]) -> tuple[HeldOut, ...]:
    """Predictions by task, at the rows of its recording as it came."""
    return tuple(
        HeldOut(
            task=recording.key,
            name=recording.name,
            group=recording.group,
            rows=recording.own_count,
            true=_stored(recording.to_own_rows(recording.segments())),
            predicted=_stored(recording.to_own_rows(prediction.segments)),
            annotators=tuple(dict.fromkeys(each.author.name for each in by_annotator([recording]) if each.author.name)),
        )
        for prediction in predictions
        for recording in [prediction.recording]
    )


def _stored(segments: Sequence[Segment]) -> tuple[StoredSegment, ...]:
    return tuple(
        StoredSegment(each.first, each.last, each.label, round(each.score, 4), each.instant) for each in segments
    )
