"""Publishing a version in a way that survives crashes, and completing an interrupted publication.

A trainer first writes the version, then its intention into the lease (a conditional write, which only the holder of the
lease can do), then the model that serves, provided that it still is the one to be replaced. Whoever takes over the
lease of a trainer that died or was suspended in between completes the publication before doing anything else. After
that the write of a suspended trainer fails its condition, so two runs never overwrite each other.
"""

from contextlib import suppress

import msgspec

from shared.errors import ConflictError
from shared.labelling.snapshots import Snapshot
from shared.store import keys
from shared.store.storage import Storage, read_record


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """An intention to publish."""

    version: str
    replaces: str  # tag of the model that serves until then, "" if there is none


class RolledBack(msgspec.Struct, frozen=True, kw_only=True):
    """The model that a rollback replaced: its annotations are not trained on again unless asked for."""

    version: str
    snapshot: Snapshot
    at: float  # seconds since the epoch, the store's clock


def put_model(storage: Storage, project: int, data: bytes, replaces: str) -> str:
    """Let `data` serve and return its tag. Raises ConflictError unless `replaces` serves ("": no model)."""
    if replaces:
        return storage.put(keys.model(project), data, if_match=replaces)
    return storage.put(keys.model(project), data, create=True)


def accept(storage: Storage, project: int, version: str) -> None:
    """After a version became the one that serves: unmark it as rejected, copy its weights beside the model."""
    storage.delete([keys.version(project, version, "rejected")])
    found = storage.get(keys.version(project, version, "pt"))
    if found is None:
        storage.delete([keys.weights(project)])
    else:
        storage.put(keys.weights(project), found.data)


def complete(storage: Storage, project: int, commit: Commit) -> None:
    """Complete an intended publication, unless a person rolled back since."""
    rolled_back = read_rolled_back(storage, project)
    candidate = storage.get(keys.version(project, commit.version, "onnx"))
    if candidate is None or (rolled_back is not None and rolled_back.version == commit.version):
        return
    with suppress(ConflictError):
        put_model(storage, project, candidate.data, commit.replaces)
    current = storage.get(keys.model(project))
    if current is not None and current.data == candidate.data:
        accept(storage, project, commit.version)


def read_rolled_back(storage: Storage, project: int) -> RolledBack | None:
    """The model that the last rollback of a project replaced."""
    return read_record(storage, keys.rolled_back(project), RolledBack, "Delete it: the rollback is forgotten then.")
