"""The API as an OpenAPI 3.1 document, from the same types that decode requests and encode answers."""

from collections.abc import Mapping
from typing import Any

import msgspec

from inference.serving.protocol import PredictCall, Prediction, SetupCall, Task
from inference.status.overview import Overview
from inference.status.project_contents import ProjectPage
from inference.status.tasks_page import FILTERS, SORTS, TasksPage
from inference.version import program_version

TEMPLATE = "#/components/schemas/{name}"
NUMBER = {"type": "integer", "minimum": 0}


class ErrorResponse(msgspec.Struct):
    """Body of every error response."""

    error: str


class EventCall(msgspec.Struct):
    """Body of POST /webhook: Label Studio's, of which these fields matter."""

    action: str
    project: dict[str, Any] | int | str | None = None
    annotation: dict[str, Any] | None = None
    annotations: list[dict[str, Any]] | None = None
    task: dict[str, Any] | None = None
    tasks: list[dict[str, Any]] | None = None


class ProjectCall(msgspec.Struct):
    """Body of POST /train."""

    project: int | str


class JobCall(msgspec.Struct):
    """Body of POST /job_status."""

    job: str


class ConfigCall(msgspec.Struct):
    """Body of POST /validate."""

    config: str


TYPES = (
    PredictCall, Task, Prediction, SetupCall, EventCall, ProjectCall, JobCall, ConfigCall, ErrorResponse, Overview,
    ProjectPage, TasksPage,
)  # fmt: skip


def document() -> dict[str, Any]:
    """The whole document."""
    _, components = msgspec.json.schema_components(TYPES, ref_template=TEMPLATE)
    components["PredictCall"]["properties"]["tasks"]["items"] = _ref("Task")
    components["PredictCall"]["properties"]["params"] = {"type": "object"}
    components["Task"]["properties"]["data"] = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Time Series Segmenter for Label Studio",
            "version": program_version(),
            "description": "Routes for Label Studio, routes for operators' tools, and the pages as JSON.",
        },
        "components": {"schemas": components, "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
        "paths": _paths(),
    }


def _paths() -> dict[str, Any]:
    answers = {"type": "object", "properties": {"results": _list({"anyOf": [_ref("Prediction"), _list({})]})}}
    project = _query("project", NUMBER, "Id of a project; all without it.")
    listed = [
        _query("page", NUMBER, "Number of the page, from 1."),
        _query("search", {"type": "string"}, "Part of a title or number."),
    ]
    return {
        "/health": {"get": _get("Alive, as Label Studio expects it", _strings("status", "model_class", "version"))},
        "/livez": {"get": _get("Alive", _strings("status"))},
        "/readyz": {"get": _get("Ready for requests, else why not", _strings("status"), failures=("503",))},
        "/setup": {"post": _post("Which version would answer", "SetupCall", _strings("model_version"))},
        "/predict": {"post": _post("Segments for a batch of tasks, in their order", "PredictCall", answers)},
        "/webhook": {"post": _post("An event", "EventCall", _strings("status", "job"), status="201")},
        "/versions": {
            "get": {**_get("Kept versions, newest first", _versions()), "parameters": [project]},
            "post": {**_get("The same", _versions()), "parameters": [project]},
        },
        "/train": {"post": _post("Train a project", "ProjectCall", _strings("status", "job"), status="201")},
        "/job_status": {
            "get": {
                **_get("Status of a START_TRAINING", _strings("job", "job_status", "reason", "version")),
                "parameters": [_query("job", {"type": "string"}, "Id of the job.", required=True)],
            },
            "post": _post("The same", "JobCall", _strings("job", "job_status", "reason", "version")),
        },
        "/is_training": {
            "get": {
                **_get("Whether a run is in progress", {"type": "object"}),
                "parameters": [_query("project", NUMBER, "Id of a project.", required=True)],
            }
        },
        "/validate": {"post": _post("Whether a configuration can be served", "ConfigCall", {"type": "object"})},
        "/metrics": {
            "get": {
                "summary": "Metrics for Prometheus",
                "security": [{}, {"basic": []}],
                "responses": {"200": {"description": "Metrics", "content": {"text/plain": {}}}, "401": _failure()},
            }
        },
        "/ui/index.json": {"get": {**_get("The overview", _ref("Overview")), "parameters": listed}},
        "/ui/projects/{project}.json": {
            "get": {
                **_get("One project", _ref("ProjectPage"), failures=("404",)),
                "parameters": [{"name": "project", "in": "path", "required": True, "schema": NUMBER}],
            }
        },
        "/ui/projects/{project}/tasks.json": {
            "get": {
                **_get("The tasks of one project", _ref("TasksPage"), failures=("404",)),
                "parameters": [
                    {"name": "project", "in": "path", "required": True, "schema": NUMBER},
                    *listed,
                    _query("sort", {"enum": list(SORTS)}, "Field to sort by."),
                    _query("order", {"enum": ["asc", "desc"]}, "Direction."),
                    _query("shown", {"enum": list(FILTERS)}, "Which tasks."),
                ],
            }
        },
    }


def _get(summary: str, schema: Mapping[str, Any], failures: tuple[str, ...] = ()) -> dict[str, Any]:
    """An operation that answers 200 with JSON."""
    return _operation(summary, "200", schema, ("400", "401", "503", *failures))


def _post(summary: str, body: str, schema: Mapping[str, Any], status: str = "200") -> dict[str, Any]:
    """An operation that takes a JSON body of one of TYPES."""
    content = {"application/json": {"schema": _ref(body)}}
    found = _operation(summary, status, schema, ("400", "401", "403", "413", "503"))
    return {**found, "requestBody": {"required": True, "content": content}}


def _operation(summary: str, status: str, schema: Mapping[str, Any], failures: tuple[str, ...]) -> dict[str, Any]:
    success = {"description": summary, "content": {"application/json": {"schema": schema}}}
    return {
        "summary": summary,
        "security": [{}, {"basic": []}],
        "responses": {status: success, **{each: _failure() for each in failures}},
    }


def _failure() -> dict[str, Any]:
    return {"description": "Why not", "content": {"application/json": {"schema": _ref("ErrorResponse")}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": TEMPLATE.format(name=name)}


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _strings(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


def _versions() -> dict[str, Any]:
    return {"type": "object", "properties": {"versions": _list({"type": "string"})}, "required": ["versions"]}


def _query(name: str, schema: Mapping[str, Any], about: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": about}
