"""Forget tasks: asked for by a person, or because Label Studio has deleted them."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from inference.monitoring.task_table import TaskTable
from inference.operations.operator_log import Actor, OperatorLog
from shared.digits import read_digits
from shared.errors import RefusedError, SegmenterError
from shared.label_studio.cache import RecordingCache
from shared.label_studio.client import LabelStudio
from shared.lineage import Forgotten, forget_task
from shared.retraining.updates import FORGET, Updates
from shared.settings import Settings
from shared.store import keys
from shared.store.storage import Storage

PERIOD_SECONDS = 60.0  # between two looks at requests: they wait for the end of a training
LABEL_STUDIO = Actor(name="Label Studio, where the task was deleted")

log = logging.getLogger(__name__)


class Forgetter:
    """Forgets a task everywhere: in the store, in the table of tasks, in CACHE_DIR of this machine."""

    def __init__(self, settings: Settings, storage: Storage, tasks: TaskTable, operators: OperatorLog) -> None:
        self._weight = settings.start_training_each_n_updates
        self._storage = storage
        self._tasks = tasks
        self._operators = operators
        self._updates = Updates(storage)
        self._cache = (
            RecordingCache(Path(settings.cache_dir), settings.cache_max_mb * 2**20) if settings.cache_dir else None
        )

    def forget(self, project: int, task: str, actor: Actor, *, versions: bool = False) -> Forgotten:
        """Forget a task; where the model that serves has learned from it, a training is asked for.

        Raises RefusedError while a training runs, StoreError.
        """
        found = forget_task(self._storage, project, task, versions=versions)
        self._tasks.forget(project, task)
        if self._cache is not None:
            self._cache.clear()  # entries are named by address, which the store does not hold
        if found.serves and project:  # 0 is trained offline, from a file
            self._updates.add(project, FORGET, self._storage.now(), job=f"forget-{task}", weight=self._weight)
        self._operators.record(project, actor, "forget", found.sentence)
        return found


class DeletedTasks:
    """Requests to forget tasks that Label Studio has deleted: durable, done between trainings."""

    def __init__(
        self, storage: Storage, forgetter: Forgetter, label_studio: LabelStudio, wake: Callable[[], None]
    ) -> None:
        """`wake`: the scheduler, after a task is forgotten."""
        self._storage = storage
        self._forgetter = forgetter
        self._label_studio = label_studio
        self._wake = wake
        self._asked = threading.Event()

    def ask(self, project: int, tasks: Sequence[int]) -> None:
        """Write the requests. Raises StoreError."""
        for task in tasks:
            data = msgspec.json.encode({"at": self._storage.now()})
            self._storage.put(keys.forgotten_task(project, task), data)
        self._asked.set()

    def run(self, closing: threading.Event) -> None:
        """Work on requests until `closing`."""
        while not closing.is_set():
            self._asked.clear()
            try:
                self.work()
            except SegmenterError as error:
                log.warning("Deleted tasks could not be forgotten yet: %s", error)
            self._asked.wait(PERIOD_SECONDS)

    def stop(self) -> None:
        """Let `run` see that it is closing."""
        self._asked.set()

    def work(self) -> None:
        """Forget all tasks that are asked for and gone. Raises SegmenterError if the store or Label Studio is away."""
        for key in self._storage.keys(keys.FORGOTTEN_TASKS, deep=False):
            project, _, task = key.rpartition("/")[2].removesuffix(".json").partition(".")
            numbers = read_digits(project), read_digits(task)
            if numbers[0] is not None and numbers[1] is not None and not self._forget(numbers[0], numbers[1]):
                continue
            self._storage.delete([key])

    def _forget(self, project: int, task: int) -> bool:
        """Whether the request is done. An event is a hint that anybody may send: Label Studio is asked."""
        if self._label_studio.task(project, task) is not None:
            log.warning("Task %d is not forgotten: Label Studio still has it.", task, extra={"project": project})
            return True
        try:
            self._forgetter.forget(project, str(task), LABEL_STUDIO)
        except RefusedError:  # a training runs; after it
            return False
        self._wake()
        return True
