"""Every request that a real Label Studio 1.23 made of a backend, made again of ours."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.inference.conftest import Publish, Serve
from tests.support.paths import RECORDED

MESSAGES = sorted(RECORDED.glob("*.json"))
BASIC = {"basic_auth_user": "ann", "basic_auth_pass": "secret"}


def requests_of(path: Path) -> list[dict[str, Any]]:
    record = json.loads(path.read_text())
    return record.get("requests", []) if isinstance(record, dict) else []


def projects_of(path: Path) -> set[int]:
    """Ids of the projects that a record is about."""
    bodies = [request["body"] for request in requests_of(path) if request["body"]]
    named = [body["project"] for body in bodies if isinstance(body.get("project"), str)]
    return {int(name.partition(".")[0]) for name in named} or {3}


def with_requests() -> list[Path]:
    return [path for path in MESSAGES if requests_of(path)]


@pytest.mark.parametrize("path", with_requests(), ids=lambda path: path.stem)
@pytest.mark.parametrize("trained", [False, True], ids=["untrained", "trained"])
def test_each_recorded_request_gets_an_answer_label_studio_can_use(
    path: Path, trained: bool, serve: Serve, publish: Publish
) -> None:
    version = "untrained"
    for project in projects_of(path) if trained else ():
        version = publish(project=project, channels=("sensorone", "sensortwo"))
    with serve(label_studio_host="http://127.0.0.1:1") as client:  # nobody fetches recordings here
        for request in requests_of(path):
            answer = client.request(request["method"], request["path"], json=request["body"])
            assert answer.is_success, (request["path"], answer.text)
            _check(request, answer.json(), version)


def _check(request: dict[str, Any], answer: Any, version: str) -> None:
    match request["path"]:
        case "/health":
            assert answer["status"] == "UP"
        case "/setup":
            assert answer == {"model_version": version}
        case "/predict":
            tasks = request["body"]["tasks"]
            assert len(answer["results"]) == len(tasks)
            interactive = (request["body"].get("params") or {}).get("context")
            assert all(isinstance(each, dict) if interactive else each == [] for each in answer["results"]), answer
        case "/versions":
            assert answer == {"versions": [] if version == "untrained" else [version]}
        case "/webhook":
            assert answer["status"] in ("stored", "ignored")


@pytest.mark.parametrize("path", [path for path in with_requests() if "basic_auth" in path.stem], ids=lambda p: p.stem)
def test_a_recorded_exchange_with_credentials_passes_and_only_annotation_events_may_lack_them(
    path: Path, serve: Serve
) -> None:
    header = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}
    with serve(**BASIC) as client:
        for request in requests_of(path):
            sent = header if "Authorization" in request["headers"] else {}
            answer = client.request(request["method"], request["path"], json=request["body"], headers=sent)
            assert answer.is_success, (request["path"], answer.text)
            bare = client.request(request["method"], request["path"], json=request["body"])
            action = (request["body"] or {}).get("action", "")
            free = request["path"] == "/health" or (request["path"] == "/webhook" and action != "START_TRAINING")
            assert bare.is_success is free
