"""A task that is forgotten is nowhere in the store: shown by reading all of it."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.store import keys
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.support.commands import run_inference
from tests.support.published import publish_with_report
from tests.support.synthetic import FAST
from tests.training.conftest import export_to
from training.__main__ import main
from training.planning import plan
from training.planning.recipe import RANGES

NAMES = ("patient-42", "anna example", "task 2 ", 'task 2"', "task 2:", "task 2.")


def personal(tasks: list[dict[str, Any]]) -> None:
    """Task 2 is of a person with a name, and its annotation has a region that cannot be read."""
    tasks[1]["data"] = {"csv_url": "patient-42.csv"}
    tasks[1]["meta"] = {"subject": "Anna Example"}
    bad = json.loads(json.dumps(tasks[1]["annotations"][0]["result"][0]))
    bad["value"]["timeserieslabels"] = ["Gone"]
    tasks[1]["annotations"][0]["result"].append(bad)


def named_in(storage: Storage) -> set[str]:
    """Keys of objects that name task 2, its recording or its subject."""
    found = set()
    for key in storage.keys(""):
        blob = storage.get(key)
        assert blob is not None
        data = gzip.decompress(blob.data) if key.endswith(".gz") else blob.data
        text = data.decode(errors="replace").lower()
        if any(name in text for name in NAMES) or '"task":"2"' in text:
            found.add(key)
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store after two trainings, the first without task 2."""
    folder = tmp_path_factory.mktemp("trained")
    any_model = {"BALANCED_ACCURACY_THRESHOLD": "0", "MIN_CLASS_F1_THRESHOLD": "0", "MODEL_DIR": str(folder / "models")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "recipe_for", lambda kinds: replace(RANGES, least_steps=5))
        for name, value in {**FAST, **any_model}.items():
            patch.setenv(name, value)
        for number, change in enumerate((lambda tasks: tasks.pop(1), personal)):
            tasks, config = export_to(folder / f"export-{number}", 4, change=change)
            (tasks.parent / "2.csv").rename(tasks.parent / "patient-42.csv")
            assert main(["run", "--project", "7", "--tasks", str(tasks), "--label-config", str(config)]) == 0
    return folder / "models"


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Storage:
    """That store, to be changed."""
    shutil.copytree(trained, tmp_path / "models")
    return open_storage(str(tmp_path / "models"))


def forget(storage: Storage, *more: str) -> dict[str, Any]:
    done = run_inference("forget", "--project", "7", "--task", "2", "--json", *more, MODEL_DIR=storage.address)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_nothing_in_the_store_names_a_forgotten_task(storage: Storage) -> None:
    store = ModelStore(storage)
    newest, oldest = [each.name for each in store.versions(7)]
    before = named_in(storage)
    logs, reports = keys.run(7, "logs", 2, ".txt"), keys.version(7, newest, "report.json")
    assert {logs, reports, keys.version(7, newest, "report.html"), keys.model(7)} <= before
    assert any(key.startswith("fits/7/") for key in before)

    found = forget(storage)
    assert (found["learned"], found["unclear"], found["deleted"]) == ([newest], [], [])
    models = {keys.model(7), keys.weights(7), keys.version(7, newest, "onnx"), keys.version(7, newest, "pt")}
    assert named_in(storage) == models | {keys.operators(7)}
    assert [update.rpartition("/")[2].split(".")[1] for update in storage.keys("updates/7")] == ["FORGET"]

    found = forget(storage, "--versions")
    assert (found["deleted"], found["serves"]) == ([newest], newest)
    assert named_in(storage) == {keys.operators(7)}
    assert [each.name for each in store.versions(7)] == [oldest]
    assert store.current(7) is None
    operators = storage.get(keys.operators(7))
    assert operators is not None
    assert [each["action"] for each in json.loads(operators.data)] == ["forget", "forget"]
    assert "Task 2 is forgotten" in json.loads(operators.data)[1]["sentence"]


def test_other_tasks_keep_what_they_have(storage: Storage) -> None:
    newest = ModelStore(storage).versions(7)[0].name
    before = json.loads(ModelStore(storage).file(7, newest, "report.json") or b"")
    forget(storage)
    after = json.loads(ModelStore(storage).file(7, newest, "report.json") or b"")
    assert sorted(each["task"] for each in after["held_out"]) == ["1", "3", "4"]
    assert after["held_out"] == [each for each in before["held_out"] if each["task"] != "2"]
    assert after["figures"]["estimates"] == before["figures"]["estimates"]
    assert b"<svg" in (ModelStore(storage).file(7, newest, "report.html") or b"")


def test_a_task_that_nothing_names_is_reported_as_such(storage: Storage) -> None:
    done = run_inference("forget", "--project", "7", "--task", "99", MODEL_DIR=storage.address)
    assert (done.returncode, done.stdout.partition(".")[0]) == (0, "Nothing in the store names task 99"), done.stderr


def test_what_was_trained_offline_is_not_asked_to_be_trained_from_label_studio(tmp_path: Path) -> None:
    empty = open_storage(str(tmp_path / "store"))
    publish_with_report(empty, "20260101T000000Z-aaaaaa", project=0)
    done = run_inference("forget", "--project", "0", "--task", "1", MODEL_DIR=empty.address)
    assert "Train again offline, from an export without it." in done.stdout, done.stderr
    assert not list(empty.keys("updates/0"))
