"""Tasks that Label Studio has deleted are forgotten, by setting, and only if they are really gone."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from inference.monitoring.task_table import TaskTable
from inference.operations.forgetting import DeletedTasks, Forgetter
from inference.operations.operator_log import Actor, OperatorLog
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.model_file.card import ModelMetrics
from shared.net.connections import Connections
from shared.retraining.active_run import begin_run
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import HeldOut, ReportFile, read_report
from shared.store.storage import Storage
from tests.inference.conftest import Serve
from tests.support.label_studio import LabelStudioDouble
from tests.support.store import publish_model
from tests.support.tokens import TOKEN
from tests.support.waiting import wait_until
from tests.support.web_server import serve as serve_double

VERSION = "20260101T000000Z-aaaaaa"


@pytest.fixture
def storage(model_dir: Path) -> Storage:
    """A store with a model of project 1 that learned from tasks 1 and 2."""
    held_out = tuple(HeldOut(task=each, group=f"task {each}") for each in ("1", "2"))
    metrics = ModelMetrics(how="out-of-fold", recordings=2)
    report = ReportFile(version=VERSION, held_out=held_out, metrics=metrics, learned_from=("1", "2"))
    storage = open_storage(str(model_dir))
    publish_model(storage, 1, VERSION, reports={"report.json": msgspec.json.encode(report)})
    return storage


def held_out(storage: Storage) -> list[str]:
    data = ModelStore(storage).file(1, VERSION, "report.json")
    assert data is not None
    return [each.task for each in read_report(data).held_out]


def deleted_tasks(storage: Storage, url: str, woken: Callable[[], None] = lambda: None) -> DeletedTasks:
    settings = Settings(label_studio_host=url, label_studio_api_key=TOKEN)
    connections = Connections()
    label_studio = LabelStudio(Credentials(settings, connections), connections)
    forgetter = Forgetter(settings, storage, TaskTable(storage), OperatorLog(storage))
    return DeletedTasks(storage, forgetter, label_studio, woken)


def test_a_task_that_is_gone_is_forgotten_and_one_that_is_there_is_not(storage: Storage) -> None:
    label_studio = LabelStudioDouble()
    label_studio.annotate(1)
    woken: list[bool] = []
    with serve_double(label_studio) as web:
        deleted = deleted_tasks(storage, web.url, lambda: woken.append(True))
        deleted.ask(1, [1, 2])
        deleted.work()
    assert held_out(storage) == ["1"]
    assert storage.keys("forget") == []
    assert woken == [True]
    assert [update.action for update in Updates(storage).of(1)] == ["FORGET"]
    (action,) = OperatorLog(storage).actions(1)
    assert (action.action, action.by) == ("forget", "Label Studio, where the task was deleted")


def test_a_request_waits_for_the_end_of_a_training(storage: Storage) -> None:
    with serve_double(LabelStudioDouble()) as web:
        deleted = deleted_tasks(storage, web.url)
        deleted.ask(1, [2])
        with begin_run(storage, 1, launcher="by hand", host="here"):
            deleted.work()
            assert held_out(storage) == ["1", "2"]
        assert storage.keys("forget") == ["forget/1.2.json"]
        deleted_tasks(storage, web.url).work()  # also after a restart
    assert held_out(storage) == ["1"]
    assert storage.keys("forget") == []


@pytest.mark.parametrize("wanted", [True, False])
def test_the_setting_decides(storage: Storage, serve: Serve, wanted: bool) -> None:
    event = {"action": "TASKS_DELETED", "tasks": [{"id": 2}], "project": {"id": 1}}
    with (
        serve_double(LabelStudioDouble()) as web,
        serve(label_studio_host=web.url, label_studio_api_key=TOKEN, forget_deleted_tasks=wanted) as client,
    ):
        assert client.post("/webhook", json=event).status_code in (200, 201)
        if wanted:
            wait_until(lambda: held_out(storage) == ["1"])
    assert held_out(storage) == (["1"] if wanted else ["1", "2"])


def test_a_table_in_memory_does_not_bring_a_task_back(storage: Storage) -> None:
    server, command = TaskTable(storage), TaskTable(storage)
    for task in (1, 2):
        server.record(1, task, VERSION, 0.5, 3)
    server.write()
    settings = Settings()
    Forgetter(settings, storage, command, OperatorLog(storage)).forget(1, "2", Actor(name="somebody"))
    server.record(1, 1, VERSION, 0.6, 3)
    server.write()
    assert [each.task for each in server.tasks(1)] == ["1"]
    assert [each.task for each in TaskTable(storage).tasks(1)] == ["1"]


def test_cached_recordings_go(storage: Storage, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / ("a" * 64 + ".recording")).write_bytes(b"{}\n1,2")
    settings = Settings(cache_dir=str(cache))
    Forgetter(settings, storage, TaskTable(storage), OperatorLog(storage)).forget(1, "2", Actor(name="somebody"))
    assert list(cache.iterdir()) == []
