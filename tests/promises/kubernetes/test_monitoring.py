"""Alert rules and dashboard ask for metrics that the server really has, by labels that these really carry."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from inference.web.app import create_app
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.opening import open_storage
from tests.promises.kubernetes.rendering import K8S, find, with_components
from tests.support.published import publish_with_report
from tests.support.waiting import wait_until

MONITORING = K8S / "components" / "monitoring"
RULES = [
    rule
    for group in yaml.safe_load((MONITORING / "prometheus-rule.yaml").read_text())["spec"]["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
QUERIES = [
    *((rule["alert"], rule["expr"]) for rule in RULES),
    *((panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]),
]
GROUPED = re.compile(r"(?:by|on) \(([^)]*)\)")
MATCHED = re.compile(r"(tss_[a-z0-9_]+)(?:\{([^}]*)\})?")


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Labels of each sample of a real /metrics, by name; a training is recorded by hand, a counter that never counted
    shows no sample of its own.
    """
    folder: Path = tmp_path_factory.mktemp("models")
    storage = open_storage(str(folder))
    publish_with_report(storage, "20260101T000000Z-aaaaaa")
    Updates(storage).add(3, "ANNOTATION_CREATED", 1.0)
    found: dict[str, set[str]] = {}
    app = create_app(Settings(model_dir=str(folder), train_launcher="none", reconcile_seconds=0))
    with TestClient(app, "http://localhost") as client:
        task = {"id": 1, "data": {"csv_url": {"value": [0.0] * 60}}, "project": 3}
        client.post("/predict", json={"tasks": [task], "project": "3"})
        client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}})
        # a page looks at the store, and waits a second for it: /metrics shows what the last look found
        wait_until(lambda: client.get("/ui/") and "tss_updates_waiting{" in client.get("/metrics").text)
        for family in text_string_to_metric_families(client.get("/metrics").text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    # nothing of these has happened, so they have no samples; their labels stand in inference/monitoring/metrics.py
    return found | {"tss_runs_total": {"outcome"}, "tss_last_success_timestamp_seconds": {"project"}}


@pytest.mark.parametrize(("name", "query"), QUERIES)
def test_each_query_asks_for_metrics_and_labels_that_exist(name: str, query: str, labels: dict[str, set[str]]) -> None:
    asked: set[str] = set()
    known: set[str] = {"le"}
    for metric, matchers in MATCHED.findall(query):
        assert metric in labels, f"{name} asks for {metric}"
        known |= labels[metric]
        asked |= set(re.findall(r"(\w+)(?:=|!=|=~)", matchers))
    for group in GROUPED.findall(query):
        asked |= {label.strip() for label in group.split(",")}
    assert asked <= known
    assert query.count("(") == query.count(")")


def test_no_alert_takes_a_series_that_has_just_begun_for_a_long_state() -> None:
    """A function over time sees only the samples there are; a project has none before it is active. `for` waits."""
    assert not [rule["alert"] for rule in RULES if "_over_time(" in rule["expr"]]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["summary"].endswith(".")
    assert len(rule["annotations"]["runbook"]) > 40
    assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_dashboard_arrives_where_grafana_looks() -> None:
    found = find(with_components("monitoring"), "ConfigMap", "segmenter-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["dashboard.json"]) == DASHBOARD
