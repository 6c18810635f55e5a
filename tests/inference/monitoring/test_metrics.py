import logging
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from inference.web.request_log import HEADER, RequestIds
from shared.retraining.active_run import begin_run
from shared.store.opening import open_storage
from tests.inference.conftest import VALUES, Publish, Serve, batch


def samples(client: TestClient) -> dict[str, float]:
    """Samples of /metrics by name and labels as written, after a look at the store."""
    client.get("/ui/index.json")
    found = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_names_are_ours_and_requests_are_counted_by_route_and_result(serve: Serve) -> None:
    with serve() as client:
        client.get("/health")
        client.get("/nowhere/at/all")
        client.post("/predict", content=b"no json")
        found = samples(client)
    assert all(name.startswith("tss_") for name in found)
    assert found["tss_requests_total{result=2xx,route=/health}"] == 1
    assert found["tss_requests_total{result=4xx,route=other}"] == 1
    assert found["tss_requests_total{result=4xx,route=/predict}"] == 1
    assert found["tss_requests_in_flight"] == 1  # this one


def test_tasks_are_counted_by_outcome_and_reason_and_rows_are_summed(serve: Serve, publish: Publish) -> None:
    version = publish()
    with serve() as client:
        client.post("/predict", content=batch({"value": VALUES}, {"other": [1]}, {"value": [0.0] * 20}))
        client.post("/predict", content=batch({"value": VALUES}, project="9"))
        found = samples(client)
    assert found["tss_tasks_total{outcome=segments,reason=}"] >= 1
    assert found["tss_tasks_total{outcome=nothing,reason=SeriesError}"] == 1
    assert found["tss_tasks_total{outcome=nothing,reason=UntrainedError}"] == 1
    assert found["tss_rows_total"] == len(VALUES) + 20
    assert found["tss_stage_seconds_count{stage=segment}"] == 2
    assert found["tss_models_loaded"] == 1
    assert found[f"tss_model_info{{project=3,version={version}}}"] == 1


def test_events_are_counted_under_known_names_only(serve: Serve) -> None:
    with serve() as client:
        for action in ("ANNOTATION_CREATED", "BRAND_NEW", "BRAND_NEWER"):
            client.post("/webhook", json={"action": action, "project": {"id": 3}})
        found = samples(client)
    assert found["tss_webhook_events_total{action=ANNOTATION_CREATED}"] == 1
    assert found["tss_webhook_events_total{action=other}"] == 2
    assert found["tss_updates_waiting{project=3}"] == 1


def test_a_run_that_ends_is_counted_once(serve: Serve, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.monitoring.project_status.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("inference.monitoring.project_status.SHARE", 1e9)
    storage = open_storage(str(model_dir))
    with serve() as client:
        client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}})
        samples(client)
        with begin_run(storage, 3, launcher="test", host="here") as run:
            assert samples(client)["tss_run_active{project=3}"] == 1
            run.end("failed", exit_code=75, reason="Label Studio is away.")
        samples(client)
        found = samples(client)
    assert found["tss_runs_total{outcome=failed}"] == 1
    assert found["tss_run_seconds_count"] == 1
    assert found["tss_run_failures{project=3}"] == 1


def test_credentials_guard_metrics(serve: Serve) -> None:
    with serve(basic_auth_user="ann", basic_auth_pass="secret") as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", auth=("ann", "secret")).status_code == 200


def test_the_secret_path_is_never_a_label(serve: Serve) -> None:
    secret = "0123456789abcdefXYZ"
    with serve(webhook_secret=secret) as client:
        client.get(f"/{secret}/health")
        client.get(f"/{secret}x/health")
        text = client.get("/metrics").text
    assert secret not in text
    assert re.search(r'tss_requests_total\{result="2xx",route="/health"\} 1', text)


def test_log_lines_of_a_request_carry_its_number(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(RequestIds())
    with serve() as client, caplog.at_level(logging.INFO):
        answer = client.post("/predict", content=batch({"value": VALUES}), headers={HEADER: "from-my-proxy"})
        client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}}, headers={HEADER: "e-1"})
    assert answer.headers[HEADER] == "from-my-proxy"
    numbers = {record.message: getattr(record, "request", "") for record in caplog.records}
    assert numbers["Event ANNOTATION_CREATED."] == "e-1"
    assert any(message.startswith("No segments") and number == "from-my-proxy" for message, number in numbers.items())


def test_a_number_with_strange_characters_is_replaced(serve: Serve) -> None:
    with serve() as client:
        assert re.fullmatch("[0-9a-f]{16}", client.get("/health", headers={HEADER: "a b<c>"}).headers[HEADER])
