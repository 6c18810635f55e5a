"""Predictions pushed after a publication: which, when, how often, and which old ones are deleted."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.preannotation import refresh as refresh_module
from inference.preannotation.old_predictions import delete_old
from inference.preannotation.refresh import Refresher, RefreshRecord, read_refresh, refresh_sentence
from inference.serving.model_cache import ModelCache
from shared.errors import SettingsError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.net.connections import Connections
from shared.settings import Settings
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG, VALUES
from tests.support.label_studio import LabelStudioDouble
from tests.support.store import publish_after
from tests.support.tokens import TOKEN
from tests.support.web_server import Asked, Web
from tests.support.web_server import serve as serve_web

TASKS = 120


@pytest.fixture
def label_studio() -> LabelStudioDouble:
    label_studio = LabelStudioDouble()
    label_studio.project["label_config"] = CONFIG
    for number in range(1, TASKS + 1):
        data = {"csv_url": {"value": VALUES}}
        task = {"id": number, "data": data, "predictions": [], "annotations": [], "updated_at": label_studio.tick()}
        label_studio.tasks.append(task)
    for number in (1, 2):
        label_studio.annotate(number)
    return label_studio


@pytest.fixture
def web(label_studio: LabelStudioDouble) -> Iterator[Web]:
    with serve_web(label_studio) as web:
        yield web


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setattr(refresh_module, "RATE", 1e6)
    monkeypatch.setattr("inference.serving.model_cache.REVALIDATE_SECONDS", 0.0)
    storage = open_storage(str(tmp_path / "models"))
    KnownProjects(storage).remember(KnownProject(id=1, label_config=CONFIG))
    return storage


class Server:
    """The part of a server that refreshes."""

    def __init__(self, web: Web, storage: Storage, **options: Any) -> None:
        options = {"refresh_predictions": "all", "predict_threads": 1, **options}
        settings = Settings(label_studio_host=web.url, label_studio_api_key=TOKEN, **options)
        connections = Connections()
        credentials = Credentials(settings, connections)
        models = ModelCache(ModelStore(storage), cache_size=2)
        self.label_studio = LabelStudio(credentials, connections)
        fetcher = Fetcher(settings, credentials, connections)
        self.refresher = Refresher(settings, storage, self.label_studio, fetcher, models)

    def look(self) -> int:
        return self.refresher.look()


def versions(label_studio: LabelStudioDouble) -> Counter[tuple[str, ...]]:
    return Counter(tuple(each["model_version"] for each in task["predictions"]) for task in label_studio.tasks)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """As if these seconds had passed."""
    monkeypatch.setattr(refresh_module, "LEAST_SECONDS", refresh_module.LEAST_SECONDS - seconds)


def test_each_task_gets_one_prediction_of_the_version_that_serves(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    server = Server(web, storage)
    assert server.look() == 0, "there is no model yet"
    version = publish_after(storage, 1, project=1)
    assert server.look() == 1
    assert versions(label_studio) == {(version,): TASKS}
    assert server.look() == 0
    record = read_refresh(storage, 1)
    assert record is not None
    assert (record.outcome, record.pushed, record.deleted) == ("done", TASKS, 0)
    assert refresh_sentence(record) == f"Predictions were refreshed by {version}: {TASKS} pushed."


def test_annotated_tasks_are_left_out_unless_all_are_asked_for(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    version = publish_after(storage, 1, project=1)
    assert Server(web, storage, refresh_predictions="unlabelled").look() == 1
    assert versions(label_studio) == {(version,): TASKS - 2, (): 2}


def test_a_project_is_refreshed_once_an_hour_by_the_newest_version(
    label_studio: LabelStudioDouble, web: Web, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish_after(storage, 1, project=1)
    server = Server(web, storage)
    assert server.look() == 1
    publish_after(storage, 2, project=1)
    third = publish_after(storage, 3, project=1)
    assert server.look() == 0
    later(monkeypatch, 3601)
    assert server.look() == 1
    assert versions(label_studio) == {(first, third): TASKS}


def test_a_refresh_is_given_up_where_another_version_serves(
    label_studio: LabelStudioDouble, web: Web, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish_after(storage, 1, project=1)
    published: list[str] = []

    def publish_meanwhile(asked: Asked) -> None:
        if asked.path.endswith("/import/predictions") and not published:
            published.append(publish_after(storage, 2, project=1))

    label_studio.fault = publish_meanwhile
    server = Server(web, storage)
    server.look()
    assert versions(label_studio) == {(first,): 50, (): TASKS - 50}, "the batch that was being sent"
    record = read_refresh(storage, 1)
    assert record is not None
    assert record.outcome == "given up"
    assert server.look() == 0, "at most one starts an hour"
    later(monkeypatch, 3601)
    assert server.look() == 1
    assert versions(label_studio) == {(first, *published): 50, tuple(published): TASKS - 50}


def test_a_killed_server_continues_at_its_next_start(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    version = publish_after(storage, 1, project=1)
    killed = Server(web, storage)

    def die(asked: Asked) -> None:
        if asked.path.endswith("/import/predictions") and label_studio.imports == 1:
            killed.refresher.close()

    label_studio.fault = die
    killed.look()
    record = read_refresh(storage, 1)
    assert record is not None
    assert record.ended_at is None
    assert Server(web, storage).look() == 1
    assert versions(label_studio) == {(version,): TASKS}


def test_old_predictions_of_ours_are_deleted_only_where_asked_and_never_what_annotations_refer_to(
    label_studio: LabelStudioDouble, web: Web, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for number in (1, 2, 3):
        names.append(publish_after(storage, number, project=1))
        monkeypatch.setattr(refresh_module, "LEAST_SECONDS", 0.0)
        Server(web, storage).look()
    assert versions(label_studio) == {tuple(names): TASKS}
    first, second, third = label_studio.tasks[:3]
    third["drafts"] = [{"id": 1}]
    first["annotations"][0]["parent_prediction"] = first["predictions"][0]["id"]
    second["predictions"].insert(0, {"id": 10**6, "model_version": "20200101T000000Z-aaaaaa", "result": []})
    second["predictions"].insert(0, {"id": 10**6 + 1, "model_version": "another model", "result": []})
    publish_after(storage, 4, project=1)
    Server(web, storage, refresh_delete=True).look()
    left = versions(label_studio)
    kept = (names[2], publish_name(4))
    assert left.pop(kept) == TASKS - 3
    assert left.pop((*names[:2], *kept)) == 1, "somebody is annotating it"
    assert left.pop((names[0], *kept)) == 1, "an annotation was made from it"
    assert left.pop(("another model", "20200101T000000Z-aaaaaa", *kept)) == 1, "other models', and another store's"
    assert not left
    record = read_refresh(storage, 1)
    assert record is not None
    assert record.deleted == 2 * TASKS - 3


def publish_name(second: int) -> str:
    return f"20260101T0000{second:02d}Z-{second:06x}"


def test_nothing_is_deleted_while_there_are_only_two_versions(web: Web, storage: Storage) -> None:
    server = Server(web, storage)
    ours = {publish_name(1), publish_name(2)}
    wait = threading.Event().wait
    assert delete_old(server.label_studio, 1, publish_name(2), ours, rate=1e6, wait=wait) == 0
    rolled_back = {publish_name(each) for each in (1, 2, 3)}
    assert delete_old(server.label_studio, 1, publish_name(1), rolled_back, rate=1e6, wait=wait) == 0


def test_one_project_that_fails_does_not_hold_up_others(
    label_studio: LabelStudioDouble, web: Web, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    KnownProjects(storage).remember(KnownProject(id=2, label_config=CONFIG))
    publish_after(storage, 1, project=2)  # Label Studio has no such project
    KnownProjects(storage).remember(KnownProject(id=3, label_config=CONFIG))
    publish_after(storage, 1, project=1)
    server = Server(web, storage)
    assert server.look() == 1
    assert server.look() == 0
    assert sum("no project 2" in each.message for each in caplog.records) == 1, "said once"
    assert versions(label_studio) == {(publish_name(1),): TASKS}


def test_deleting_without_refreshing_is_refused() -> None:
    with pytest.raises(SettingsError, match="REFRESH_PREDICTIONS is none"):
        Settings.from_environment({"REFRESH_DELETE": "true"})


def test_a_refresh_in_progress_is_told() -> None:
    record = RefreshRecord(version="v", started_at=1.0)
    assert refresh_sentence(record) == "Predictions of v are being pushed to Label Studio."
