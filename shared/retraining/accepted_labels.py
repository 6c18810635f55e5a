"""Annotations that look wrong to a model and right to a person: `runs/{id}/accepted-labels.json`."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from shared.errors import RefusedError
from shared.store import keys
from shared.store.report import LabelError
from shared.store.storage import Storage, change_record, read_record

MOST = 10_000  # of a project; the oldest go
LONGEST = 1000  # characters of a label or a task
REMEDY = "Delete it: every suspected label error is shown again then."


class AcceptedLabel(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a task whose annotation stays as it is, whatever models say. Labels: "" for none."""

    task: str
    first: int
    last: int
    annotated: str
    decoded: str
    by: str = ""  # for people
    at: float = 0.0  # seconds since the epoch, the store's clock

    def covers(self, error: LabelError) -> bool:
        """Whether it is this that was accepted: the same labels, and rows in common; borders move with every model."""
        same = (self.task, self.annotated, self.decoded) == (error.task, error.annotated, error.decoded)
        return same and self.first <= error.last and error.first <= self.last


class AcceptedLabels:
    """What people have accepted, of a store's projects."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def of(self, project: int) -> list[AcceptedLabel]:
        """All of a project. Raises RecordError if they cannot be read."""
        return read_record(self._storage, keys.accepted_labels(project), list[AcceptedLabel], REMEDY) or []

    def add(self, project: int, label: AcceptedLabel, *, by: str) -> None:
        """Accept an annotation. Raises RefusedError for one that says nothing."""
        if not label.task or label.annotated == label.decoded == "" or not 0 <= label.first <= label.last:
            raise RefusedError("Expected task, first, last, annotated and decoded, as in the list of label errors.")
        if max(map(len, (label.task, label.annotated, label.decoded))) > LONGEST:
            raise RefusedError(f"A task or a label has at most {LONGEST} characters here.")
        added = msgspec.structs.replace(label, by=by, at=self._storage.now())
        self._change(project, lambda known: [*(each for each in known if not _same(each, label)), added][-MOST:])

    def remove(self, project: int, label: AcceptedLabel) -> None:
        """Suspect it again. Raises RefusedError if it was not accepted."""

        def change(known: list[AcceptedLabel]) -> list[AcceptedLabel]:
            rest = [each for each in known if not _same(each, label)]
            if len(rest) == len(known):
                raise RefusedError(f"No such annotation of project {project} was accepted.")
            return rest

        self._change(project, change)

    def _change(self, project: int, change: Callable[[list[AcceptedLabel]], list[AcceptedLabel]]) -> None:
        key = keys.accepted_labels(project)
        change_record(self._storage, key, list[AcceptedLabel], lambda known: change(known or []), REMEDY)


def without_accepted(errors: Iterable[LabelError], accepted: Sequence[AcceptedLabel]) -> list[LabelError]:
    """Suspects that nobody has accepted, in their order."""
    return [error for error in errors if not any(each.covers(error) for each in accepted)]


def _same(one: AcceptedLabel, other: AcceptedLabel) -> bool:
    return msgspec.structs.astuple(one)[:5] == msgspec.structs.astuple(other)[:5]
