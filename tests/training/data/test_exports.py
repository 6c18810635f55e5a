"""What Label Studio exports, what people write by hand, and where the recordings lie."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import RefusedError, SeriesError, TrainingDataError
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.net.connections import Connections
from shared.settings import Settings
from tests.support.web_server import answer, serve
from training.data.exports import OfflineSource, read_export

CSV = b"time,value\n0,1\n"


def exported(**annotation: Any) -> dict[str, Any]:
    """A task as Label Studio 1.23.2 exports it (format JSON)."""
    return {
        "id": 7,
        "annotations": [
            {
                "id": 3,
                "completed_by": 1,
                "result": [],
                "was_cancelled": False,
                "ground_truth": True,
                "created_at": "2026-11-24T03:12:04.060336Z",
                "updated_at": "2026-11-24T03:12:05.060367Z",
                "draft_created_at": None,
                "lead_time": None,
                "prediction": {},
                "result_count": 1,
                "unique_id": "9b1f8f7c-0c5a-4b39-9f9e-7ad0e0c4f3f1",
                "task": 7,
                "project": 1,
                **annotation,
            }
        ],
        "file_upload": "8687c5c4-two.csv",
        "drafts": [],
        "predictions": [],
        "data": {"csv_url": "/data/upload/1/8687c5c4-two.csv"},
        "meta": {"subject": "a"},
        "total_annotations": 1,
        "updated_by": 1,
    }


def write(folder: Path, content: Any) -> Path:
    path = folder / "tasks.json"
    path.write_text(json.dumps(content))
    return path


def source(folder: Path, data_root: str = "", **settings: Any) -> OfflineSource:
    chosen = Settings(**settings)
    connections = Connections()
    return OfflineSource(folder, Fetcher(chosen, Credentials(chosen, connections), connections), data_root)


def test_an_export_of_label_studio_is_read(tmp_path: Path) -> None:
    found = read_export(write(tmp_path, [exported()]), "f")
    (task,) = found.tasks
    assert (task.id, task.data, task.meta) == (7, {"csv_url": "/data/upload/1/8687c5c4-two.csv"}, {"subject": "a"})
    assert task.annotations[0].ground_truth
    assert task.annotations[0].updated_at == found.snapshot.newest == "2026-11-24T03:12:05.060367+00:00"


def test_tasks_without_annotations_and_skipped_ones_are_left_out(tmp_path: Path) -> None:
    tasks = [
        exported(was_cancelled=True),
        {"id": 8, "data": {"csv_url": "a"}},
        {"id": 9, "data": {}, "annotations": []},
    ]
    assert read_export(write(tmp_path, tasks), "f").tasks == []


def test_a_list_written_by_hand_needs_no_numbers_and_no_times(tmp_path: Path) -> None:
    tasks = [{"data": {"x": "a.csv"}, "annotations": [{"result": []}, {"result": []}]}, {"data": {"x": "b.csv"}}]
    found = read_export(write(tmp_path, tasks), "f")
    assert [(task.id, [each.id for each in task.annotations]) for task in found.tasks] == [(1, [1, 2])]
    tasks[0]["annotations"][0]["result"] = [{"id": "r"}]  # type: ignore[index]
    assert read_export(write(tmp_path, tasks), "f").snapshot.digest != found.snapshot.digest


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"tasks": []}, "holds a dict"),
        ([{"id": 1, "csv_url": "a", "label": [], "annotator": 1, "annotation_id": 1}], "JSON_MIN"),
        ([{"csv_url": "a"}], "has no data or annotations"),
        ([5], "has no data or annotations"),
        ([{"data": {}, "annotations": 5}], "Task 1 of the export"),
        ([{"data": {}, "annotations": [5]}], "Task 1 of the export"),
        ([{"data": {}, "annotations": [{"result": 5}]}], "Task 1 of the export"),
        ([{"data": {}, "annotations": [{"result": [], "created_at": "soon"}]}], "Task 1 of the export"),
    ],
)
def test_another_format_is_named(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(TrainingDataError, match=sentence):
        read_export(write(tmp_path, content), "f")


def test_one_malformed_task_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    good = {"id": 1, "data": {"x": "a.csv"}, "annotations": [{"id": 1, "result": []}]}
    odd = {"id": 2, "data": None, "meta": "x", "annotations": [{"id": 2, "result": ["x", {"type": "relation"}]}]}
    found = read_export(write(tmp_path, [good, 7, odd, {"data": {}, "annotations": [17]}]), "f")
    assert [task.id for task in found.tasks] == [1, 2]
    assert len(found.notes) == 2
    assert "Task 2 of the export was skipped" in found.notes[0]


def test_what_is_no_json_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasks.csv").write_text("a,b")
    (tmp_path / "deep.json").write_text("[" * 10**5)
    for name in ("tasks.csv", "deep.json", "none.json"):
        with pytest.raises(TrainingDataError, match=name):
            read_export(tmp_path / name, "f")


def test_recordings_lie_beside_the_export_or_anywhere_by_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "a b.csv").write_bytes(CSV)
    beside = source(tmp_path)
    assert beside.fetch("csv/a b.csv") == CSV
    assert source(Path("/")).fetch(str(tmp_path / "csv" / "a b.csv")) == CSV
    assert beside.fetch({"time": [0]}) == {"time": [0]}
    with pytest.raises(SeriesError, match=r"none\.csv.* cannot be read: No such file"):
        beside.fetch("csv/none.csv")
    with pytest.raises(SeriesError, match="Is a directory"):
        beside.fetch("csv")
    with pytest.raises(SeriesError):
        beside.fetch("a\0b")


def test_recordings_of_label_studio_lie_under_data_root(tmp_path: Path) -> None:
    for place in ("upload/1/8687c5c4-two.csv", "d/a b.csv"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(CSV)
    media = source(Path("/nowhere"), str(tmp_path))
    assert media.fetch("/data/upload/1/8687c5c4-two.csv") == CSV
    assert media.fetch("/data/local-files/?d=d/a%20b.csv") == CSV
    with pytest.raises(RefusedError, match="set DATA_ROOT"):
        source(tmp_path).fetch("/data/upload/1/8687c5c4-two.csv")


@pytest.mark.parametrize(
    "value",
    [
        "/data/upload/../../etc/passwd",
        "/data/upload/%2e%2e/%2e%2e/etc/passwd",
        "/data/local-files/?d=../x",
        "/data/local-files/?d=link/x",
    ],
)
def test_nothing_leads_out_of_data_root(tmp_path: Path, value: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (tmp_path / "x").write_bytes(CSV)
    with pytest.raises(RefusedError, match="leads out of DATA_ROOT"):
        source(tmp_path, str(root)).fetch(value)


def test_a_web_address_is_fetched_under_the_same_rules_as_ever(tmp_path: Path) -> None:
    with serve(lambda asked: answer(CSV)) as web:
        assert source(tmp_path, data_hosts_allowed=("127.0.0.1",)).fetch(web.url + "/a.csv") == CSV
        with pytest.raises(RefusedError, match="DATA_HOSTS_ALLOWED"):
            source(tmp_path).fetch(web.url + "/a.csv")
    with pytest.raises(RefusedError):
        source(tmp_path).fetch("file:///etc/passwd")
    with pytest.raises(RefusedError):
        source(tmp_path).fetch("s3://bucket/a.csv", task_id=1)
