"""Events of Label Studio: stored as updates if training would learn from them."""

import logging
from collections.abc import Callable, Mapping, Sequence

from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.metrics import ServerMetrics
from inference.operations.update_queue import UpdateQueue
from inference.serving.protocol import ProjectRef
from inference.serving.webhooks import WebhookEvent
from shared.errors import RecordError, RefusedError, StoreError
from shared.labelling.label_config import LabelConfig
from shared.labelling.renames import with_aliases
from shared.retraining.controller import Controller
from shared.retraining.runs import Runs

log = logging.getLogger(__name__)


class EventRecorder:
    """Operations of POST /webhook."""

    def __init__(
        self,
        queue: UpdateQueue,
        runs: Runs,
        controller: Controller,
        metrics: ServerMetrics,
        activity_log: ActivityLog,
        aliases: Callable[[int], Mapping[str, str]],
        forget: Callable[[int, Sequence[int]], None] | None = None,
    ) -> None:
        """`aliases`: renamed labels of a project that an operator confirmed, which fingerprints of runs hold.

        `forget`: asks for deleted tasks to be forgotten; None where that is not wanted.
        """
        self._forget = forget
        self._queue = queue
        self._runs = runs
        self._controller = controller
        self._metrics = metrics
        self._activity_log = activity_log
        self._aliases = aliases

    def record(self, event: WebhookEvent) -> str:
        """Store an event if it matters, and return its job; "" if it does not matter."""
        log.info("Event %s.", event.action, extra={"project": event.project.id if event.project else None})
        self._metrics.event(event.action)
        if event.project is None:
            if event.matters:
                self._controller.reconcile_soon(*self._controller.projects.ids())
                self._activity_log.note(
                    None, event.action, "It names no project: all projects are compared with Label Studio."
                )
            return ""
        if not (event.matters or self._has_new_config(event.project, event.label_config)):
            self._activity_log.note(event.project.id, event.action, "It changes nothing that training reads.")
            return ""
        if self._controller.is_full(event.project.id):
            raise StoreError(
                f"Project {event.project.id} has not connected, and events of other such projects wait already: "
                "connect it in Label Studio; its annotations are compared then."
            )
        if event.deleted_tasks and self._forget is not None:
            self._forget(event.project.id, event.deleted_tasks)
        counted = f"It counts as {event.weight} and waits" if event.weight > 1 else "It waits"
        effect = f"{counted} for the next training."
        return self._queue.add(event.project.id, event.action, effect, weight=event.weight)

    def _has_new_config(self, project: ProjectRef, config: LabelConfig | None) -> bool:
        """Whether a labelling configuration differs from that of the last finished run.

        While a run is active, it may have read an older or a newer one: only its own is not new.
        """
        if config is None:
            return False
        try:
            fingerprint = with_aliases(config, self._aliases(project.id)).fingerprint
            state = self._runs.state(project.id)
        except (RecordError, RefusedError):  # not known: reconciling will find out
            return False
        if state.active is not None:
            return state.active.snapshot is None or state.active.snapshot.fingerprint != fingerprint
        ended = state.last
        return ended is not None and ended.trained is not None and ended.trained.fingerprint != fingerprint
