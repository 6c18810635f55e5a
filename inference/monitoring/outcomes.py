"""Recording outcomes of tasks and runs in metrics, activity log and log."""

import logging

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.metrics import ServerMetrics
from inference.monitoring.task_table import TaskTable
from inference.serving.predictor import Outcome
from inference.serving.protocol import Prediction
from shared.retraining.runs import RunRecord

log = logging.getLogger(__name__)


class OutcomeRecorder:
    """Thread-safe."""

    def __init__(self, metrics: ServerMetrics, activity_log: ActivityLog, tasks: TaskTable) -> None:
        self._metrics = metrics
        self._activity_log = activity_log
        self._tasks = tasks

    def task(self, outcome: Outcome) -> None:
        """Record how a task was answered."""
        self._metrics.task(outcome)
        place: dict[str, object] = {"project": outcome.project, "task": outcome.task}
        for doubt in outcome.doubts:
            log.warning("%s", doubt.sentence, extra=place | {"doubt": doubt.kind})
        if outcome.suggests and not outcome.reason:
            return  # what is stored of the task stays as it is
        self._activity_log.doubt(outcome.project, outcome.task, outcome.doubts)
        kinds = [doubt.kind for doubt in outcome.doubts]
        if outcome.reason:
            self._activity_log.skip(outcome.project, outcome.task, outcome.reason)
            self._tasks.record(outcome.project, outcome.task, "", None, 0, kinds)
            log.warning("No segments: %s", outcome.reason, extra=place)
        elif isinstance(outcome.answer, Prediction):
            answer = outcome.answer
            self._activity_log.answered(outcome.project, outcome.task)
            self._tasks.record(
                outcome.project, outcome.task, answer.model_version, answer.score, outcome.segments, kinds
            )

    def run_ended(self, record: RunRecord) -> None:
        """Record how a run ended."""
        self._metrics.run_ended(record)
        effect = f"Run {record.number} was {record.outcome}{f': {record.reason}' if record.reason else ''}"
        self._activity_log.note(record.project, "RUN_ENDED", effect)
