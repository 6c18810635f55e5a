"""What was not understood reaches every place where people look, in the same words."""

import json
import logging
from pathlib import Path

import pytest

from inference.commands.predict import predict_files
from shared.doubts import UNSURE_SCORE
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.opening import open_storage
from tests.inference.conftest import CONFIG, VALUES, Publish, Serve, batch
from tests.support.label_studio import LabelStudioDouble, make_project
from tests.support.tokens import TOKEN
from tests.support.web_server import serve as serve_web

CELLS = [f"{value} g" if row % 20 == 3 else str(value) for row, value in enumerate(VALUES)]
SENTENCE = (
    "Channel 'value': 9 of 180 cells that are not empty hold no number and count as missing, the first is '0.0 g' in "
    "row 3. It looks like a number with a unit: write the number alone."
)


def test_the_server_tells_doubts_in_answer_log_metric_and_pages(
    serve: Serve, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish()
    with serve() as client, caplog.at_level(logging.WARNING):
        first, second = client.post("/predict", content=batch({"value": CELLS}, {"value": VALUES})).json()["results"]
        metrics = client.get("/metrics").text
        found = client.get("/ui/projects/3.json").json()
        text = client.get("/ui/projects/3").text
    assert (first["notes"], "notes" in second) == ([SENTENCE], False)
    (line,) = [each for each in caplog.records if each.getMessage() == SENTENCE]
    assert (line.__dict__["project"], line.__dict__["task"]) == (3, 1)
    assert 'tss_doubts_total{kind="unreadable-cells"} 1.0' in metrics
    (task,) = found["doubtful"]
    assert (task["task"], [each["sentence"] for each in task["doubts"]]) == ("1", [SENTENCE])
    assert "9 of 180 cells" in text


def test_the_page_of_a_task_tells_the_same_words_and_score(serve: Serve, publish: Publish) -> None:
    publish()
    label_studio = LabelStudioDouble(projects={3: make_project(3)})
    label_studio.annotate(1, project=3)
    label_studio.tasks[0]["data"] = {"csv_url": {"value": CELLS}}
    renamed = CONFIG.replace("Run", "Running")
    setup = {"project": "3.1795475439", "schema": renamed, "hostname": "http://localhost:8080", "access_token": ""}
    with serve_web(label_studio) as web, serve(label_studio_host=web.url, label_studio_api_key=TOKEN) as client:
        client.post("/setup", json=setup)
        (answer,) = client.post("/predict", content=batch({"value": CELLS}, label_config=renamed)).json()["results"]
        found = client.get("/ui/projects/3/task.json?number=1").json()
        text = client.get("/ui/projects/3/task?number=1").text
    steps = [step["sentence"] for step in found["found"]["steps"]]
    assert answer["notes"][0] == SENTENCE
    assert "'Run'" in answer["notes"][1]
    assert set(answer["notes"]) < set(steps)
    assert found["last_doubts"] == answer["notes"]
    assert found["found"]["score"] == answer["score"] <= UNSURE_SCORE
    assert text.count("9 of 180 cells") == 1


def test_a_confirmed_rename_holds_for_the_model_that_serves_already(
    serve: Serve, publish: Publish, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish()
    renamed = CONFIG.replace("Run", "Running")
    LabelAliases(open_storage(str(model_dir))).add(3, "Run", "Running", by="test")
    with serve() as client:
        client.post("/setup", json={"project": "3.1795475439", "schema": renamed, "hostname": "http://ls.example"})
        (answer,) = client.post("/predict", content=batch({"value": VALUES}, label_config=renamed)).json()["results"]
        (old,) = client.post("/predict", content=batch({"value": VALUES})).json()["results"]
    assert [each["value"]["timeserieslabels"] for each in answer["result"]] == [["Running"]]
    assert "notes" not in answer
    assert [each["value"]["timeserieslabels"] for each in old["result"]] == [["Run"]]
    (tmp_path / "a.csv").write_text("value\n" + "\n".join(map(str, VALUES)) + "\n")
    assert predict_files("3", [str(tmp_path / "a.csv")], Settings(model_dir=str(model_dir)), as_json=True) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["result"] == answer["result"]


def test_the_command_writes_the_same_words_to_its_array_and_to_stderr(
    model_dir: Path, publish: Publish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(project=0)
    for name, cells in (("doubtful", CELLS), ("good", [str(value) for value in VALUES])):
        (tmp_path / f"{name}.csv").write_text("value\n" + "\n".join(cells) + "\n")
    files = [str(tmp_path / f"{name}.csv") for name in ("doubtful", "good")]
    assert predict_files("0", files, Settings(model_dir=str(model_dir)), as_json=True) == 0
    said = capsys.readouterr()
    first, second = json.loads(said.out)
    assert (first["notes"], "notes" in second) == ([SENTENCE], False)
    assert f"doubtful.csv: {SENTENCE}" in said.err


def test_why_a_recording_cannot_be_read_is_told_in_the_same_words_by_server_and_command(
    serve: Serve, publish: Publish, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish()
    with serve() as client:
        (answer,) = client.post("/predict", content=batch({"other": VALUES})).json()["results"]
    (tmp_path / "a.json").write_text(json.dumps({"other": VALUES}))
    assert predict_files("3", [str(tmp_path / "a.json")], Settings(model_dir=str(model_dir)), as_json=True) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (answer["result"], answer["score"], answer["notes"]) == ([], 0.0, [found["error"]])
    assert found["error"] == "The recording has no column 'value'; it has 'other'."
