import io
import json
from collections import Counter
from pathlib import Path

import pytest

from inference.__main__ import main
from inference.commands.preannotate import PreannotateCommand, PreannotationSummary
from shared.settings import Settings
from shared.store.opening import open_storage
from tests.inference.conftest import CONFIG, VALUES, Publish
from tests.support.label_studio import LabelStudioDouble
from tests.support.tokens import TOKEN
from tests.support.web_server import Web
from tests.support.web_server import serve as serve_web


@pytest.fixture
def label_studio() -> LabelStudioDouble:
    label_studio = LabelStudioDouble()
    label_studio.project["label_config"] = CONFIG
    for number in range(1, 131):
        data = {"csv_url": {"value": VALUES}}
        task = {"id": number, "data": data, "predictions": [], "annotations": [], "updated_at": label_studio.tick()}
        label_studio.tasks.append(task)
    return label_studio


def run(web: Web, model_dir: Path, *, only_unlabelled: bool = False) -> PreannotationSummary:
    settings = Settings(model_dir=str(model_dir), label_studio_host=web.url, label_studio_api_key=TOKEN)
    command = PreannotateCommand(settings, open_storage(str(model_dir)), io.StringIO())
    try:
        return command.push(1, only_unlabelled=only_unlabelled, rate=1e6, job="", index=0)
    finally:
        command.close()


def counts(label_studio: LabelStudioDouble) -> Counter[int]:
    return Counter(len(task["predictions"]) for task in label_studio.tasks)


def test_each_task_gets_one_prediction_and_a_second_call_adds_none(
    label_studio: LabelStudioDouble, model_dir: Path, publish: Publish
) -> None:
    version = publish(project=1)
    with serve_web(label_studio) as web:
        first = run(web, model_dir)
        second = run(web, model_dir)
    assert (first.pushed, first.failed, first.version) == (130, 0, version)
    assert (second.pushed, second.lacking) == (0, 0)
    assert counts(label_studio) == {1: 130}
    assert label_studio.tasks[0]["predictions"][0]["model_version"] == version
    assert label_studio.tasks[0]["predictions"][0]["result"]


def test_a_dry_run_only_counts(label_studio: LabelStudioDouble, model_dir: Path, publish: Publish) -> None:
    publish(project=1)
    with serve_web(label_studio) as web:
        settings = Settings(model_dir=str(model_dir), label_studio_host=web.url, label_studio_api_key=TOKEN)
        command = PreannotateCommand(settings, open_storage(str(model_dir)), io.StringIO())
        assert command.count(1, only_unlabelled=False).lacking == 130
        command.close()
    assert counts(label_studio) == {0: 130}


def test_annotated_tasks_can_be_left_out(label_studio: LabelStudioDouble, model_dir: Path, publish: Publish) -> None:
    publish(project=1)
    label_studio.annotate(7)
    with serve_web(label_studio) as web:
        assert run(web, model_dir, only_unlabelled=True).pushed == 129
    assert label_studio.tasks[6]["predictions"] == []


def test_tasks_that_cannot_be_read_are_counted_with_the_reason(
    label_studio: LabelStudioDouble, model_dir: Path, publish: Publish
) -> None:
    publish(project=1)
    label_studio.tasks[3]["data"] = {"other": 1}
    label_studio.tasks[4]["data"] = {"csv_url": "http://127.0.0.1:1/away.csv"}
    with serve_web(label_studio) as web:
        found = run(web, model_dir)
    assert found.pushed + found.failed == 130
    assert len(found.reasons) == 2


def test_doubts_are_counted_by_kind_with_an_example(
    label_studio: LabelStudioDouble, model_dir: Path, publish: Publish
) -> None:
    publish(project=1)
    for task in label_studio.tasks[3:6]:
        task["data"] = {"csv_url": {"value": ["1 g", *VALUES]}}
    label_studio.tasks[5]["data"] = {"csv_url": {"value": ["1 g", "1 g", *VALUES]}}
    with serve_web(label_studio) as web:
        found = run(web, model_dir)
    (doubt,) = found.doubts.values()
    assert doubt.tasks == 1
    assert doubt.example.startswith("task 6: Channel 'value': 2 of 182 cells")


def test_the_command_tells_its_summary_as_json(
    label_studio: LabelStudioDouble,
    model_dir: Path,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(project=1)
    monkeypatch.setenv("MODEL_DIR", str(model_dir))
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    with serve_web(label_studio) as web:
        monkeypatch.setenv("LABEL_STUDIO_HOST", web.url)
        assert main(["preannotate", "--project", "1", "--rate", "1e6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pushed"] == 130
    assert main(["preannotate", "--project", "1", "--rate", "0"]) == 2
