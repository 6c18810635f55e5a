"""The whole story on one machine: an annotation's event, a Job, the trainer as the Job would run it, a new version."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from inference.launchers import kubernetes_api
from inference.web.app import create_app
from shared.settings import Settings
from tests.promises.kubernetes.api_server import CERTIFICATE, NAMESPACE, TOKEN, ApiServer, status
from tests.promises.kubernetes.api_server import serve as serve_api
from tests.promises.kubernetes.rendering import Object, command_line, environment, find, overlay
from tests.support.label_studio import CONFIG, LabelStudioDouble, make_region
from tests.support.paths import ROOT
from tests.support.tokens import TOKEN as LABEL_STUDIO_TOKEN
from tests.support.waiting import wait_until
from tests.support.web_server import serve as serve_web

ROWS = 240
RECORDED = ROOT / "tests" / "contract" / "recorded" / "webhook_annotation_created.json"


def recording(task: int) -> tuple[str, int, int]:
    """A CSV file whose value is high in one range, and that range's first and last row."""
    first, last = 40 + 17 * task, 90 + 23 * task
    rows = (f"{first <= row <= last:d}.{(7 * row) % 10}" for row in range(ROWS))
    return "value\n" + "\n".join(rows), first, last


def annotate(label_studio: LabelStudioDouble, task: int) -> None:
    """Somebody marks the range of a task."""
    _, first, last = recording(task)
    label_studio.annotate(task, result=[make_region(first, last)])


def event() -> dict[str, Any]:
    """What Label Studio sends after that, recorded once."""
    body: dict[str, Any] = json.loads(RECORDED.read_text())["requests"][0]["body"]
    body["project"]["id"] = 1
    return body


def train_as(job: Object, objects: list[Object], deviations: dict[str, str], folder: Path) -> None:
    """Run a Job's command line with the environment that a kubelet would give it."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    variables = environment(container, objects)
    python, *arguments = command_line(container, variables)
    assert python == "python"
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "KUBERNETES_SERVICE_HOST": "10.0.0.1", **variables, **deviations},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def become_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[ApiServer], None]:
    """Makes this process a pod of a cluster."""
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "token").write_text(TOKEN)
    (account / "namespace").write_text(NAMESPACE)
    (account / "ca.crt").write_bytes((CERTIFICATE / "cert.pem").read_bytes())
    monkeypatch.setattr(kubernetes_api, "SERVICE_ACCOUNT", account)

    def become(api: ApiServer) -> None:
        host, _, port = api.url.removeprefix("https://").partition(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)

    return become


def test_an_api_server_in_trouble_costs_no_event_and_no_readiness(
    tmp_path: Path,
    become_pod: Callable[[ApiServer], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("shared.retraining.controller.PASS_SECONDS", 0.02)
    monkeypatch.setattr("inference.launchers.kubernetes.FIRST_WAIT", 0.05)
    objects = overlay("prod-rwx")
    with serve_api(ApiServer(objects)) as api:
        become_pod(api)
        api.fault = lambda request: status(403, "jobs.batch is forbidden")
        variables = find(objects, "ConfigMap", "settings")["data"] | {"MODEL_DIR": str(tmp_path / "models")}
        with TestClient(create_app(Settings.from_environment(variables)), "http://localhost") as client:
            assert client.post("/webhook", json=event()).status_code == 201
            wait_until(lambda: "Trainings cannot be started" in caplog.text)
            wait_until(lambda: client.get("/readyz").status_code == 200)
            assert client.get("/livez").status_code == 200
            said = [each.getMessage() for each in caplog.records if "Trainings cannot" in each.getMessage()]
            assert len(said) == 1
            assert "apply k8s/base/role.yaml" in said[0]
            api.fault = lambda request: None
            wait_until(lambda: "train-1-1" in api.jobs)
            assert client.get("/readyz").status_code == 200


@pytest.mark.slow
def test_from_a_webhook_to_the_next_job(tmp_path: Path, become_pod: Callable[[ApiServer], None]) -> None:
    objects = overlay("prod-rwx")
    label_studio = LabelStudioDouble(recording=lambda task: recording(task)[0])
    for task in range(1, 5):
        annotate(label_studio, task)
    with serve_api(ApiServer(objects)) as api, serve_web(label_studio) as web:
        become_pod(api)
        here = {
            "LABEL_STUDIO_HOST": web.url,
            "LABEL_STUDIO_API_KEY": LABEL_STUDIO_TOKEN,
            "MODEL_DIR": str(tmp_path / "models"),
            "TRAIN_EPOCHS": "20",
        }
        variables = find(objects, "ConfigMap", "settings")["data"] | here
        with TestClient(create_app(Settings.from_environment(variables)), "http://localhost") as client:
            created = datetime.fromisoformat(label_studio.project["created_at"]).timestamp()
            setup = {"project": f"1.{int(created)}", "schema": CONFIG, "hostname": web.url, "access_token": ""}

            def version() -> str:
                return str(client.post("/setup", json=setup).json()["model_version"])

            assert version() == "untrained"
            answered = client.post("/webhook", json=event())
            assert answered.status_code == 201
            assert answered.json()["job"]
            wait_until(lambda: "train-1-1" in api.jobs)
            train_as(api.jobs["train-1-1"], objects, here, tmp_path)
            api.end("train-1-1")
            wait_until(lambda: version() != "untrained")
            first = version()

            asked = {"id": 9, "data": {"csv_url": f"/data/upload/1/{2:08x}-a.csv"}}
            predicted = client.post(
                "/predict", json={"tasks": [asked], "project": setup["project"], "label_config": CONFIG}
            )
            (result,) = predicted.json()["results"]
            assert result["model_version"] == first
            assert [region["value"]["timeserieslabels"] for region in result["result"]] == [["Run"]]

            annotate(label_studio, 5)
            client.post("/webhook", json=event())
            wait_until(lambda: "train-1-2" in api.jobs)
            assert set(api.jobs) == {"train-1-1", "train-1-2"}
            train_as(api.jobs["train-1-2"], objects, here, tmp_path)
            api.end("train-1-2")
            wait_until(lambda: version() != first)
