from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from shared.retraining.accepted_labels import AcceptedLabel, AcceptedLabels
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import LabelError, read_number, read_report
from tests.support.synthetic import FAST
from training.__main__ import main
from training.judging.gate import Verdict
from training.judging.references import next_number, read_card


@pytest.mark.parametrize("accepted", [True, False])
def test_each_version_of_a_run_has_its_page(
    accepted: bool, tmp_path: Path, write_export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    for name, value in {**FAST, "MODEL_DIR": str(folder), "TRAIN_EPOCHS": "6"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("training.commands.series_run.pass_gate", lambda *_: Verdict(accepted, "as the test wants"))
    tasks, label_config = write_export()
    assert main(["run", "--tasks", str(tasks), "--label-config", str(label_config)]) == 0
    store = ModelStore(open_storage(str(folder)))
    (version,) = store.versions(0)
    assert version.accepted == accepted
    page = store.file(0, version.name, "report.html")
    assert page is not None
    assert ("Accepted" if accepted else "Rejected") in page.decode()
    report = store.file(0, version.name, "report.json")
    assert report is not None
    assert read_number(report) == 1
    assert next_number(store, 0) == 2
    drawn = [each for each in ElementTree.fromstring(page).iter("svg") if each.get("class") == "strip"]
    assert len(drawn) == 3


def test_a_region_that_was_deleted_is_listed_until_somebody_says_that_this_is_right(
    tmp_path: Path, write_export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    for name, value in {**FAST, "MODEL_DIR": str(folder), "TRAIN_EPOCHS": "48"}.items():
        monkeypatch.setenv(name, value)
    deleted: list[dict[str, Any]] = []

    def delete(tasks: list[dict[str, Any]]) -> None:
        regions = tasks[2]["annotations"][0]["result"]
        walks = [each for each in regions if each["value"]["timeserieslabels"] == ["Walk"]]
        deleted.append(walks[0]["value"])
        regions.remove(walks[0])

    tasks, label_config = write_export(count=9, change=delete)
    storage = open_storage(str(folder))

    def train() -> list[LabelError]:
        assert main(["run", "--tasks", str(tasks), "--label-config", str(label_config)]) == 0
        model = ModelStore(storage).current(0)
        assert model is not None
        report = ModelStore(storage).file(0, read_card(model.data).version, "report.json")
        assert report is not None
        return [each for each in read_report(report).label_errors if each.task == "3" and each.decoded == "Walk"]

    (error,) = train()
    assert error.kind == "missing"
    assert abs(error.first - deleted[0]["start"]) < 8
    assert abs(error.last - deleted[0]["end"]) < 8
    right = AcceptedLabel(task="3", first=error.first, last=error.last, annotated="", decoded="Walk")
    AcceptedLabels(storage).add(0, right, by="ann")
    assert train() == []
