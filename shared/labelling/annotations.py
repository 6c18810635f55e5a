"""Annotations of a task as Label Studio writes them, and which of them count."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.labelling.snapshots import utc_text


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation of a task, with Label Studio's regions as they are."""

    id: int
    result: list[Any]  # regions; what is none is left out and named where they are read
    created_at: str = ""  # UTC, ISO 8601; "" when unknown
    updated_at: str = ""
    ground_truth: bool = False
    was_cancelled: bool = False  # skipped by the annotator


def read_annotation(raw: Mapping[str, Any]) -> Annotation:
    """An annotation as Label Studio's API and exports write it. Raises LookupError, TypeError or ValueError."""
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
    )


def select_annotations(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Ground truths alone where there are any, else all but skipped ones; oldest first, so that later ones override."""
    active = [each for each in annotations if not each.was_cancelled]
    ground_truths = [each for each in active if each.ground_truth]
    return sorted(ground_truths or active, key=lambda each: (each.updated_at or each.created_at, each.id))
