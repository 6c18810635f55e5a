"""Stores with small real models."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.labelling.snapshots import RULES, Snapshot
from shared.store.lease import take_lease
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.support.graphs import make_model

PROJECT = 3
VERSION = "20260101T000000Z-aaaaaa"


def put_model(
    store: Storage | Path | str, data: bytes, project: int = PROJECT, reports: Mapping[str, bytes] | None = None
) -> None:
    """Publish a model file as a training does. `store` is a store, or its MODEL_DIR."""
    storage = open_storage(str(store)) if isinstance(store, Path | str) else store
    lease = take_lease(storage, project, "test")
    assert ModelStore(storage).publish(lease, data, reports=reports or {}).published
    lease.release()


def publish_model(
    store: Storage | Path | str,
    project: int = PROJECT,
    version: str = VERSION,
    *,
    labels: Sequence[str] = ("Run", "Walk"),
    reports: Mapping[str, bytes] | None = None,
    rules: int = RULES,
    **changes: Any,
) -> bytes:
    """Publish a model that finds the first label in high values and the second in low ones; returns its file.

    Its annotations are as old as its version, and read by `rules`. `changes` replace fields of its card.
    """
    taken_at = f"{datetime.strptime(version.partition('-')[0], '%Y%m%dT%H%M%S%z'):%Y-%m-%dT%H:%M:%S}+00:00"
    snapshot = Snapshot(
        taken_at=taken_at, newest="", tasks=1, annotations=1, digest=version[-6:], fingerprint="", rules=rules
    )
    data = make_model(labels, kind="threshold", project=project, version=version, snapshot=snapshot, **changes)
    put_model(store, data, project, reports)
    return data


def publish_after(store: Storage | Path | str, second: int = 0, project: int = PROJECT) -> str:
    """Publish a model; a later `second` makes a later version. Returns the version."""
    version = f"20260101T0000{second:02d}Z-{second:06x}"
    publish_model(store, project, version)
    return version
