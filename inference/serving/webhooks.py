"""Label Studio's events ► updates. An event is a hint that annotations changed; training reads them itself.

Source: Label Studio 1.23, `webhooks/models.py` (actions); recorded in tests/contract.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from inference.serving.protocol import ProjectRef, RequestError, decode_object, parse_project
from shared.errors import LabelConfigError
from shared.labelling.label_config import LabelConfig, parse_label_config

START_TRAINING = "START_TRAINING"
ANNOTATED = frozenset(
    {
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATIONS_UPDATED",
    }
)
UPDATED = frozenset({"ANNOTATION_UPDATED", "ANNOTATIONS_UPDATED"})
TASKS_DELETED = "TASKS_DELETED"
DELETED = frozenset({"ANNOTATION_DELETED", "ANNOTATIONS_DELETED", TASKS_DELETED})
MOST_DELETED = 1000  # tasks of one event that are looked at: each becomes a request in the store


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as far as training cares."""

    action: str
    project: ProjectRef | None  # None: the event names no project, so it may concern any
    matters: bool
    weight: int = 1  # annotations it carries, by which START_TRAINING_EACH_N_UPDATES counts
    label_config: LabelConfig | None = None  # that PROJECT_UPDATED carries; matters only if it is new
    deleted_tasks: tuple[int, ...] = ()


def parse_event(body: bytes) -> WebhookEvent:
    """The event in a body. Unknown actions are events that do not matter.

    Raises RequestError when the body is not an object or its project is no number.
    """
    payload = decode_object(body)
    action = payload.get("action")
    if not isinstance(action, str) or not action:
        raise RequestError('The event has no "action": expected, for instance, "ANNOTATION_CREATED".')
    project = _project(payload)
    if project is not None and project.id == 0:
        raise RequestError("The event is of project 0; Label Studio counts from 1.")
    if action == "PROJECT_UPDATED":
        return WebhookEvent(action=action, project=project, matters=False, label_config=_label_config(payload))
    weight = _weight(action, payload)
    return WebhookEvent(
        action=action,
        project=project,
        matters=weight > 0,
        weight=max(weight, 1),
        deleted_tasks=_deleted_tasks(payload) if action == TASKS_DELETED else (),
    )


def _weight(action: str, payload: dict[str, Any]) -> int:
    """How many annotations an event adds or removes; 0 if it changes nothing that training reads."""
    annotations = list(_objects(payload, "annotation", "annotations"))
    tasks = list(_objects(payload, "task", "tasks"))
    if action in UPDATED:  # also into a skip: what was learned from it is gone
        return max(len(annotations), 1)
    if action in ANNOTATED:
        return sum(not annotation.get("was_cancelled") for annotation in annotations) if annotations else 1
    if action == "TASKS_CREATED":
        return sum(bool(task.get("is_labeled") or task.get("total_annotations")) for task in tasks) if tasks else 1
    if action in DELETED:
        return max(len(annotations), len(tasks), 1)
    return int(action == START_TRAINING)


def _deleted_tasks(payload: dict[str, Any]) -> tuple[int, ...]:
    ids = (task.get("id") for task in _objects(payload, "task", "tasks"))
    return tuple(each for each in ids if type(each) is int and 0 < each < 10**18)[:MOST_DELETED]


def _objects(payload: dict[str, Any], *keys: str) -> Iterator[dict[str, Any]]:
    """Objects under any of the keys; bulk events hold lists where single ones hold an object."""
    for key in keys:
        value = payload.get(key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield each


def _project(payload: dict[str, Any]) -> ProjectRef | None:
    for project in _objects(payload, "project"):
        found = _reference(project.get("id"))
        if found is not None:
            return ProjectRef(found.id, _epoch(project.get("created_at")))
    if not isinstance(payload.get("project"), dict | list):
        found = _reference(payload.get("project"))
        if found is not None:
            return found
    for each in _objects(payload, "annotation", "annotations", "task", "tasks"):
        found = _reference(each.get("project"))
        if found is not None:
            return found
    return None


def _reference(value: Any) -> ProjectRef | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | str)):
        raise RequestError(f"The project is {str(value)[:80]!r}, but must be a number.")
    return parse_project(value)


def _epoch(created_at: Any) -> str:
    """Creation time as /setup and /predict say it: whole seconds since 1970."""
    try:
        return str(int(datetime.fromisoformat(created_at).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return ""


def _label_config(payload: dict[str, Any]) -> LabelConfig | None:
    for project in _objects(payload, "project"):
        text = project.get("label_config")
        if isinstance(text, str):
            try:
                return parse_label_config(text)
            except LabelConfigError:
                return None  # nothing to train with; the next good configuration has another fingerprint
    return None
