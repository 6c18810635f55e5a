"""Background threads, and whether the server is ready for requests."""

import logging
import threading
from collections.abc import Callable

from inference.monitoring.label_studio_monitor import LabelStudioMonitor
from inference.monitoring.project_status import StatusCollector
from inference.monitoring.task_table import TaskTable
from inference.serving.model_cache import ModelCache
from shared.errors import NoStoreError, SegmenterError, StoreError
from shared.supervision import beat, hanging, supervised

CLOSE_SECONDS = 5.0  # for the last write of the table of tasks
STORE_SECONDS = 2.0  # until a store that could not be read since the start is read again
NO_STORE = "the folder of the model store is not the store; its volume does not seem to be mounted, see the log"
SWAP_SECONDS = 0.5  # how often models in use are compared with the store

log = logging.getLogger(__name__)


class BackgroundLoops:
    """Imports slow libraries, swaps models, monitors Label Studio, keeps tasks: between `start` and `close`."""

    def __init__(
        self,
        models: ModelCache,
        monitor: LabelStudioMonitor,
        tasks: TaskTable,
        statuses: StatusCollector,
        *,
        read_store: Callable[[], object],
        check_store: Callable[[], None],
    ) -> None:
        """`read_store`: reads something of the store, raises StoreError if it cannot; `check_store`: Storage.check."""
        self._models = models
        self._read_store, self._check_store = read_store, check_store
        self._store_error = ""
        self._no_store = False
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._tasks = supervised("tasks", lambda: tasks.run(self._closing), self._closing)
        self._threads = [
            supervised("warm-up", self._warm_up, self._closing),
            supervised("swap", self._swap_models, self._closing),
            supervised("label-studio", lambda: monitor.run(self._closing), self._closing),
            supervised("statuses", lambda: statuses.run(self._closing), self._closing),
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
        if self._ready.is_set():
            return ""
        if self._no_store:
            return f"starting: {NO_STORE}"
        if self._store_error:
            return "starting: the model store could not be read since the start, see the log"
        return "starting: libraries are being loaded and the store is read"

    def hanging(self) -> dict[str, float]:
        """Background threads of this server that stand still, and for how long [s]."""
        return hanging(threading.enumerate())

    def hanging_problem(self) -> str:
        """That threads hang, "" if none does: what they do is not done, and a restart is the remedy."""
        names = ", ".join(f"{name} for {seconds:.0f} s" for name, seconds in sorted(self.hanging().items()))
        return f"background threads hang ({names}): restart this server, and report it" if names else ""

    def store_problem(self) -> str:
        """That the store is not there, "" if it is. For anybody: the log and the pages name the folder."""
        return NO_STORE if self._no_store else ""

    def _warm_up(self) -> None:
        """Import what only reading recordings needs, and read the store once: before /readyz is ready.

        A server that has never read its store has wrong credentials or a wrong address: it must not replace one that
        works. Once it has, it stays ready while the store is away: models in memory go on serving.
        """
        import pandas  # noqa: F401

        while not self._closing.is_set():
            try:
                self._read_store()
                self._no_store = False
                break
            except StoreError as error:
                if str(error) != self._store_error:
                    log.error("Not ready: %s", error)
                self._store_error, self._no_store = str(error), isinstance(error, NoStoreError)
                self._closing.wait(STORE_SECONDS)
        self._ready.set()

    def _look_for_store(self) -> None:
        """See whether the folder is still the store; models in memory go on serving where it is not."""
        try:
            self._check_store()
        except NoStoreError as error:
            if not self._no_store:
                log.error("%s Models in memory go on serving; nothing is trained.", error)
            self._no_store = True
        except SegmenterError:
            return  # said by those that need it
        else:
            self._no_store = False

    def _swap_models(self) -> None:
        while not self._closing.wait(SWAP_SECONDS):
            beat(SWAP_SECONDS)
            try:
                self._look_for_store()
                self._models.refresh()
            except Exception:
                log.exception("Unexpected error while looking for new models; trying again.")
