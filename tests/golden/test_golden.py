"""Graphs and stores that released versions wrote are read by this one, or refused with a sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from starlette.testclient import TestClient

from inference.__main__ import main
from inference.web.app import create_app
from shared.errors import ModelError
from shared.model_file.card import SCHEMA
from shared.model_file.onnx_file import add_metadata, read_metadata, seal
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.golden.reading import PROJECTS, contents, predictions

HERE = Path(__file__).parent
RELEASES = sorted(path.parent for path in HERE.glob("*/expected.json"))
SCORE = 0.002  # scores are written with three digits, and processors differ in the fifth


@pytest.fixture(params=RELEASES, ids=lambda path: str(path.name))
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a release's golden files."""
    return Path(shutil.copytree(request.param, tmp_path / "golden"))


def expected(golden: Path) -> Any:
    return json.loads((golden / "expected.json").read_text())


def test_there_are_golden_files() -> None:
    assert RELEASES


def test_a_golden_store_is_read_as_its_version_read_it(golden: Path) -> None:
    assert contents(golden / "store") == expected(golden)["store"]


def test_golden_models_predict_the_same_or_are_refused_with_a_sentence(golden: Path) -> None:
    found = predictions(golden)
    for version, before in expected(golden)["predictions"].items():
        now = found[version]
        if isinstance(now, dict):
            assert len(now["refused"]) > 40
            assert "train" in now["refused"] or "update" in now["refused"]
            continue
        assert before
        assert [[*each[:3], each[4]] for each in now] == [[*each[:3], each[4]] for each in before]
        assert [each[3] for each in now] == pytest.approx([each[3] for each in before], abs=SCORE)


def test_a_server_serves_from_a_golden_store_and_goes_back_and_forward(golden: Path) -> None:
    settings = Settings(model_dir=str(golden / "store"), train_launcher="none", reconcile_seconds=0)
    before = expected(golden)
    with TestClient(create_app(settings), "http://localhost", raise_server_exceptions=False) as client:
        for project in PROJECTS:
            columns = read_columns(golden / f"{project}.csv")
            body = {"project": str(project), "tasks": [{"id": 1, "data": {"csv_url": columns}}]}
            (result,) = client.post("/predict", json=body).json()["results"]
            served = before["store"][str(project)]["serves"]
            assert result["model_version"] == served
            starts = [region["value"]["start"] for region in result["result"]]
            assert starts == [each[0] for each in before["predictions"][served]]
            assert client.get(f"/ui/projects/{project}.json").json()["row"]["title"] == f"Golden {project}"
        assert client.get("/metrics").status_code == 200
    store = ModelStore(open_storage(str(golden / "store")))
    newest = store.versions(3)[0].name
    assert store.roll_back(3, newest) == newest
    current = store.current(3)
    assert current is not None
    assert current.model_info.version == newest


def test_the_commands_read_a_golden_store(
    golden: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(golden / "store"))
    assert main(["models", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {each["version"] for each in listed} == set(expected(golden)["predictions"])
    assert main(["models", "verify"]) == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda card: {**card, "schema": SCHEMA + 1}, "update the program"),
        (lambda card: {**card, "schema": 10**30}, "update the program"),
        (lambda card: {**card, "schema": "2"}, "train"),
        (lambda card: {name: each for name, each in card.items() if name != "heads"}, "train"),
    ],
)
def test_a_card_from_the_future_or_without_what_is_needed_is_refused_with_a_sentence(
    golden: Path, change: Callable[[dict[str, Any]], dict[str, Any]], sentence: str
) -> None:
    data = (golden / "store" / "model_project_3.onnx").read_bytes()
    with pytest.raises(ModelError, match=sentence):
        Segmenter.load(with_card(data, change))


def test_a_field_that_this_version_does_not_know_is_passed_over(golden: Path) -> None:
    data = (golden / "store" / "model_project_3.onnx").read_bytes()
    newer = with_card(data, lambda card: {**card, "something_new": {"of": ["tomorrow"]}})
    assert Segmenter.load(newer).card == Segmenter.load(data).card


def test_records_of_the_future_are_read_as_far_as_they_are_known(golden: Path) -> None:
    for path in [*(golden / "store").rglob("*.json"), *(golden / "store" / "updates").rglob("*.json")]:
        if "report" not in path.name:
            path.write_text(json.dumps(json.loads(path.read_text()) | {"something_new": 1}))
    assert contents(golden / "store") == expected(golden)["store"]


def with_card(data: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """The file with another card, under a right checksum."""
    entries = read_metadata(data)
    model = onnx.load_model_from_string(data)
    del model.metadata_props[:]
    card = json.dumps(change(json.loads(entries["card"])))
    return seal(add_metadata(model.SerializeToString(), {"card": card, "probe": entries["probe"]}))


def read_columns(path: Path) -> dict[str, list[float]]:
    names, *rows = [line.split(",") for line in path.read_text().split()]
    return {name: [float(row[place]) for row in rows] for place, name in enumerate(names)}
