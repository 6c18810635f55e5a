"""Whether a run would only repeat an earlier one: checked after reading annotations, before fitting."""

from contextlib import suppress

from shared.errors import ModelError
from shared.labelling.snapshots import Snapshot, same_annotations
from shared.retraining.runs import RunRecord, Runs
from shared.store.models import UNFINISHED, ModelStore
from shared.store.storage import Storage


def is_repetition(storage: Storage, project: int, snapshot: Snapshot) -> bool:
    """Whether the last run, or the model that serves, was trained on the same annotations. Raises StoreError."""
    store = ModelStore(storage)
    last = Runs(storage).last_ended(project)
    known = [_snapshot_served(store, project)]
    if last is not None:
        known += [last.trained, _snapshot_of_killed_run(store, project, last)]
    return any(same_annotations(each, snapshot) for each in known if each is not None)


def _snapshot_served(store: ModelStore, project: int) -> Snapshot | None:
    model_info = store.model_info(project)
    return None if model_info is None else model_info.snapshot


def _snapshot_of_killed_run(store: ModelStore, project: int, last: RunRecord) -> Snapshot | None:
    """Snapshot of a run that was killed after publishing or rejecting its model and before recording its end."""
    if not last.version:
        return None
    with suppress(ModelError):
        model = store.load_version(project, last.version)
        if model is not None and store.file(project, last.version, "rejected") != UNFINISHED.encode():
            return model.model_info.snapshot
    return None
