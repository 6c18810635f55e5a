"""What the page of one project holds."""

import msgspec

from inference.monitoring.activity_log import DoubtfulTask, LoggedEvent, SkippedTask
from inference.monitoring.project_status import ProjectStatus
from inference.monitoring.task_table import TaskRecord
from inference.operations.operator_log import OperatorAction
from inference.status.answers import PageAnswer
from inference.status.overview import Row
from inference.status.versions_table import VersionRow
from shared.model_file.card import ModelMetrics
from shared.retraining.runs import RunRecord
from shared.retraining.updates import START_TRAINING
from shared.store.aliases import LabelAlias
from shared.store.learning_curve import LearningCurve
from shared.store.report import AgreementMetrics, Bin, LabelError, RegionUse

NO_MODEL = "There is no model yet"
ANNOTATE = "Annotate a few tasks in Label Studio; training starts by itself."


class ScoredTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task's last prediction."""

    at: float
    task: str
    version: str
    score: float
    segments: int

    @classmethod
    def of(cls, record: TaskRecord) -> "ScoredTask":
        """From the table of tasks; one with a score."""
        return cls(
            at=record.at,
            task=record.task,
            version=record.version,
            score=record.score or 0.0,
            segments=record.segments,
        )


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """A button, and why it can do nothing now; "" if it can."""

    action: str
    title: str
    disabled: str = ""
    confirm: str = ""  # a question to be answered first


class ProjectPage(
    msgspec.Struct,
    rename={"metrics": "figures", "program_version": "release", "problems": "missing"},
    frozen=True,
    kw_only=True,
):
    """All about one project."""

    now: float
    program_version: str
    row: Row
    answers: list[PageAnswer]
    buttons: list[Button]
    trouble: str  # what is broken for all projects
    problems: list[str]  # what keeps the project from predictions
    finding: str  # of the last comparison with Label Studio
    preannotation: str  # how far predictions for all tasks are
    refreshed: bool  # whether predictions are pushed after each publication
    left_out: list[str]  # of the labelling configuration
    aliases: list[LabelAlias]  # renamed labels that an operator confirmed
    renames: list[tuple[str, str]]  # old and new label, offered to be confirmed
    versions: list[VersionRow]
    metrics: ModelMetrics | None
    labels: list[str]  # of the labelling configuration
    names: list[str]  # of the confusion matrix's rows and columns
    shown_series: str  # of several time series: whose metrics these are, a sentence
    losses: list[float]
    reliability: list[Bin]
    learning: list[tuple[int, float]]  # recordings, balanced accuracy of kept versions
    history: list[tuple[int, float, float]]  # number, balanced accuracy and its standard error of kept versions
    curve: LearningCurve | None  # that `python -m training curve` measured
    held_out: list[str]  # tasks with an out-of-fold prediction
    label_errors: list[LabelError]  # annotations that look wrong and that nobody has accepted, the surest first
    region_use: list[RegionUse]  # what people made of predictions, until the version that serves was trained
    agreements: list[AgreementMetrics]
    run: RunRecord | None
    runs: list[RunRecord]
    log: str
    least_sure: list[ScoredTask]
    task_count: int  # with a known prediction
    skipped: list[SkippedTask]
    doubtful: list[DoubtfulTask]
    events: list[LoggedEvent]
    actions: list[OperatorAction]  # who did what

    def banners(self) -> list[str]:
        """Problems that the four answers do not tell: that there is no model yet is a normal state."""
        return [each for each in self.problems if not each.startswith(NO_MODEL) and each != ANNOTATE]


def make_buttons(status: ProjectStatus, versions: list[VersionRow]) -> list[Button]:
    """What can be pressed at the top of the page."""
    running = status.runs.active is not None
    pressed = any(update.action == START_TRAINING for update in status.updates)
    train = "A training was asked for already." if pressed and not running else ""
    older = any(each.status == "kept" for each in versions)
    return [
        Button(action="train", title="Train now", disabled=train),
        Button(action="stop", title="Stop", disabled="" if running else "Nothing is running."),
        Button(
            action="roll-back",
            title="Roll back",
            disabled="" if older else "There is no earlier version.",
            confirm="Let the version before the current one serve?",
        ),
    ]
