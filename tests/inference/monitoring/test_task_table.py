import threading
from pathlib import Path

import pytest

from inference.monitoring import task_table
from inference.monitoring.task_table import TaskTable
from shared.store import keys
from shared.store.opening import open_storage
from shared.store.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "models"))


def test_scores_survive_a_restart(storage: Storage) -> None:
    before = TaskTable(storage, clock=lambda: 100.0)
    before.record(3, 7, "v1", 0.25, 2, ["outliers"])
    before.record(3, 8, "v1", None, 0)
    before.write()
    (seven, eight) = TaskTable(storage).tasks(3)
    assert (seven.task, seven.at, seven.score, seven.segments, seven.doubts) == ("7", 100, 0.25, 2, "outliers")
    assert eight.score is None
    assert TaskTable(storage).tasks(4) == []


def test_what_was_noted_is_written_when_the_server_ends(storage: Storage) -> None:
    tasks, closing = TaskTable(storage), threading.Event()
    tasks.record(3, 7, "v1", 0.5, 1)
    closing.set()
    tasks.run(closing)
    assert [each.task for each in TaskTable(storage).tasks(3)] == ["7"]


def test_nothing_is_written_where_nothing_changed(storage: Storage) -> None:
    tasks = TaskTable(storage)
    tasks.record(3, 7, "v1", 0.5, 1)
    tasks.write()
    first = storage.head(keys.tasks(3))
    tasks.write()
    assert storage.head(keys.tasks(3)) == first


def test_servers_over_one_store_keep_the_later_prediction_of_each_task(storage: Storage) -> None:
    one, other = TaskTable(storage, clock=lambda: 100.0), TaskTable(storage, clock=lambda: 200.0)
    one.record(3, 7, "v1", 0.1, 1)
    one.record(3, 8, "v1", 0.1, 1)
    other.record(3, 7, "v2", 0.9, 2)
    other.write()
    one.write()
    assert {each.task: each.version for each in TaskTable(storage).tasks(3)} == {"7": "v2", "8": "v1"}


def test_a_damaged_table_is_replaced(storage: Storage) -> None:
    storage.put(keys.tasks(3), b"not gzip")
    tasks = TaskTable(storage)
    assert tasks.tasks(3) == []
    tasks.record(3, 7, "v1", 0.1, 1)
    tasks.write()
    assert [each.task for each in TaskTable(storage).tasks(3)] == ["7"]


def test_tasks_are_limited_and_projects_used_long_ago_leave_memory_once_stored(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_table, "MOST_TASKS", 5)
    monkeypatch.setattr(task_table, "MOST_HELD", 8)
    tasks = TaskTable(storage)
    for project in (1, 2, 3):
        for task in range(7):
            tasks.record(project, task, "v1", 0.5, 1)
    tasks.write()
    assert sorted(tasks._tasks) == [3]
    assert [each.task for each in tasks.tasks(1)] == ["2", "3", "4", "5", "6"]


def test_a_snapshot_is_the_same_object_until_a_task_changes(storage: Storage) -> None:
    tasks = TaskTable(storage)
    tasks.record(3, 7, "v1", 0.5, 1)
    before = tasks.snapshot(3)
    assert tasks.snapshot(3) is before
    tasks.record(3, 7, "v2", 0.6, 1)
    assert tasks.snapshot(3) is not before
    assert (before.tasks["7"].version, tasks.snapshot(3).tasks["7"].version) == ("v1", "v2")


def test_requests_for_projects_without_a_model_leave_nothing(storage: Storage) -> None:
    tasks = TaskTable(storage)
    for project in range(1000):
        tasks.record(project, 7, "", None, 0)
    tasks.write()
    assert tasks._tasks == {}
    assert storage.keys("runs") == []
