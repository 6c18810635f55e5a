"""Requesting and stopping trainings, and their status."""

from typing import Any

from inference.monitoring.activity_log import ActivityLog
from inference.operations.operator_log import NOBODY, Actor, OperatorLog
from inference.operations.update_queue import UpdateQueue
from inference.serving.webhooks import START_TRAINING
from shared.digits import read_digits
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates


class Trainings:
    """Operations of POST /train, /job_status, /is_training and the page's buttons."""

    def __init__(
        self, queue: UpdateQueue, updates: Updates, runs: Runs, activity_log: ActivityLog, operators: OperatorLog
    ) -> None:
        self._queue = queue
        self._updates = updates
        self._runs = runs
        self._activity_log = activity_log
        self._operators = operators

    def start(self, project: int, actor: Actor = NOBODY) -> str:
        """Request a training, which starts as soon as a slot is free; returns the job."""
        job = self._queue.add(project, START_TRAINING, "A training starts as soon as a slot is free.")
        self.note_start(project, actor)
        return job

    def note_start(self, project: int, actor: Actor) -> None:
        """Note who asked for a training."""
        self._operators.record(project, actor, "train", "A training was asked for.")

    def stop(self, project: int, actor: Actor = NOBODY) -> bool:
        """Ask the run of a project to stop. Returns whether there is one."""
        number = self._runs.request_cancel(project)
        if number is None:
            return False
        self._activity_log.note(project, "STOP", f"Run {number} was asked to stop.")
        self._operators.record(project, actor, "stop", f"Run {number} was asked to stop.")
        return True

    def is_training(self, project: int) -> bool:
        """Whether a run of this project is active."""
        return self._runs.state(project).active is not None

    def job_status(self, job: str) -> dict[str, Any]:
        """Status of a START_TRAINING: queued, running, its outcome, or unknown."""
        project = read_digits(job.partition("-")[0])
        if project is not None:
            for run in self._runs.history(project):
                if job in run.train_jobs:
                    state = "running" if run.outcome is None else run.outcome
                    return {"job": job, "job_status": state, "reason": run.reason, "version": run.version}
            if any(update.job == job for update in self._updates.of(project)):
                return {"job": job, "job_status": "queued", "reason": "", "version": ""}
        return {"job": job, "job_status": "unknown", "reason": "There is no record of this job.", "version": ""}
