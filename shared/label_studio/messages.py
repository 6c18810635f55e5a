"""What Label Studio's API returns, as far as it is read here (checked against 1.23)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from shared.labelling.snapshots import AnnotationState, utc_text


class TokenUser(msgspec.Struct, frozen=True):
    """The user whose token is in use."""

    id: int
    email: str = ""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project as Label Studio's API returns it."""

    id: int
    title: str = ""
    label_config: str = ""
    created_at: str
    model_version: str | None = None  # title of the backend whose predictions are shown, or a version
    evaluate_predictions_automatically: bool = False

    @property
    def created(self) -> str:
        """Creation time as Label Studio writes it after the dot of "id.created" [s since epoch]."""
        return str(int(datetime.fromisoformat(self.created_at).timestamp()))


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """A model connected to a project."""

    url: str
    title: str = ""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where Label Studio sends events."""

    url: str
    is_active: bool = True


class AnnotationTotals(NamedTuple):
    """Counts of a project's annotations and the time of the newest; one request."""

    tasks: int  # annotated ones
    annotations: int  # without skips
    newest: str  # when the newest annotation of the tasks touched last was written; "" without any
    since: str  # no annotation written after this is missed by `newest`; "": none at all


class StatedAnnotation(msgspec.Struct):
    """An annotation in the list of tasks."""

    id: int
    updated_at: str
    was_cancelled: bool | None = False
    ground_truth: bool | None = False


class StatedTask(msgspec.Struct):
    """A task in the list, with its annotations."""

    id: int
    updated_at: str  # also written whenever one of its annotations is
    annotations: list[StatedAnnotation] = []

    def annotation_states(self) -> Iterator[AnnotationState]:
        """Of the annotations that are no skips."""
        for each in self.annotations:
            if not each.was_cancelled:
                yield AnnotationState(self.id, each.id, utc_text(each.updated_at), bool(each.ground_truth))


class AnnotationPage(msgspec.Struct):
    """A page of annotated tasks."""

    tasks: list[StatedTask]
    total: int
    total_annotations: int


class StoredPrediction(msgspec.Struct):
    """A prediction that a task has."""

    model_version: str | None = None


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction with its regions."""

    id: int
    model_version: str | None = None
    result: list[Any] = []


class OpenTask(msgspec.Struct, frozen=True):
    """A task to be predicted, as /predict would receive it."""

    id: int
    data: dict[str, Any]
    meta: dict[str, Any] | None = None
    predictions: list[StoredPrediction] = []


class TaskWithAnnotations(msgspec.Struct, frozen=True):
    """A task with what people marked in it."""

    id: int
    data: dict[str, Any]
    annotations: list[dict[str, Any]] = []
    predictions: list[Any] = []  # objects; show whether people changed what they accepted


class PredictionName(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction without its regions."""

    id: int
    model_version: str | None = None


class MadeFrom(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction that an annotation was made from."""

    parent_prediction: int | None = None


class TaskPredictions(msgspec.Struct, frozen=True, kw_only=True):
    """A task's predictions, and which of them annotations were made from."""

    id: int
    predictions: list[PredictionName] = []
    annotations: list[MadeFrom] = []

    def repeated(self, version: str) -> list[int]:
        """Predictions of `version` beside those that annotations were made from, else beside the first."""
        ours = sorted(each.id for each in self.predictions if each.model_version == version)
        used = {each.parent_prediction for each in self.annotations}
        kept = used.intersection(ours) or set(ours[:1])
        return [each for each in ours if each not in kept]


class PredictionPage(msgspec.Struct):
    """A page of tasks with predictions."""

    tasks: list[TaskPredictions]
    total: int


class UnpredictedTasks(NamedTuple):
    """A page of tasks that lack a prediction."""

    tasks: list[OpenTask]
    looked_at: int  # tasks listed so far, with or without a prediction
    total: int  # tasks to list


class OpenPage(msgspec.Struct):
    """A page of tasks to be predicted."""

    tasks: list[OpenTask]
    total: int = 0


class TaskId(msgspec.Struct, frozen=True):
    """A task by its number."""

    id: int


class IdPage(msgspec.Struct):
    """A page of tasks of which only the ids are asked for."""

    tasks: list[TaskId]
    total: int = 0


class TaskListPage(msgspec.Struct):
    """A page of tasks with their annotations."""

    tasks: list[TaskWithAnnotations]
    total: int | None = None
