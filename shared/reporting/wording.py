"""Names and sentences of reports, the same in report.html, on the pages and in a terminal."""

from collections.abc import Sequence

from shared.model_file.card import ModelMetrics
from shared.store.report import AgreementMetrics, LabelError, RegionUse

METRIC_TITLES = {
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "min_class_f1": "F1 of the worst class",
    "work_saved": "Work saved (1: nothing to correct; 0: as much work as by hand)",
    "kappa": "Cohen's kappa of rows",
    "accuracy": "Accuracy of rows",
    "segment_f1_10": "Segment F1@10",
    "segment_f1_25": "Segment F1@25",
    "segment_f1_50": "Segment F1@50",
    "edit": "Edit score",
    "boundary_error_rows": "Boundary error [rows]",
    "event_f1": "Event F1",
    "event_f1_above_even": "Event F1 above that of events placed evenly",
    "event_time_error": "Event time error [time column]",
    "event_time_error_rows": "Event time error [rows]",
    "ece": "Calibration error",
    "ece_of_perfect_scores": "Calibration error that perfect scores could show",
}
CHOICE_ACCURACY = "choice_accuracy"  # share of recordings for which a choice about the whole is right; by tag
EVALUATION = {  # by `ModelMetrics.how`
    "out-of-fold": "Every recording was predicted by a model that had not seen it.",
    "by-recording": "Every recording was predicted by a model that had not seen it; groups were not kept apart.",
    "optimistic": "Evaluated on held-out parts of the only recording, which is optimistic.",  # by older versions
    "not judged": "Not evaluated: nothing could be held out.",
}
AGREEMENT_NOTE = (
    "F1 counts segments that overlap by half or more, and instants within the tolerance; kappa is Cohen's, of rows."
)
LEAST_EVALUATED = 3  # recordings


def label_error_sentence(error: LabelError) -> str:
    """A suspected label error in a terminal."""
    where = str(error.start) if error.first == error.last else f"{error.start} to {error.end}"
    annotated, decoded = error.annotated or "nothing", error.decoded or "nothing"
    found = f"annotated {annotated}, a model that has not seen it finds {decoded}"
    return f"Task {error.task}, {where}: {error.kind}? {found}."


def evaluation_sentence(metrics: ModelMetrics) -> str:
    """How a model was evaluated; of fewer than three recordings, what to do so that it is."""
    missing = LEAST_EVALUATED - metrics.recordings
    if metrics.how != "not judged" or missing <= 0:
        return EVALUATION[metrics.how]
    more = "one more recording" if missing == 1 else "two more recordings"
    return f"Not known yet how good it is: annotate {more}."


def work_sentence(metrics: ModelMetrics) -> str:
    """How much work predictions save a labeller; "" where that is not known."""
    saved = metrics.estimates.get("work_saved")
    if saved is None:
        return ""
    if saved.value <= 0:
        return "Saves no work: to correct its predictions is no less work than to label by hand."
    error = "" if saved.standard_error is None else f" (± {100 * saved.standard_error:.0f})"
    return f"Saves about {100 * saved.value:.0f} %{error} of the work of labelling by hand."


def use_sentence(region_use: Sequence[RegionUse]) -> str:
    """What people made of predicted regions; "" where none was annotated from."""
    found = next((each for each in region_use if each.by == "all"), None)
    if found is None or not found.predicted:
        return ""
    shares = [round(100 * each / found.predicted) for each in (found.unchanged, found.moved, found.relabelled)]
    fates = "left {} % as they were, moved {} %, relabelled {} %".format(*shares)
    return (
        f"Of {found.predicted:,} predicted regions people {fates} and deleted "
        f"{round(100 * found.deleted / found.predicted)} %; they drew {found.added:,} more."
    )


def agreement_sentence(agreements: Sequence[AgreementMetrics]) -> str:
    """How far model and annotators agree, and annotators among themselves; "" where that is not known."""
    by = {(each.between, each.by, each.name): each for each in agreements}
    sentences = []
    if model := by.get(("model", "all", "")):
        origins = [each for each in agreements if (each.between, each.by) == ("model", "origin")]
        told = ", ".join(f"{each.name} {_agreed(each)}" for each in origins) if len(origins) > 1 else ""
        sentences.append(
            f"On recordings that it had not seen, the model agrees with annotators by {_agreed(model)}"
            + (f" ({told})." if told else ".")
        )
    if people := by.get(("annotators", "all", "")):
        recordings = f"{people.recordings} recording{'s' * (people.recordings != 1)}"
        sentences.append(f"On {recordings}, annotators agree with each other by {_agreed(people)}.")
    return " ".join(sentences)


def _agreed(agreement: AgreementMetrics) -> str:
    kappa = "" if agreement.kappa is None else f" and kappa {agreement.kappa:.2f}"
    return f"F1 {agreement.f1:.2f}{kappa}" if agreement.f1 is not None else kappa.removeprefix(" and ") or "nothing"


def metric_of_set(metric: str, control: str) -> str:
    """Name of the estimate of one label set, where a series has several. control: name of its tag."""
    return f"{metric} ({control})"


def sets_sentence(metrics: ModelMetrics) -> str:
    """Balanced accuracy by label set; "" where there is one set only."""
    start = metric_of_set("balanced_accuracy", "")[:-1]
    found = [
        f"{name.removeprefix(start)[:-1]} {each.value:.3f}"
        + ("" if each.standard_error is None else f" ± {each.standard_error:.3f}")
        for name, each in metrics.estimates.items()
        if name.startswith(start)
    ]
    return f"Balanced accuracy by label set: {', '.join(found)}." if found else ""


def class_names(metrics: ModelMetrics) -> list[str]:
    """Names of the confusion matrix's rows, background first; "?" for classes that the metrics do not name."""
    names = [each.label for each in metrics.classes]
    if len(names) < len(metrics.confusion):
        names = ["background", *names]
    return [*names, *("?" for _ in range(len(metrics.confusion) - len(names)))]
