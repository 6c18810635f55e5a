"""Annotations of a task as Label Studio writes them, and which of them count."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shared.labelling.snapshots import utc_text
from shared.settings import Annotators, MachineAnnotations

FROM_PREDICTION = "prediction"  # `last_action` of Label Studio Enterprise


class ParentPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction that an annotation was made from."""

    id: int
    version: str = ""
    result: list[Any] | None = None  # regions; None: not at hand


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation of a task, with Label Studio's regions as they are."""

    id: int
    result: list[Any]  # regions; what is none is left out and named where they are read
    created_at: str = ""  # UTC, ISO 8601; "" when unknown
    updated_at: str = ""
    ground_truth: bool = False
    was_cancelled: bool = False  # skipped by the annotator
    annotator: str = ""  # id or e-mail address; "" when unknown
    machine_made: bool = False  # an accepted prediction that nobody looked at
    parent: ParentPrediction | None = None

    @property
    def prelabelled(self) -> bool:
        """Whether it was made from a prediction: by the annotation itself, or by one of its regions."""
        origins = (each.get("origin") for each in self.result if isinstance(each, Mapping))
        return self.parent is not None or any(str(each).startswith(FROM_PREDICTION) for each in origins)


def read_annotation(raw: Mapping[str, Any], predictions: Mapping[int, Any] | None = None) -> Annotation:
    """An annotation as Label Studio's API and exports write it. Raises LookupError, TypeError or ValueError.

    predictions: results of the task's predictions by id, as far as they are at hand.
    """
    result = raw.get("result") or []
    if not isinstance(result, list):
        raise TypeError(f"a result is {type(result).__name__}, not a list")
    return Annotation(
        id=int(raw["id"]),
        result=result,
        created_at=utc_text(raw.get("created_at")),
        updated_at=utc_text(raw.get("updated_at")),
        ground_truth=bool(raw.get("ground_truth")),
        was_cancelled=bool(raw.get("was_cancelled")),
        annotator=_annotator(raw.get("completed_by")),
        machine_made=is_from_prediction(raw) and not _is_edited(raw, result, predictions or {}),
    )


def results_by_id(predictions: Iterable[Any]) -> dict[int, Any]:
    """Results of a task's predictions; exports may hold their numbers alone, which say nothing."""
    return {each["id"]: each.get("result") for each in predictions if isinstance(each, Mapping) and "id" in each}


def parent_prediction(raw: Mapping[str, Any], predictions: Iterable[Any]) -> ParentPrediction | None:
    """The prediction that an annotation was made from, as far as it is at hand: among those of its task, or in itself.

    Label Studio writes the prediction that a person saw into the annotation, where the project shows one version.
    """
    number = raw.get("parent_prediction")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    for each in (*predictions, raw.get("prediction")):
        if isinstance(each, Mapping) and each.get("id") == number and isinstance(each.get("result"), list):
            return ParentPrediction(id=number, version=str(each.get("model_version") or ""), result=each["result"])
    return ParentPrediction(id=number)


def is_from_prediction(raw: Mapping[str, Any]) -> bool:
    """Whether "Create annotations from predictions" wrote it, as far as the annotation itself shows.

    Nobody looked at such an annotation: Label Studio's page always sends the time that a person took. A ground truth
    is one that a person marked as such.
    """
    if raw.get("parent_prediction") is None or raw.get("ground_truth"):
        return False
    if raw.get("last_action"):
        return bool(raw["last_action"] == FROM_PREDICTION)
    return raw.get("lead_time") is None


def _is_edited(raw: Mapping[str, Any], result: list[Any], predictions: Mapping[int, Any]) -> bool:
    return bool(predictions.get(raw["parent_prediction"], result) != result)


def _annotator(completed_by: object) -> str:
    """Who made an annotation: exports write an id, an address, or an object with both."""
    if isinstance(completed_by, Mapping):
        completed_by = next((completed_by[key] for key in ("id", "email") if completed_by.get(key)), None)
    known = isinstance(completed_by, int | str) and not isinstance(completed_by, bool)
    return str(completed_by).strip() if known else ""


def select_annotations(
    annotations: Sequence[Annotation],
    annotators: Annotators = "majority",
    machine_annotations: MachineAnnotations = "leave-out",
) -> list[Annotation]:
    """The annotations that count, one of each annotator, oldest first.

    Ground truths alone where there are any, else all but skipped ones; of these the latest of each annotator, and an
    annotation whose annotator is unknown counts as one of its own. annotators: `latest` gives the last one of all.
    machine_annotations: `learn` gives machine-made ones where people made none.
    """
    active = [each for each in annotations if not each.was_cancelled]
    by_people = [each for each in active if not each.machine_made]
    candidates = by_people or (active if machine_annotations == "learn" else [])
    ground_truths = [each for each in candidates if each.ground_truth]
    ordered = sorted(ground_truths or candidates, key=lambda each: (each.updated_at or each.created_at, each.id))
    if annotators == "latest":
        return ordered[-1:]
    latest = {each.annotator or f"annotation {each.id}": each for each in ordered}
    return [each for each in ordered if latest[each.annotator or f"annotation {each.id}"] is each]
