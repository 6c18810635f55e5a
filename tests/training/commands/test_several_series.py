"""Two time series with data of their own, three label sets: one version, one answer, by pair."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.__main__ import main as serve_main
from shared.model_file.several import read_cards
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import read_report
from tests.support.label_studio import LabelStudioDouble, make_project
from tests.support.several_series import CONFIG, PAIRS, ROWS, draw, overlap
from tests.support.synthetic import FAST
from tests.support.tokens import TOKEN
from tests.support.web_server import serve
from training.__main__ import main


def recording(task: int) -> str:
    return "a,b\n" + "".join(f"{a:.3f},{b:.3f}\n" for a, b in draw(task)[0])


@pytest.fixture
def label_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelStudioDouble]:
    double = LabelStudioDouble(recording=recording)
    double.projects[1] = {**make_project(), "label_config": CONFIG}
    for task in range(1, 6):
        double.annotate(task, result=draw(task)[2], completed_by=1)
    double.annotate(6, was_cancelled=True)
    for each in double.tasks:
        lux = draw(each["id"])[1].round(3).tolist()
        each["data"]["lux"] = {"time": [10 * row for row in range(len(lux))], "lux": lux}
        each["predictions"] = []
    with serve(double) as web:
        settings = FAST | {"LABEL_STUDIO_HOST": web.url, "LABEL_STUDIO_API_KEY": TOKEN, "MODEL_DIR": str(tmp_path)}
        for name, value in {**settings, "TRAIN_EPOCHS": "60", "HIDDEN_SIZE": "12"}.items():
            monkeypatch.setenv(name, value)
        yield double


def current(folder: Path) -> bytes:
    found = ModelStore(open_storage(str(folder))).current(1)
    assert found is not None
    return found.data


def test_each_series_is_learned_by_a_model_of_its_own_and_predicted_in_one_answer(
    label_studio: LabelStudioDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--project", "1", "--explain", "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert [explained["series"], explained["others"][0]["series"]] == ["acc", "lux"]
    assert main(["run", "--project", "1"]) == 0
    told = capsys.readouterr().out
    assert "Balanced accuracy by label set: activity " in told
    data = current(tmp_path)
    cards = read_cards(data)
    assert [card.label_config.to_name for card in cards] == ["acc", "lux"]
    assert len({card.version for card in cards}) == 1
    assert [card.range_labels for card in cards] == [(("Active",), ("On",)), (("On",),)]
    assert {f"balanced_accuracy ({name})" for name in PAIRS} <= set(cards[0].metrics.estimates)
    stored = ModelStore(open_storage(str(tmp_path))).file(1, cards[0].version, "report.json")
    assert stored is not None
    report = read_report(stored)
    assert [report.series, *(each.series for each in report.others)] == ["acc", "lux"]
    assert report.others[0].held_out[0].rows == ROWS // 2
    html = ModelStore(open_storage(str(tmp_path))).file(1, cards[0].version, "report.html")
    assert html is not None
    assert b"Series lux" in html

    assert serve_main(["preannotate", "--project", "1", "--rate", "1e6", "--json"]) == 0
    (prediction,) = next(task for task in label_studio.tasks if task["id"] == 6)["predictions"]
    for control in PAIRS:
        assert overlap(prediction["result"], draw(6)[2], control) > 0.6, control


def test_a_series_that_cannot_be_learned_stops_no_other_and_keeps_the_model_that_serves_it(
    label_studio: LabelStudioDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAIN_EPOCHS", "20")
    for each in label_studio.tasks:
        for annotation in each["annotations"]:
            annotation["result"] = [one for one in annotation["result"] if one["from_name"] != "light"]
    assert main(["run", "--project", "1"]) == 0
    (alone,) = read_cards(current(tmp_path))
    assert alone.label_config.to_name == "acc"
    assert any("The series 'lux' was not learned" in note for note in alone.metrics.notes)

    for each in label_studio.tasks[:5]:
        label_studio.annotate(each["id"], result=draw(each["id"])[2], completed_by=1)
    assert main(["run", "--project", "1"]) == 0
    both = read_cards(current(tmp_path))
    assert [card.label_config.to_name for card in both] == ["acc", "lux"]

    for each in label_studio.tasks[:5]:
        each["data"]["lux"] = "nothing"
        label_studio.annotate(each["id"], result=draw(each["id"])[2], completed_by=1)
    assert main(["run", "--project", "1"]) == 0
    kept = read_cards(current(tmp_path))
    assert [card.label_config.to_name for card in kept] == ["acc", "lux"]
    assert kept[1].version == both[1].version != kept[0].version
    capsys.readouterr()

    assert serve_main(["preannotate", "--project", "1", "--rate", "1e6", "--json"]) == 0
    answers = {each["id"]: each["predictions"][0] for each in label_studio.tasks if each["predictions"]}
    assert {one["from_name"] for one in answers[6]["result"]} == set(PAIRS)
