"""Storing updates for training, and waking what waits for them."""

import time

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.project_status import StatusCollector
from shared.retraining.controller import Controller
from shared.retraining.updates import Updates


class UpdateQueue:
    """Adds updates of this server's projects."""

    def __init__(
        self, updates: Updates, controller: Controller, statuses: StatusCollector, activity_log: ActivityLog
    ) -> None:
        self._updates = updates
        self._controller = controller
        self._statuses = statuses
        self._activity_log = activity_log

    def add(self, project: int, action: str, effect: str, *, weight: int = 1) -> str:
        """Write an update and wake the scheduler; `effect` is a sentence for the project's page. Returns the job."""
        update = self._updates.add(project, action, time.time(), weight=weight)
        self._controller.wake(update)
        self._statuses.touch(project)
        self._activity_log.note(project, action, effect)
        return update.job
