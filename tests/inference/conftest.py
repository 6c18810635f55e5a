"""A running app over a store in a temporary folder, with models that are small but real."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from inference.web.app import create_app
from shared.settings import Settings
from tests.support.store import publish_model
from tests.support.waiting import NEVER_SECONDS

CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="json" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
)
VALUES = [0.0] * 60 + [1.0] * 20 + [0.0] * 100  # Run where the value is high

Publish = Callable[..., str]
Serve = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def publish(model_dir: Path) -> Publish:
    """Publish a model that finds Run in high values and Walk in low ones."""

    def publish(project: int = 3, version: str = "20260101T000000Z-aaaaaa", **changes: Any) -> str:
        publish_model(model_dir, project, version, **changes)
        return version

    return publish


@pytest.fixture
def serve(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Run the app with some settings, and give a client of it. Its pages wait for a look in progress, however long."""
    monkeypatch.setattr("inference.monitoring.project_status.WAIT_SECONDS", NEVER_SECONDS)

    @contextmanager
    def serve(**settings: Any) -> Iterator[TestClient]:
        app = create_app(Settings(model_dir=str(model_dir), train_launcher="none", reconcile_seconds=0, **settings))
        with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
            yield client

    return serve


def batch(*values: Any, project: Any = "3.1795475439", label_config: str | None = CONFIG, **more: Any) -> bytes:
    """Body of /predict with one task for each value of its data's `csv_url`."""
    tasks = [{"id": number, "data": {"csv_url": value}, "project": 3} for number, value in enumerate(values, 1)]
    return json.dumps({"tasks": tasks, "project": project, "label_config": label_config, **more}).encode()
