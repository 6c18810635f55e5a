"""What a run says at its end."""

from dataclasses import dataclass

from shared.model_card import ModelCard
from training.schedule import Trained


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run. place: where the model lies."""

    card: ModelCard
    trained: Trained
    published: bool
    reason: str
    place: str


HOW = {
    "out-of-fold": "every recording judged by a network that had not seen it",
    "by-recording": "every recording judged by a network that had not seen it, recordings of one group apart",
    "optimistic": "judged on held-out parts of the only recording: optimistic",
    "not judged": "not judged: nothing could be held out",
}
SHOWN = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "segment_f1_50": "segment F1@50",
    "event_f1": "event F1",
    "event_time_error": "time error",
    "ece": "calibration error",
}


def text_report(report: Report) -> str:
    """A few lines for a terminal."""
    card, figures = report.card, report.card.figures
    lines = [f"{figures.recordings} recordings; {HOW[figures.how]}."]
    if figures.classes:
        width = max(10, *(len(each.label) for each in figures.classes))
        lines.append(f"{'class':<{width}} precision  recall      F1  support  segments found / true")
        for each in figures.classes:
            counts = f"{each.predicted_segments} / {each.true_segments}" if each.true_segments else ""
            lines.append(
                f"{each.label:<{width}} {each.precision:9.3f} {each.recall:7.3f} {each.f1:7.3f} {each.support:8d}  "
                + counts
                + ("" if each.judged else "  (in one group only: not judged)")
            )
    for name, title in SHOWN.items():
        if name in figures.estimates:
            value, error = figures.estimates[name].value, figures.estimates[name].standard_error
            lines.append(f"{title:<{18}} {value:.3f}" + (f" ± {error:.3f}" if error is not None else ""))
    networks = report.trained.final.fits
    fitted = networks[0]
    lines.append(
        f"Fitted {len(networks)} × {fitted.steps} steps, {fitted.epochs:.1f} epochs; schedules judged: "
        f"{len(report.trained.rounds)}; stopped because {report.trained.stopped_because}."
    )
    lines += [f"Note: {note}" for note in figures.notes]
    if report.published:
        lines.append(f"Published {card.version} as {report.place}/model_project_{card.project}.onnx")
    else:
        lines.append(f"Not published: {report.reason}. Kept as version {card.version} in {report.place}.")
    return "\n".join(lines) + "\n"
