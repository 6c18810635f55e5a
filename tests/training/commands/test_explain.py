import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.model_file.card import RangeHead
from shared.retraining.accepted_labels import AcceptedLabel, AcceptedLabels
from shared.store.opening import open_storage
from tests.inference.conftest import CONFIG
from tests.support.paths import ROOT
from tests.support.published import LABEL_ERRORS, publish_with_report
from tests.support.store import publish_model
from training.__main__ import main
from training.commands.explain import label_errors

EXAMPLES = ROOT / "examples"


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What is told of some of an example's tasks, with the exit code; the store stays untouched."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))

    def reported(example: str, tasks: list[dict[str, Any]] | None = None) -> tuple[int, dict[str, Any]]:
        folder = EXAMPLES / example
        file = folder / "tasks.json"
        if tasks is not None:
            file = tmp_path / "tasks.json"
            file.write_text(json.dumps(tasks))
            monkeypatch.setenv("DATA_ROOT", str(folder))
        words = ["run", "--explain", "--json", "--tasks", str(file)]
        code = main([*words, "--label-config", str(folder / "label_config.xml")])
        assert not (tmp_path / "models").exists()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, found

    return reported


def test_ranges_are_counted_in_rows_and_instants_in_events(reported: Any) -> None:
    code, found = reported("watch")
    assert code == 0
    assert (found["tasks"], found["recordings"], found["groups"]) == (10, 10, 7)
    assert sum(each["rows"] for each in found["ranges"]) == found["rows"]
    code, found = reported("falls")
    assert code == 0
    assert [each["label"] for each in found["ranges"]] == ["background", "Walk"]
    assert all(each["segments"] > 0 for each in found["instants"])


def test_what_cannot_be_learned_from_is_reported_with_the_reason(reported: Any) -> None:
    tasks = json.loads((EXAMPLES / "watch" / "tasks.json").read_text())[:2]
    for task in tasks:
        task["data"] = {"elsewhere": 1}
    code, found = reported("watch", tasks)
    assert code == 2
    assert "elsewhere" in found["complaint"]


def test_without_json_it_is_written_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    folder = EXAMPLES / "watch"
    words = ["run", "--explain", "--tasks", str(folder / "tasks.json")]
    assert main([*words, "--label-config", str(folder / "label_config.xml")]) == 0
    assert capsys.readouterr().out.endswith("This can be trained on.\n")


def test_a_terminal_that_cannot_show_a_label_gets_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    folder = EXAMPLES / "watch"
    tasks = json.loads((folder / "tasks.json").read_text())[:2]
    tasks[0]["annotations"][0]["result"][0]["value"]["timeserieslabels"] = ["L\u00e4uft \ud83d"]
    for task in tasks:
        task["data"]["csv_url"] = str(folder / task["data"]["csv_url"])
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    words = ["run", "--explain", "--tasks", str(tmp_path / "tasks.json")]
    assert main([*words, "--label-config", str(folder / "label_config.xml")]) == 0
    assert b"'L\\xe4uft " in written.getvalue()


def test_labels_stay_side_by_side_where_the_serving_model_has_them_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def region(first: int, label: str) -> dict[str, Any]:
        value = {"start": first, "end": first + 5, "instant": False, "timeserieslabels": [label]}
        return {"type": "timeserieslabels", "from_name": "label", "to_name": "ts", "value": value}

    places = [(first, ("Run", "Walk")[place % 2]) for place, first in enumerate(range(0, 270, 10))]
    result = [*(region(*each) for each in places), region(0, "Walk")]  # one of 14 overlaps
    values = [float(row % 7) for row in range(280)]
    tasks = [
        {"id": number, "data": {"csv_url": {"value": values}}, "annotations": [{"id": number, "result": result}]}
        for number in (1, 2)
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    (tmp_path / "config.xml").write_text(CONFIG)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))

    def reported() -> list[str]:
        words = ["run", "--explain", "--json", "--tasks", str(tmp_path / "tasks.json")]
        assert main([*words, "--label-config", str(tmp_path / "config.xml")]) == 0
        found: list[str] = json.loads(capsys.readouterr().out)["left_out"]
        return found

    assert not any("predicted side by side" in each for each in reported())
    heads = tuple(RangeHead(labels=(label,), min_rows=(1, 1)) for label in ("Run", "Walk"))
    publish_model(tmp_path / "models", 0, heads=heads)
    assert any("side by side: Run; Walk" in each for each in reported())


def test_annotations_that_look_wrong_are_told_until_they_are_accepted(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "models"))
    assert label_errors(storage, 3) == []
    publish_with_report(storage, "20260101T000000Z-aaaaaa", project=3, label_errors=LABEL_ERRORS)
    wrong, missing = label_errors(storage, 3)
    assert wrong == "Task 1, 60 to 69: wrong label? annotated Run, a model that has not seen it finds Walk."
    assert "annotated nothing" in missing
    right = AcceptedLabel(task="1", first=60, last=69, annotated="Run", decoded="Walk")
    AcceptedLabels(storage).add(3, right, by="ann")
    assert label_errors(storage, 3) == [missing]
