"""docs/metrics.md is held against what /metrics answers."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from inference.web.app import create_app
from shared.settings import Settings
from tests.docs.markdown import between, page


def metrics_table(text: str) -> str:
    """The table that docs/metrics.md must hold."""
    lines = ["| metric | kind | meaning |", "|---|---|---|"]
    for family in sorted(text_string_to_metric_families(text), key=lambda each: each.name):
        if not family.name.endswith("_created"):
            name = family.name + {"counter": "_total"}.get(family.type, "")
            lines.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(lines)


def metrics_text(model_dir: str) -> str:
    """What a server over an empty store answers."""
    settings = Settings(model_dir=model_dir, train_launcher="none", reconcile_seconds=0)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        return client.get("/metrics").text


def test_each_metric_is_listed(tmp_path: Path) -> None:
    assert between(page("docs/metrics.md"), "metrics") == metrics_table(metrics_text(str(tmp_path / "models")))
