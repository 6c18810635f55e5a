"""The last prediction of each task of each project, kept in the store: one compact object a project.

It is written at most once a minute, so that a table of tasks survives restarts at a cost that does not grow with
requests. Several servers over one store merge: of a task, the later prediction stays.
"""

import gzip
import logging
import threading
import time
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from shared.errors import ConflictError, SegmenterError
from shared.json_decoding import decode_json
from shared.store import keys
from shared.store.storage import Storage
from shared.supervision import beat

PERIOD_SECONDS = 60.0
MOST_TASKS = 100_000  # of a project: about 1 MB in the store, 30 MB in memory
MOST_HELD = 200_000  # of all projects together; those used longest ago are dropped and read again when asked for
LARGEST = 1 << 26  # bytes of an unpacked object
ATTEMPTS = 3

log = logging.getLogger(__name__)


class TaskRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A task's last prediction."""

    task: str
    at: int  # seconds since the epoch
    version: str
    score: float | None  # None: it got no segments
    segments: int
    doubts: str = ""  # kinds of doubts, separated by spaces

    @property
    def forgotten(self) -> bool:
        """Whether this only keeps other servers, which merge by time, from writing the task again."""
        return not self.version


class TaskSnapshot(NamedTuple):
    """All known tasks of a project at a time; the same object until one changes."""

    tasks: Mapping[str, TaskRecord]


class TaskTable:
    """Thread-safe. `write` is called periodically and at the end."""

    def __init__(self, storage: Storage, clock: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._tasks: dict[int, dict[str, TaskRecord]] = {}  # the project used last at the end
        self._snapshots: dict[int, TaskSnapshot] = {}  # of projects that were looked at, until they change
        self._complete: set[int] = set()  # projects whose stored tasks have been read
        self._changed: set[int] = set()

    def record(
        self,
        project: int,
        task: int | str | None,
        version: str,
        score: float | None,
        segments: int,
        doubts: Collection[str] = (),
    ) -> None:
        """Note a task's prediction; without a score only where the project has others.

        Only a project with a model has answers, so requests that name any number of projects leave nothing here.
        """
        if task is None:
            return
        name = str(task)[:64]
        rounded = None if score is None else round(score, 4)
        kinds = " ".join(dict.fromkeys(doubts))
        found = TaskRecord(name, int(self._clock()), version, rounded, segments, kinds)
        with self._lock:
            if score is None and not self._tasks.get(project):
                return
            tasks = self._use(project)
            tasks.pop(name, None)  # keeps tasks in the order of their last prediction
            tasks[name] = found
            while len(tasks) > MOST_TASKS:
                del tasks[next(iter(tasks))]
            self._changed.add(project)
            self._snapshots.pop(project, None)

    def forget(self, project: int, task: str) -> None:
        """Take a task out of the table and write that at once, so that it holds for other servers too."""
        with self._lock:
            self._use(project)[task] = TaskRecord(task, int(self._clock()) + 1, "", None, 0)
            self._changed.add(project)
            self._snapshots.pop(project, None)
        self.write()

    def snapshot(self, project: int) -> TaskSnapshot:
        """All known tasks of a project, in no particular order."""
        with self._lock:
            known = project in self._complete
        if not known:
            self._load(project)
        with self._lock:
            found = self._snapshots.get(project)
            if found is None:
                found = self._snapshots[project] = TaskSnapshot(
                    {name: each for name, each in self._use(project).items() if not each.forgotten}
                )
            return found

    def tasks(self, project: int) -> list[TaskRecord]:
        """The same, as a list."""
        return list(self.snapshot(project).tasks.values())

    def run(self, closing: threading.Event) -> None:
        """Write periodically until `closing`, and once more then."""
        beat(PERIOD_SECONDS)
        while not closing.wait(PERIOD_SECONDS):
            self.write()
            beat(PERIOD_SECONDS)
        self.write()

    def write(self) -> None:
        """Write the tables that changed."""
        with self._lock:
            changed, self._changed = self._changed, set()
        for project in sorted(changed):
            beat()
            try:
                self._write(project)
            except SegmenterError as error:
                log.warning(
                    "The table of tasks was not stored, and is tried again: %s", error, extra={"project": project}
                )
                with self._lock:
                    self._changed.add(project)
        with self._lock:
            self._drop()

    def _write(self, project: int) -> None:
        with self._writing:
            for _ in range(ATTEMPTS):
                stored, tag = self._read(project)
                with self._lock:
                    merged = self._merge(project, stored)
                data = gzip.compress(msgspec.json.encode(list(merged.values())), compresslevel=4, mtime=0)
                try:
                    if tag is None:
                        self._storage.put(keys.tasks(project), data, create=True)
                    else:
                        self._storage.put(keys.tasks(project), data, if_match=tag)
                    return
                except ConflictError:
                    continue

    def _load(self, project: int) -> None:
        try:
            stored, _ = self._read(project)
        except SegmenterError as error:
            log.warning("The table of tasks cannot be read: %s", error, extra={"project": project})
            return
        with self._lock:
            self._merge(project, stored)

    def _merge(self, project: int, stored: dict[str, TaskRecord]) -> dict[str, TaskRecord]:
        ours = self._use(project)
        merged = dict(stored)
        for name, each in ours.items():
            if name not in merged or merged[name].at <= each.at:
                merged.pop(name, None)
                merged[name] = each
        while len(merged) > MOST_TASKS:
            del merged[next(iter(merged))]
        self._tasks[project] = merged
        self._snapshots.pop(project, None)
        self._complete.add(project)
        return merged

    def _read(self, project: int) -> tuple[dict[str, TaskRecord], str | None]:
        """Stored tasks, and the tag of their object; none where it is damaged, and is replaced."""
        found = self._storage.get(keys.tasks(project))
        if found is None:
            return {}, None
        try:
            unpacked = zlib.decompressobj(wbits=31).decompress(found.data, LARGEST)
            return {each.task: each for each in decode_json(unpacked, list[TaskRecord])}, found.tag
        except (zlib.error, msgspec.DecodeError) as error:
            log.warning("%s cannot be read and is replaced: %s", keys.tasks(project), error)
            return {}, found.tag

    def _use(self, project: int) -> dict[str, TaskRecord]:
        tasks = self._tasks.pop(project, {})
        self._tasks[project] = tasks
        return tasks

    def _drop(self) -> None:
        """Forget projects used longest ago that are stored, beyond MOST_HELD tasks."""
        held = sum(map(len, self._tasks.values()))
        for project in list(self._tasks)[:-1]:
            if held <= MOST_HELD:
                return
            if project not in self._changed:
                held -= len(self._tasks.pop(project))
                self._snapshots.pop(project, None)
                self._complete.discard(project)
