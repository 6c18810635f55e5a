"""CSV ► tasks, as JSON and sent to Label Studio; what `export-labels` and `predict --rows` write comes in again."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference.__main__ import main
from shared.labelling.label_config import parse_label_config
from tests.inference.conftest import Publish
from tests.support import several_series
from tests.support.label_studio import CONFIG, LabelStudioDouble
from tests.support.paths import ROOT
from tests.support.tokens import TOKEN
from tests.support.web_server import serve as serve_web
from training.__main__ import main as train

ROWS = "value,label\n0,\n1,Run\n1,Run\n0,\n1,Run\n"
SEGMENTS = "recording,start,end,label,score\na.csv,1,2,Run,0.9\nb.csv,4,4,Run,0.5\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "config.xml"
    file.write_text(CONFIG)
    return str(file)


@pytest.fixture
def tasks_of(capsys: pytest.CaptureFixture[str]) -> Any:
    """Tasks that the command writes."""

    def tasks_of(*words: str) -> Any:
        assert main(["import-labels", *words]) == 0
        return json.loads(capsys.readouterr().out)

    return tasks_of


def write(folder: Path, text: str, name: str = "a.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def bounds(regions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    values = [each["value"] for each in regions]
    return [(each["start"], each["end"], each["timeserieslabels"], each["instant"]) for each in values]


def test_row_labels_become_an_annotation_that_is_no_ground_truth(tmp_path: Path, config: str, tasks_of: Any) -> None:
    (task,) = tasks_of(write(tmp_path, ROWS), "--label-config", config, "--recording", "s3://bucket/a.csv")
    assert task["data"] == {"csv_url": "s3://bucket/a.csv"}
    (annotation,) = task["annotations"]
    assert annotation["ground_truth"] is False
    assert bounds(annotation["result"]) == [(1, 2, ["Run"], False), (4, 4, ["Run"], False)]
    assert not any("score" in region for region in annotation["result"])


def test_segments_become_predictions_of_each_recording(tmp_path: Path, config: str, tasks_of: Any) -> None:
    words = (write(tmp_path, SEGMENTS), "--label-config", config)
    first, second = tasks_of(*words, "--predictions", "rules-1")
    assert [each["data"]["csv_url"] for each in (first, second)] == ["a.csv", "b.csv"]
    (prediction,) = first["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("rules-1", 0.9)
    assert bounds(prediction["result"]) == [(1, 2, ["Run"], False)]
    assert tasks_of(*words, "--ground-truth")[0]["annotations"][0]["ground_truth"] is True


def test_what_people_say_beside_imported_regions_does_not_send_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    label_studio = LabelStudioDouble()
    file = write(tmp_path, SEGMENTS)
    with serve_web(label_studio) as web:
        monkeypatch.setenv("LABEL_STUDIO_HOST", web.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
        assert main(["import-labels", file, "--project", "1"]) == 0
        for task in label_studio.tasks:
            (annotation,) = task["annotations"]
            about = {**annotation["result"][0], "from_name": "sure", "type": "choices"}
            whole = {"from_name": "quality", "to_name": "ts", "type": "choices", "value": {"choices": ["good"]}}
            annotation["result"] += [{**about, "value": {**about["value"], "choices": ["yes"]}}, whole]
        assert main(["import-labels", file, "--project", "1"]) == 0
    assert "0 of 2 recordings" in capsys.readouterr().out
    assert [len(each["annotations"]) for each in label_studio.tasks] == [1, 1]


def test_a_project_gets_each_recording_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    label_studio = LabelStudioDouble()
    file = write(tmp_path, SEGMENTS)
    with serve_web(label_studio) as web:
        monkeypatch.setenv("LABEL_STUDIO_HOST", web.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
        said = []
        for words in ([], [], ["--predictions", "rules-1"], ["--predictions", "rules-1"]):
            assert main(["import-labels", file, "--project", "1", *words]) == 0
            said.append(capsys.readouterr().out.partition(" were")[0])
        assert said == ["2 of 2 recordings", "0 of 2 recordings"] * 2
        changed = write(tmp_path, SEGMENTS.replace("a.csv,1,2", "a.csv,1,3"))
        assert main(["import-labels", changed, "--project", "1"]) == 0
    assert [each["data"] for each in label_studio.tasks] == [{"csv_url": "a.csv"}, {"csv_url": "b.csv"}]
    assert [len(each["annotations"]) for each in label_studio.tasks] == [2, 1]
    assert [len(each["predictions"]) for each in label_studio.tasks] == [1, 1]
    assert not any(each["ground_truth"] for task in label_studio.tasks for each in task["annotations"])


@pytest.mark.parametrize("example", ["watch", "falls"])
def test_what_is_exported_comes_in_again(
    example: str, tmp_path: Path, tasks_of: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    folder = ROOT / "examples" / example
    config = str(folder / "label_config.xml")
    words = ["--tasks", str(folder / "tasks.json"), "--label-config", config]
    assert train(["export-labels", *words, "--output", str(tmp_path / "labels")]) == 0
    capsys.readouterr()
    files = sorted(str(each) for each in (tmp_path / "labels").glob("*.csv"))  # the index, too
    tasks = tasks_of(*files, "--index", str(tmp_path / "labels" / "recordings.csv"), "--label-config", config)
    original = {each["data"]["csv_url"]: each for each in json.loads((folder / "tasks.json").read_text())}
    assert {each["data"]["csv_url"] for each in tasks} == original.keys()
    parsed = parse_label_config(Path(config).read_text())
    for each in tasks:
        expected = original[each["data"]["csv_url"]]["annotations"][0]["result"]
        assert all(region["from_name"] == parsed.from_name for region in each["annotations"][0]["result"])
        found = bounds(each["annotations"][0]["result"])
        assert sorted(found, key=repr) == sorted(bounds(expected), key=repr)


def test_rows_of_predictions_come_in_again(
    tmp_path: Path, config: str, model_dir: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch, tasks_of: Any,
    capsys: Any,
) -> None:  # fmt: skip
    monkeypatch.setenv("MODEL_DIR", str(model_dir))
    publish(project=0)
    file = write(tmp_path, "value\n" + "0\n" * 60 + "1\n" * 20 + "0\n" * 60)
    assert main(["predict", file, "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert main(["predict", file, "--rows", str(tmp_path / "rows")]) == 0
    capsys.readouterr()
    (task,) = tasks_of(str(tmp_path / "rows" / "a.csv"), "--label-config", config)
    assert bounds(task["annotations"][0]["result"]) == bounds(answer["result"]) == [(60, 79, ["Run"], False)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--predictions", "1", "--ground-truth"], "no ground truth"),
        (["--map", "Run"], "expected OLD=NEW"),
        (["--label-column", "other"], "no column 'other'"),
        (["--map", "Run=Jump"], "no label 'Run'"),
        (["nowhere.csv"], "cannot be read"),
        (["--index", "nowhere.csv"], "index nowhere.csv cannot be read"),
    ],
)
def test_what_does_not_go_is_said(tmp_path: Path, config: str, words: list[str], said: str, capsys: Any) -> None:
    assert main(["import-labels", write(tmp_path, ROWS), *words, "--label-config", config]) == 2
    assert said in capsys.readouterr().err


def test_two_files_of_one_recording_are_refused(tmp_path: Path, config: str, capsys: Any) -> None:
    files = [write(tmp_path, ROWS), write(tmp_path, ROWS, "b.csv")]
    assert main(["import-labels", *files, "--label-config", config, "--recording", "x.csv"]) == 2
    assert "both hold labels of 'x.csv'" in capsys.readouterr().err
    assert main(["import-labels", *files]) == 2
    assert "--label-config CONFIG.xml, or --project N" in capsys.readouterr().err


def test_of_several_series_labels_are_those_of_the_first_and_that_is_said(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "several.xml").write_text(several_series.CONFIG)
    file = write(tmp_path, "label 1,label 2\n,\nActive,On\nActive,\n")
    assert main(["import-labels", file, "--label-config", str(tmp_path / "several.xml")]) == 0
    written = capsys.readouterr()
    assert "taken for 'acc' alone, the first of several time series" in written.err
    (task,) = json.loads(written.out)
    found = sorted((each["from_name"], each["to_name"]) for each in task["annotations"][0]["result"])
    assert found == [("activity", "acc"), ("machine", "acc")]
