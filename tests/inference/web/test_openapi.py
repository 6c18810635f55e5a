"""The described API is the one that answers."""

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from starlette.routing import Route
from starlette.testclient import TestClient

from inference.web.app import create_app
from inference.web.openapi import document
from shared.settings import Settings
from tests.inference.conftest import CONFIG, VALUES, Publish, Serve

UNLISTED = {"/", "/delete", "/duplicate_model", "/openapi.json"}  # aliases, refusals, and the document itself


def references(node: Any) -> set[str]:
    """All that a part of the document refers to."""
    if isinstance(node, list):
        return set().union(*(references(each) for each in node))
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(each) for each in node.values()))
    return set()


def test_each_route_is_described_and_nothing_else(serve: Serve) -> None:
    with serve() as client:
        app: Any = client.app
        routes = {
            re.sub(r":\w+", "", route.path)
            for route in app.routes
            if isinstance(route, Route) and not (route.path.startswith("/ui") and not route.path.endswith(".json"))
        }
        described = client.get("/openapi.json").json()["paths"]
    assert routes - UNLISTED - set(described) == {"/ui/projects/{project}/task.json"}
    assert set(described) <= routes


def test_each_reference_leads_somewhere() -> None:
    found = document()
    names = {reference.removeprefix("#/components/schemas/") for reference in references(found)}
    assert names <= set(found["components"]["schemas"])


def test_real_messages_fit_the_described_types(serve: Serve, publish: Publish) -> None:
    publish()
    jsonschema = pytest.importorskip("jsonschema")
    schemas = document()
    with serve() as client:
        client.post("/setup", json={"project": "3", "schema": CONFIG})
        body = {"tasks": [{"id": 1, "data": {"csv_url": {"value": VALUES}}}], "project": "3", "label_config": CONFIG}
        client.post("/predict", json=body)
        pages = {"Overview": "/ui/index.json", "ProjectPage": "/ui/projects/3.json"}
        found = {name: client.get(path).json() for name, path in pages.items()} | {"PredictCall": body}
    for name, message in found.items():
        jsonschema.validate(message, {**schemas, "$ref": f"#/components/schemas/{name}"})


@pytest.fixture
def described(tmp_path: Any) -> Any:
    app = create_app(Settings(model_dir=str(tmp_path), train_launcher="none", reconcile_seconds=0))
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield schemathesis.openapi.from_dict(document()), client


@pytest.mark.parametrize("path", ["/predict", "/setup", "/webhook", "/train", "/job_status", "/validate"])
def test_generated_bodies_never_make_it_fail(described: Any, path: str) -> None:
    schema, client = described
    operation = schema[path]["POST"]
    rules = settings(max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)

    @rules
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        answer = client.post(path, json=case.body)
        assert answer.status_code < 500, answer.text

    send()
