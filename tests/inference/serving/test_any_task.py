"""Whatever the tasks are: one result each, in order, and never a 5xx."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from inference.web.app import create_app
from shared.settings import Settings
from tests.inference.conftest import CONFIG, VALUES
from tests.support.store import publish_model

VERSION = "20260101T000000Z-aaaaaa"

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
columns = st.dictionaries(st.sampled_from(["value", "time", "VALUE", "x"]), st.lists(leaves, max_size=30) | leaves)
values = (
    anything | columns | st.sampled_from(["", "{", "[1]", "http://127.0.0.1/x.csv", "file:///etc/passwd", "s3://b/x"])
)
sane = st.just({"id": 1, "data": {"csv_url": {"value": VALUES}}})
tasks = st.fixed_dictionaries({"data": st.fixed_dictionaries({"csv_url": values})}, optional={"id": leaves}) | anything
configs = st.none() | st.just(CONFIG) | st.text(max_size=40) | st.just(CONFIG.replace('"value"', '"time"'))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("store")
    publish_model(folder, version=VERSION)
    app = create_app(
        Settings(
            model_dir=str(folder),
            label_studio_host="http://127.0.0.1:1",
            train_launcher="none",
            reconcile_seconds=0,
            fetch_timeout_seconds=1,
        )
    )
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as running:
        yield running


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(tasks, max_size=4), config=configs, last=sane)
def test_any_batch_gets_one_result_a_task_in_order(client: TestClient, batch: Any, config: Any, last: Any) -> None:
    body = json.dumps({"tasks": [*batch, last], "project": "3.17", "label_config": config})
    answer = client.post("/predict", content=body.encode())
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert len(results) == len(batch) + 1
    for each in results:
        assert each == [] or (each["model_version"] == VERSION and isinstance(each["result"], list))
    if config == CONFIG:
        assert len(results[-1]["result"]) == 1


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=anything, path=st.sampled_from(["/predict", "/setup", "/webhook", "/train", "/job_status", "/validate"]))
def test_any_body_gets_an_answer_below_500_with_json_in_it(client: TestClient, body: Any, path: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code < 500, answer.text
    assert isinstance(answer.json(), dict)
