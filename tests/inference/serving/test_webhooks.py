import json
from typing import Any

import pytest

from inference.serving.protocol import ProjectRef, RequestError
from inference.serving.webhooks import parse_event
from tests.support.paths import RECORDED

PROJECT = {"id": 3, "created_at": "2026-11-23T23:10:39.146007Z"}


def recorded_events() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path.stem, request["body"])
        for path in sorted(RECORDED.glob("*.json"))
        for request in _requests(json.loads(path.read_text()))
        if request["path"] == "/webhook"
    ]


def _requests(record: Any) -> list[dict[str, Any]]:
    return record.get("requests", []) if isinstance(record, dict) else []


def event(**payload: Any) -> bytes:
    return json.dumps({"project": PROJECT, **payload}).encode()


@pytest.mark.parametrize(("name", "body"), recorded_events())
def test_each_recorded_event_is_understood(name: str, body: dict[str, Any]) -> None:
    parsed = parse_event(json.dumps(body).encode())
    assert parsed.action == body["action"]
    assert parsed.project is not None
    assert parsed.project.id == body["project"]["id"]
    assert parsed.matters is not ("skipped" in name or "project_updated" in name)


def test_a_project_is_known_by_number_and_creation_time_as_in_setup() -> None:
    assert parse_event(event(action="START_TRAINING")).project == ProjectRef(3, "1795475439")


@pytest.mark.parametrize(
    ("payload", "matters"),
    [
        ({"action": "ANNOTATION_CREATED", "annotation": {"was_cancelled": False}}, True),
        ({"action": "ANNOTATION_CREATED", "annotation": {"was_cancelled": True}}, False),
        ({"action": "ANNOTATIONS_CREATED", "annotation": [{"was_cancelled": True}, {"was_cancelled": False}]}, True),
        ({"action": "ANNOTATIONS_CREATED", "annotation": [{"was_cancelled": True}]}, False),
        ({"action": "ANNOTATION_UPDATED", "annotation": {"was_cancelled": True}}, True),
        ({"action": "ANNOTATIONS_UPDATED", "annotation": [{"was_cancelled": True}]}, True),
        ({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 3}]}, True),
        ({"action": "TASKS_CREATED", "tasks": [{"id": 1, "is_labeled": False, "total_annotations": 0}]}, False),
        ({"action": "TASKS_CREATED", "tasks": [{"id": 1, "is_labeled": True, "total_annotations": 1}]}, True),
        ({"action": "TASKS_DELETED", "tasks": [{"id": 1}]}, True),
        ({"action": "START_TRAINING"}, True),
        ({"action": "LABEL_LINK_CREATED"}, False),
        ({"action": "SOMETHING_NEW", "annotation": {"id": 1}}, False),
    ],
)
def test_an_event_matters_if_it_changes_what_training_reads(payload: dict[str, Any], matters: bool) -> None:
    assert parse_event(event(**payload)).matters is matters


def test_an_event_without_payload_names_no_project_and_matters() -> None:
    parsed = parse_event(b'{"action":"ANNOTATION_CREATED"}')
    assert parsed.project is None
    assert parsed.matters


def test_a_list_payload_is_read_like_a_single_one() -> None:
    body = {"action": "ANNOTATIONS_CREATED", "annotation": [{"project": 5}], "task": [{"project": 5}], "project": None}
    assert parse_event(json.dumps(body).encode()).project == ProjectRef(5)


def test_a_project_update_carries_its_configuration() -> None:
    config = (
        '<View><TimeSeriesLabels name="l" toName="ts"><Label value="Run"/></TimeSeriesLabels>'
        '<TimeSeries name="ts" valueType="url" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
    )
    changed = config.replace("Run", "Walk")
    first, same, other = (
        parse_event(event(action="PROJECT_UPDATED", project={**PROJECT, "label_config": xml, "title": title}))
        for xml, title in [(config, "a"), (config, "b"), (changed, "a")]
    )
    assert first.label_config
    assert same.label_config
    assert other.label_config
    assert first.label_config.fingerprint == same.label_config.fingerprint != other.label_config.fingerprint
    broken = event(action="PROJECT_UPDATED", project={**PROJECT, "label_config": "<broken"})
    assert parse_event(broken).label_config is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"action":3}', b'{"action":"ANNOTATION_CREATED","project":{"id":"../x"}}', b"\xff"]
)
def test_what_is_no_event_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(RequestError):
        parse_event(body)
