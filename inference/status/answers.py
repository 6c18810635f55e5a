"""The first screen of a project: is it training, is it good, what changed, what to do next; a sentence each."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from inference.formatting import counted, duration
from inference.monitoring.evaluation import EvaluationSummary
from inference.monitoring.project_status import ProjectStatus
from inference.status.overview import Row
from inference.status.task_summary import TaskSummary
from inference.status.versions_table import Delta, VersionRow, difference, label_changes
from shared.model_file.card import ModelMetrics
from shared.reporting import evaluation_sentence, label_error_sentence, work_sentence
from shared.settings import Settings
from shared.store.report import LabelError

Level = Literal["", "good", "attention", "broken"]  # the only colours of the pages; "" is the normal state
UNSURE = 0.8  # score of a task below which labelling it is worth more than another one's
DISAGREES = 0.5  # agreement of annotation and held-out prediction below which the annotation is worth a look
LABELS_SHOWN = 2


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What to do: a link, or a request to this server."""

    title: str
    link: str = ""  # absolute, or relative to the project's page
    post: dict[str, str] = {}  # fields of the request; "action" names it


class PageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A question and its answer."""

    question: str
    sentence: str
    level: Level = ""
    more: str = ""  # figures behind the sentence
    fraction: float | None = None  # of the active run
    action: Action | None = None


class ProjectFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers are made from."""

    status: ProjectStatus
    row: Row
    versions: Sequence[VersionRow]
    metrics: ModelMetrics | None
    evaluation: EvaluationSummary
    tasks: TaskSummary
    label_errors: Sequence[LabelError]  # annotations that look wrong, the surest first
    problem: str  # what is broken for all projects, "" if nothing is
    trains: bool  # whether this server starts trainings


def answer_all(given: ProjectFacts, settings: Settings) -> list[PageAnswer]:
    """The four answers, in order."""
    return [_training(given), _quality(given, settings), _change(given), _next(given)]


def _training(given: ProjectFacts) -> PageAnswer:
    status, state = given.status, given.row.state
    question = "Is it training?"
    train = Action(title="Train now", post={"action": "train"})
    active = status.runs.active
    if active is not None:
        left = active.progress.eta_seconds
        parts = [state.name if active.state == "other" else active.state.capitalize()]
        if left:
            parts.append(f"{duration(left)} left")
        if active.snapshot is not None:
            parts.append(f"on {counted(active.snapshot.tasks, 'recording')}")
        step = f"Step {active.progress.step} of {active.progress.steps}. " if active.progress.steps else ""
        more = f"{step}Run {active.number}, by {active.launcher or 'a trainer'}."
        stop = Action(title="Stop", post={"action": "stop"})
        return PageAnswer(
            question=question,
            sentence=f"{', '.join(parts)}.",
            fraction=active.progress.fraction,
            action=stop,
            more=more,
        )
    last = status.runs.last
    ended = f"The last run ended {duration(given.row.now - last.ended_at)} ago: {last.outcome}." if (
        last is not None and last.ended_at is not None
    ) else ""  # fmt: skip
    if state.name == "failed":
        return PageAnswer(
            question=question, sentence=f"No: training {state.sentence}", level="broken", more=ended, action=train
        )
    if state.name == "backing off":
        return PageAnswer(
            question=question, sentence=f"No: it failed, {state.sentence}", level="attention", more=ended, action=train
        )
    if state.name == "starting":
        more = f"{state.sentence.removeprefix('starting: ').capitalize()}."
        return PageAnswer(question=question, sentence="Starting.", more=more)
    if state.name == "queued":
        sentence = "Waiting for its turn." if given.trains else "Waiting for a worker: this server trains nothing."
        level: Level = "" if given.trains else "attention"
        return PageAnswer(
            question=question, sentence=sentence, level=level, more=state.sentence.capitalize(), action=None
        )
    if state.name == "waiting":
        missing = max(1, given.row.needed - given.row.waiting)
        sentence = f"Not now: {counted(missing, 'more annotation')} start{'s' * (missing == 1)} it."
        return PageAnswer(question=question, sentence=sentence, more=ended, action=train)
    if given.problem:
        return PageAnswer(question=question, sentence="No: annotations are not seen.", more=ended)
    if not status.version and last is None:
        return PageAnswer(question=question, sentence="Not yet: it starts with the first annotations.")
    return PageAnswer(question=question, sentence="No: nothing new to learn from.", more=ended, action=train)


def _quality(given: ProjectFacts, settings: Settings) -> PageAnswer:
    question = "Is it good?"
    if not given.status.version:
        return PageAnswer(question=question, sentence="There is no model yet.")
    metrics = given.metrics
    details = Action(title="See each label", link="#quality")
    if metrics is None or metrics.how == "not judged" or not metrics.estimates:
        sentence = evaluation_sentence(metrics) if metrics else "Not known: nothing could be held out."
        return PageAnswer(question=question, sentence=sentence, level="attention", action=details)
    accuracy = metrics.estimates.get("balanced_accuracy")
    worst = min((each for each in metrics.classes if each.evaluated), key=lambda each: each.f1, default=None)
    good = bool(accuracy and accuracy.value >= settings.balanced_accuracy_threshold) and (
        worst is None or worst.f1 >= settings.min_class_f1_threshold
    )
    figures = []
    if accuracy is not None:
        error = f" ± {accuracy.standard_error:.2f}" if accuracy.standard_error is not None else ""
        figures.append(f"Balanced accuracy {accuracy.value:.2f}{error}")
    if worst is not None:
        figures.append(f"worst label {worst.label}, F1 {worst.f1:.2f}")
    optimistic = " Evaluated on the only recording, so this is optimistic." if metrics.how == "optimistic" else ""
    return PageAnswer(
        question=question,
        sentence=given.evaluation.sentence or (f"{figures[0]}." if figures else "It was evaluated."),
        level="good" if good else "attention",
        more=f"{'; '.join(figures)}.{optimistic} {work_sentence(metrics)}".rstrip(),
        action=details,
    )


def _change(given: ProjectFacts) -> PageAnswer:
    question = "What changed?"
    if not given.versions:
        return PageAnswer(question=question, sentence="Nothing yet.")
    newest = given.versions[0]
    name = f"v{newest.number}"
    serving = next((each for each in given.versions if each.status == "serves"), None)
    if newest.status == "rejected":
        serves = f" v{serving.number} still serves." if serving else ""
        promote = Action(title=f"Publish {name} anyway", post={"action": "promote", "version": newest.name})
        sentence = f"{name} was not published.{serves}"
        return PageAnswer(question=question, sentence=sentence, level="attention", more=newest.reason, action=promote)
    if newest.status == "rolled back":
        promote = Action(title=f"Promote {name}", post={"action": "promote", "version": newest.name})
        sentence = f"Rolled back from {name} to v{serving.number if serving else '?'}."
        return PageAnswer(question=question, sentence=sentence, action=promote)
    report = Action(title=f"Report of {name}", link=f"{given.row.project}/versions/{newest.name}/report.html")
    action = report if newest.has_report else None
    delta = newest.before
    if delta is None:
        first = "is the first version." if len(given.versions) == 1 else "was not compared with the version before."
        return PageAnswer(question=question, sentence=f"{name} {first}", action=action)
    accuracy = newest.estimates.get("balanced_accuracy")
    moved = f"{accuracy.value - delta.value:.2f} ► {accuracy.value:.2f}" if accuracy else f"{delta.value:+.2f}"
    sentence = f"Balanced accuracy {moved}{_labels(given, newest.name, delta)}."
    if delta.sign == "same":
        sentence = f"Nothing beyond noise: balanced accuracy {moved}."
    more = (
        f"{name} against {delta.against} on the same recordings: {delta.value:+.3f}"
        + (f" ± {delta.standard_error:.3f}" if delta.standard_error is not None else "")
        + (", within noise." if delta.sign == "same" else ".")
    )
    if delta.sign == "down":
        back = Action(title="Roll back", post={"action": "roll-back"})
        return PageAnswer(question=question, sentence=sentence, level="attention", more=more, action=back)
    return PageAnswer(question=question, sentence=sentence, more=more, action=action)


def _labels(given: ProjectFacts, version: str, delta: Delta) -> str:
    names = {each.name: f"v{each.number}" for each in given.versions}
    for comparison in given.status.summaries[version].comparisons:
        if names.get(comparison.version) == delta.against and difference(comparison, delta.against):
            changed = label_changes(comparison)[:LABELS_SHOWN]
            return "".join(f", {label} {value:+.2f}" for label, value in changed)
    return ""


def _next(given: ProjectFacts) -> PageAnswer:
    question = "What to do next?"
    status, row = given.status, given.row
    if given.problem:
        return PageAnswer(
            question=question,
            sentence="Let this server read Label Studio.",
            level="broken",
            more=given.problem,
            action=Action(title="State of the server", link="../#server"),
        )
    if status.config_error:
        return PageAnswer(
            question=question, sentence="Change the labelling configuration.", level="broken", more=status.config_error
        )
    if status.renames:
        old, new = status.renames[0]
        confirm = Action(title=f"Read {old} as {new}", post={"action": "alias", "old": old, "new": new})
        return PageAnswer(question=question, sentence=f"Was {old} renamed to {new}?", level="attention", action=confirm)
    if status.outdated:
        return PageAnswer(
            question=question,
            sentence="Train again: the rules for annotations have changed.",
            level="attention",
            action=Action(title="Train now", post={"action": "train"}),
        )
    if not status.version:
        open_project = Action(title="Open it in Label Studio", link=row.link) if row.link else None
        return PageAnswer(
            question=question, sentence="Annotate a few tasks; training starts by itself.", action=open_project
        )
    if given.label_errors:
        surest, count = given.label_errors[0], len(given.label_errors)
        return PageAnswer(
            question=question,
            sentence=f"Look at the labels of task {surest.task}: {counted(count, 'annotation')} "
            f"{'looks' if count == 1 else 'look'} wrong.",
            more=label_error_sentence(surest),
            action=Action(title="Annotations that look wrong", link="#label-errors"),
        )
    doubtful = sorted((share, task) for task, share in given.evaluation.agreement.items() if share < DISAGREES)
    if doubtful:
        share, task = doubtful[0]
        return PageAnswer(
            question=question,
            sentence=f"Look at the labels of task {task}: a model that has not seen it disagrees.",
            more=f"Of what either marks, both say the same on {100 * share:.0f} %.",
            action=Action(title=f"Compare task {task}", link=f"{row.project}/task?number={task}"),
        )
    least = given.tasks.label_next
    if least is not None:
        where = "least sure there" if (least.score or 0.0) < UNSURE else "least sure there, though fairly sure"
        link = f"{row.link}/data?task={least.task}" if row.link else f"{row.project}/task?number={least.task}"
        return PageAnswer(
            question=question,
            sentence=f"Label task {least.task}: the model is {where}.",
            more=f"Its score is {least.score:.2f}, of {counted(given.tasks.unannotated, 'task')} not annotated yet.",
            action=Action(title=f"Open task {least.task}", link=link),
        )
    action = Action(title="Open it in Label Studio", link=row.link) if row.link else None
    return PageAnswer(
        question=question,
        sentence="Open more tasks in Label Studio: those with the lowest score are named here.",
        action=action,
    )
