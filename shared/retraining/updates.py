"""Updates, the annotation events not yet trained on: a maildir, `updates/{id}/`, one small object for each.

Any number of writers add objects, none changes them; a run deletes those it started from. The name of an object holds
all its fields, so one listing gives all waiting updates.
"""

import re
from collections.abc import Iterable
from uuid import uuid4

import msgspec

from shared.errors import RefusedError
from shared.store import keys
from shared.store.storage import Storage

START_TRAINING = "START_TRAINING"  # the train button
LABEL_ALIAS = "LABEL_ALIAS"  # a renamed label was confirmed, or a confirmation undone
FORGET = "FORGET"  # the model that serves has learned from a task that is to be forgotten
RECONCILE = "RECONCILE"  # Label Studio's annotations differ from those of the last finished run
_NAME = re.compile(r"updates/(\d+)/(\d{14})\.([A-Z_]{1,64})\.(\d{1,9})\.([0-9A-Za-z-]{1,80})\.json", re.ASCII)
_ACTION = re.compile(r"[A-Z_]{1,64}", re.ASCII)
_JOB = re.compile(r"[0-9A-Za-z-]{1,80}", re.ASCII)


class Update(msgspec.Struct, frozen=True, order=True):
    """An event that may change what the next model learns."""

    at: float  # seconds since the epoch when it arrived, by the clock of the machine it arrived at
    key: str
    project: int
    action: str  # as Label Studio names it, START_TRAINING or RECONCILE
    weight: int  # annotations it stands for
    job: str  # names it towards people: `{project}-{random}`, or the state that a RECONCILE saw


class Updates:
    """The spool of a store."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, project: int, action: str, at: float, *, job: str = "", weight: int = 1) -> Update:
        """Write an update; it is durable when this returns.

        `job` makes it one of its kind: while an equal one waits, that one is returned and nothing is written.
        Raises StoreError if it could not be written, RefusedError if action or job are no plain words.
        """
        if job:
            for update in self.of(project):
                if (update.action, update.job) == (action, job):
                    return update
        job = job or f"{project}-{uuid4().hex[:16]}"
        if not _ACTION.fullmatch(action) or not _JOB.fullmatch(job):
            raise RefusedError(f"An update is named {action[:100]!r}, {job[:100]!r}; expected letters and digits.")
        moment = min(max(int(at * 1000), 0), 10**14 - 1)
        weight = min(max(weight, 1), 10**9 - 1)
        key = f"{keys.updates(project)}/{moment:014d}.{action}.{weight}.{job}.json"
        update = Update(at=moment / 1000, key=key, project=project, action=action, weight=weight, job=job)
        self._storage.put(key, msgspec.json.encode(update))
        return update

    def waiting(self) -> dict[int, list[Update]]:
        """Waiting updates by project, oldest first: one listing, whatever their number."""
        found: dict[int, list[Update]] = {}
        for update in _read(self._storage.keys(keys.updates())):
            found.setdefault(update.project, []).append(update)
        return found

    def of(self, project: int) -> list[Update]:
        """Waiting updates of one project, oldest first."""
        return list(_read(self._storage.keys(keys.updates(project))))

    def remove(self, updates: Iterable[Update]) -> None:
        """Delete exactly these; missing ones are no error."""
        self._storage.delete([update.key for update in updates])


def _read(names: Iterable[str]) -> Iterable[Update]:
    for name in names:
        match = _NAME.fullmatch(name)
        if match:
            project, moment, action, weight, job = match.groups()
            yield Update(
                at=int(moment) / 1000, key=name, project=int(project), action=action, weight=int(weight), job=job
            )
