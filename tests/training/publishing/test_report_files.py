from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import read_number
from tests.support.synthetic import FAST
from training.__main__ import main
from training.judging.gate import Verdict
from training.judging.references import next_number


@pytest.mark.parametrize("accepted", [True, False])
def test_each_version_of_a_run_has_its_page(
    accepted: bool, tmp_path: Path, write_export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    for name, value in {**FAST, "MODEL_DIR": str(folder), "TRAIN_EPOCHS": "6"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("training.commands.run.pass_gate", lambda *_: Verdict(accepted, "as the test wants"))
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
