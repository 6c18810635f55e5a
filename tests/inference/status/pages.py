"""What the tests of the pages share: a store, a connected project, a page and its tags."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG

OURS = {"Origin": "http://localhost"}
HTML = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.monitoring.project_status.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("inference.monitoring.project_status.SHARE", 1e9)


@pytest.fixture
def store(model_dir: Path) -> Storage:
    return open_storage(str(model_dir))


def connect(client: TestClient, schema: str = CONFIG) -> None:
    answer = client.post("/setup", json={"project": "3.1795475439", "schema": schema, "hostname": "http://ls.example"})
    assert answer.status_code == 200


def page(client: TestClient, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class Tags(HTMLParser):
    """Collects tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
