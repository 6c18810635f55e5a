"""Every request that a real Label Studio 1.23 made of a backend, made again of ours."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from inference.serving.webhooks import parse_event
from tests.inference.conftest import CONFIG, Publish, Serve
from tests.support.paths import RECORDED
from training.__main__ import main
from training.data.tasks import read_task

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


def test_creating_annotations_from_predictions_sends_a_list_and_each_annotation_counts() -> None:
    """With a version chosen, then without one: every prediction that has no annotation yet becomes one."""
    for request in requests_of(RECORDED / "webhook_annotations_created_from_predictions.json"):
        event = parse_event(json.dumps(request["body"]).encode())
        assert (event.action, event.matters, event.weight) == ("ANNOTATIONS_CREATED", True, 2)
        assert event.project is not None
        assert event.project.id == 1


@pytest.mark.parametrize("source", ["api", "export"])
def test_annotations_created_from_predictions_are_known_as_such(source: str) -> None:
    tasks = json.loads((RECORDED / "accepted_predictions.json").read_text())[source]
    found = [read_task(each) for each in tasks]
    assert [[each.machine_made for each in task.annotations] for task in found if task] == [[True, True]] * 2
    for each in tasks:
        each["annotations"][0]["lead_time"] = 3.1  # somebody looked at it and pressed Update
    found = [read_task(each) for each in tasks]
    assert [[each.machine_made for each in task.annotations] for task in found if task] == [[False, True]] * 2


@pytest.mark.parametrize("setting", ["leave-out", "learn"])
def test_an_export_of_accepted_predictions_is_learned_from_only_where_that_is_set(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "tasks.json"
    export.write_text(json.dumps(json.loads((RECORDED / "accepted_predictions.json").read_text())["export"]))
    (tmp_path / "config.xml").write_text(CONFIG)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MACHINE_ANNOTATIONS", setting)
    words = ["run", "--explain", "--json", "--tasks", str(export), "--label-config", str(tmp_path / "config.xml")]
    code, found = main(words), json.loads(capsys.readouterr().out)
    if setting == "learn":
        assert (code, found["recordings"], found["complaint"]) == (0, 2, "")
    else:
        assert (code, found["recordings"]) == (2, 0)
        assert "are predictions accepted without a change" in found["complaint"]
