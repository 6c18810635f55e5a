"""Background threads, and whether the server is ready for requests."""

import logging
import threading

from inference.monitoring.label_studio_monitor import LabelStudioMonitor
from inference.monitoring.task_table import TaskTable
from inference.serving.model_cache import ModelCache

CLOSE_SECONDS = 5.0  # for the last write of the table of tasks
SWAP_SECONDS = 0.5  # how often models in use are compared with the store

log = logging.getLogger(__name__)


class BackgroundLoops:
    """Imports slow libraries, swaps models, monitors Label Studio, keeps tasks: between `start` and `close`."""

    def __init__(self, models: ModelCache, monitor: LabelStudioMonitor, tasks: TaskTable) -> None:
        self._models = models
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._tasks = threading.Thread(target=tasks.run, args=(self._closing,), name="tasks", daemon=True)
        self._threads = [
            threading.Thread(target=self._warm_up, name="warm-up", daemon=True),
            threading.Thread(target=self._swap_models, name="swap", daemon=True),
            threading.Thread(target=monitor.run, args=(self._closing,), name="label-studio", daemon=True),
            self._tasks,
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the loops; from now on the server is not ready."""
        self._closing.set()
        if self._tasks.is_alive():
            self._tasks.join(CLOSE_SECONDS)  # it writes once more

    def unready_reason(self) -> str:
        """Why no requests should be sent to this server, "" if it is ready."""
        if self._closing.is_set():
            return "draining: this server is shutting down"
        return "" if self._ready.is_set() else "starting: libraries are being loaded"

    def _warm_up(self) -> None:
        """Import what only reading recordings needs: after /health answers, before /readyz does."""
        import pandas  # noqa: F401

        self._ready.set()

    def _swap_models(self) -> None:
        while not self._closing.wait(SWAP_SECONDS):
            try:
                self._models.refresh()
            except Exception:
                log.exception("Unexpected error while looking for new models; trying again.")
