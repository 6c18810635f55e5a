"""The one step by which a version becomes the model that serves, and how a step that was cut short is completed.

A trainer that may publish first writes the version, then its intention into the lease (a conditional write: only who
still holds the lease can), then the model that serves, on condition that it is still the one it replaces. Who takes the
lease over from a trainer that died or fell asleep in between completes the step before doing anything else. After that
the sleeper's own write fails its condition, so two runs never publish over each other.
"""

from contextlib import suppress

import msgspec

from shared.errors import ConflictError
from shared.labelling.snapshots import Snapshot
from shared.store import keys
from shared.store.storage import Storage


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """An intention to publish."""

    version: str
    replaces: str  # tag of the model that serves until then, "" if there is none


class TurnedDown(msgspec.Struct, frozen=True, kw_only=True):
    """What a roll back turned down."""

    version: str
    snapshot: Snapshot
    at: float  # seconds since the epoch, the store's clock


def put_model(storage: Storage, project: int, data: bytes, replaces: str) -> str:
    """Make `data` the model that serves and return its tag; ConflictError unless `replaces` serves ("" is none)."""
    if replaces:
        return storage.put(keys.model(project), data, if_match=replaces)
    return storage.put(keys.model(project), data, create=True)


def accept(storage: Storage, project: int, version: str) -> None:
    """Follow up on a version that serves now: it is no rejected one, and its weights lie beside it."""
    storage.delete([keys.version(project, version, "rejected")])
    found = storage.get(keys.version(project, version, "pt"))
    if found is None:
        storage.delete([keys.weights(project)])
    else:
        storage.put(keys.weights(project), found.data)


def complete(storage: Storage, project: int, commit: Commit) -> None:
    """Do what is left of an intended publication, unless somebody has decided otherwise since."""
    turned_down = read_turned_down(storage, project)
    candidate = storage.get(keys.version(project, commit.version, "onnx"))
    if candidate is None or (turned_down is not None and turned_down.version == commit.version):
        return
    with suppress(ConflictError):
        put_model(storage, project, candidate.data, commit.replaces)
    current = storage.get(keys.model(project))
    if current is not None and current.data == candidate.data:
        accept(storage, project, commit.version)


def read_turned_down(storage: Storage, project: int) -> TurnedDown | None:
    """What the last roll back of a project turned down."""
    found = storage.get(keys.turned_down(project))
    return None if found is None else msgspec.json.decode(found.data, type=TurnedDown)
