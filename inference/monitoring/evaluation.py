"""What a version's report says in a few words: segments found, labels mixed up, tasks that disagree."""

from sys import intern

import msgspec

from inference.monitoring.differences import agreement, count_found, tolerance_rows
from shared.reporting import class_names
from shared.store.report import ReportFile

OFTEN = 0.1  # share of a label's rows or events from which confusing it is worth telling
BACKGROUND = "background"


class Mixup(msgspec.Struct, frozen=True, kw_only=True):
    """A label that is often taken for another."""

    true: str
    predicted: str
    share: float  # of the true one's rows, or events


class EvaluationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of held-out predictions."""

    found: int = 0  # of the annotated segments
    total: int = 0
    mixups: tuple[Mixup, ...] = ()  # most frequent first
    agreement: dict[str, float] = {}  # of annotation and prediction, by task
    annotators: dict[str, tuple[str, ...]] = {}  # by task

    @property
    def sentence(self) -> str:
        """For people, "" if nothing was evaluated."""
        if not self.total:
            return ""
        sentence = f"Finds {self.found} of {self.total} segments"
        if not self.mixups:
            return f"{sentence}."
        worst = self.mixups[0]
        if worst.predicted == BACKGROUND:
            return f"{sentence}; {worst.true} is missed most often."
        if worst.true == BACKGROUND:
            return f"{sentence}; {worst.predicted} is found where nothing is marked."
        both = any((each.true, each.predicted) == (worst.predicted, worst.true) for each in self.mixups)
        return f"{sentence}; {worst.true} {f'and {worst.predicted} are' if both else 'is'} " + (
            "mixed up." if both else f"taken for {worst.predicted}."
        )


def summarise_report(report: ReportFile) -> EvaluationSummary:
    """The evaluation of a report."""
    tolerance = tolerance_rows([each.true for each in report.held_out])
    whole = [each for each in report.held_out if each.rows]
    return EvaluationSummary(
        found=sum(count_found(each.true, each.predicted, tolerance) for each in whole),
        total=sum(len(each.true) for each in whole),
        mixups=_mixups(report),
        agreement={each.task: round(agreement(each.true, each.predicted, tolerance), 4) for each in whole},
        annotators={each.task: tuple(map(intern, each.annotators)) for each in whole if each.annotators},
    )


def _mixups(report: ReportFile) -> tuple[Mixup, ...]:
    names = class_names(report.metrics)
    found = []
    for true, row in zip(names, report.metrics.confusion, strict=False):
        total = sum(row)
        for predicted, count in zip(names, row, strict=False):
            if total and predicted != true and count / total >= OFTEN:
                found.append(Mixup(true=true, predicted=predicted, share=round(count / total, 4)))
    return tuple(sorted(found, key=lambda each: -each.share)[:10])
