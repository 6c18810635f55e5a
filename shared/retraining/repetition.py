"""Would a run only repeat an earlier one? Asked once its annotations are read and before anything is fitted."""

from contextlib import suppress

from shared.errors import ModelError
from shared.labelling.snapshots import Snapshot, same_annotations
from shared.retraining.runs import RunRecord, Runs
from shared.store.models import UNFINISHED, ModelStore
from shared.store.storage import Storage


def is_repetition(storage: Storage, project: int, snapshot: Snapshot) -> bool:
    """Whether the last run was trained on the same annotations, or what serves was. Raises StoreError."""
    store = ModelStore(storage)
    last = Runs(storage).last_ended(project)
    known = [_of_the_one_that_serves(store, project)]
    if last is not None:
        known += [last.trained, _decided(store, project, last)]
    return any(same_annotations(each, snapshot) for each in known if each is not None)


def _of_the_one_that_serves(store: ModelStore, project: int) -> Snapshot | None:
    model_info = store.model_info(project)
    return None if model_info is None else model_info.snapshot


def _decided(store: ModelStore, project: int, last: RunRecord) -> Snapshot | None:
    """What a run was trained on that was killed between its verdict and the record of its end."""
    if not last.version:
        return None
    with suppress(ModelError):
        model = store.load_version(project, last.version)
        if model is not None and store.file(project, last.version, "rejected") != UNFINISHED.encode():
            return model.model_info.snapshot
    return None
