"""Who did what: trainings asked for, versions promoted, labels renamed. Kept in the store, shown on the page.

`runs/{id}/operators.json` holds the last actions of a project, whoever did them: on the page, over the network, or on
the command line.
"""

import getpass
import logging
import socket
from contextlib import suppress

import msgspec

from shared.errors import ConflictError, RecordError, SegmenterError
from shared.store import keys
from shared.store.storage import Storage, decode_record

KEPT = 200
ATTEMPTS = 5
REMEDY = "Delete it: the list of actions begins anew then."

log = logging.getLogger(__name__)


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for an action, as far as that is known."""

    name: str  # of the credentials, or what is known instead
    address: str = ""  # IP address, or the machine of a command

    @classmethod
    def of_command(cls) -> "Actor":
        """The person who runs a command."""
        name = "somebody"
        with suppress(OSError, KeyError):  # a user without a name, as in images
            name = getpass.getuser()
        return cls(name=f"{name}, on the command line", address=socket.gethostname()[:100])


NOBODY = Actor(name="somebody")


class OperatorAction(msgspec.Struct, frozen=True, kw_only=True):
    """One action."""

    at: float  # seconds since the epoch, the store's clock
    by: str
    address: str
    action: str  # train, stop, promote, roll-back, alias, unalias, forget
    sentence: str
    undo: dict[str, str] = {}  # fields of the request that takes it back; "action" names it


class OperatorLog:
    """Actions of a store's projects."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def actions(self, project: int) -> list[OperatorAction]:
        """The last actions of a project, newest first. Raises RecordError if they cannot be read."""
        return self._read(project)[0]

    def record(
        self, project: int, actor: Actor, action: str, sentence: str, undo: dict[str, str] | None = None
    ) -> None:
        """Add an action that was done. That it cannot be stored is logged: the action has happened all the same."""
        try:
            self._add(
                project,
                OperatorAction(
                    at=self._storage.now(),
                    by=actor.name[:100],
                    address=actor.address[:100],
                    action=action,
                    sentence=sentence[:500],
                    undo=undo or {},
                ),
            )
        except SegmenterError as error:
            log.warning("Who did this could not be stored: %s: %s", sentence, error, extra={"project": project})
        log.info(
            "%s Asked for by %s from %s.", sentence, actor.name, actor.address or "here", extra={"project": project}
        )

    def _add(self, project: int, action: OperatorAction) -> None:
        for _ in range(ATTEMPTS):
            try:
                known, tag = self._read(project)
            except RecordError:  # damaged: replaced
                known, tag = [], self._tag(project)
            data = msgspec.json.encode([action, *known][:KEPT])
            try:
                if tag is None:
                    self._storage.put(keys.operators(project), data, create=True)
                else:
                    self._storage.put(keys.operators(project), data, if_match=tag)
                return
            except ConflictError:
                continue
        log.warning("Who did this could not be stored, the list kept changing.", extra={"project": project})

    def _tag(self, project: int) -> str | None:
        found = self._storage.head(keys.operators(project))
        return found.tag if found else None

    def _read(self, project: int) -> tuple[list[OperatorAction], str | None]:
        key = keys.operators(project)
        found = self._storage.get(key)
        if found is None:
            return [], None
        return decode_record(self._storage, key, found.data, list[OperatorAction], REMEDY), found.tag
