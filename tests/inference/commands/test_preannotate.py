import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from inference.__main__ import main
from inference.commands.preannotate import BATCH, Preannotation, PreannotationSummary
from shared.errors import LabelStudioError
from shared.settings import Settings
from shared.store.opening import open_storage
from tests.inference.conftest import CONFIG, VALUES, Publish
from tests.support.label_studio import Studio
from tests.support.tokens import TOKEN
from tests.support.web_server import Answer, Asked, Web, answer, answer_json
from tests.support.web_server import serve as serve_web


class Receiving(Studio):
    """A Label Studio that stores predictions; `dies` says after which batch the caller loses its connection."""

    dies: int = 0
    batches: int = 0

    def __call__(self, asked: Asked) -> Answer:
        if not asked.path.endswith("/import/predictions"):
            return super().__call__(asked)
        self.batches += 1
        found: list[dict[str, Any]] = json.loads(asked.body)
        by_number = {task["id"]: task for task in self.tasks}
        for each in found:
            by_number[each["task"]]["predictions"].append(each)
        if self.batches == self.dies:
            return answer(b"", 502)  # stored, but nobody hears of it
        return answer_json({"created": len(found)}, 201)


@pytest.fixture
def studio() -> Receiving:
    studio = Receiving()
    assert studio.project is not None
    studio.project["label_config"] = CONFIG
    for number in range(1, 2 * BATCH + 31):
        data = {"csv_url": {"value": VALUES}}
        task = {"id": number, "data": data, "predictions": [], "annotations": [], "updated_at": studio.tick()}
        studio.tasks.append(task)
    return studio


def run(web: Web, model_dir: Path, **options: Any) -> PreannotationSummary:
    settings = Settings(model_dir=str(model_dir), label_studio_host=web.url, label_studio_api_key=TOKEN)
    chosen = {"dry_run": False, "only_unlabelled": False, "rate": 1e6, **options}
    work = Preannotation(settings, open_storage(str(model_dir)), stream=io.StringIO(), sleep=lambda _: None)
    try:
        return work.run(1, **chosen)
    finally:
        work.close()


def counts(studio: Studio) -> Counter[int]:
    return Counter(len(task["predictions"]) for task in studio.tasks)


def test_each_task_gets_one_prediction_and_a_second_call_adds_none(
    studio: Receiving, model_dir: Path, publish: Publish
) -> None:
    version = publish(project=1)
    with serve_web(studio) as web:
        first = run(web, model_dir)
        second = run(web, model_dir)
    assert (first.pushed, first.failed, first.version) == (130, 0, version)
    assert (second.pushed, second.lacking) == (0, 0)
    assert counts(studio) == {1: 130}
    assert studio.tasks[0]["predictions"][0]["model_version"] == version
    assert studio.tasks[0]["predictions"][0]["result"]


@pytest.mark.parametrize("dies", [1, 2, 3])
def test_a_call_that_breaks_off_is_gone_on_with_and_nothing_is_doubled(
    studio: Receiving, model_dir: Path, publish: Publish, dies: int
) -> None:
    publish(project=1)
    studio.dies = dies
    with serve_web(studio) as web:
        with pytest.raises(LabelStudioError):
            run(web, model_dir)
        run(web, model_dir)
    assert counts(studio) == {1: 130}


def test_a_dry_run_only_counts(studio: Receiving, model_dir: Path, publish: Publish) -> None:
    publish(project=1)
    with serve_web(studio) as web:
        assert run(web, model_dir, dry_run=True).lacking == 130
    assert counts(studio) == {0: 130}


def test_annotated_tasks_can_be_left_out(studio: Receiving, model_dir: Path, publish: Publish) -> None:
    publish(project=1)
    studio.annotate(7)
    with serve_web(studio) as web:
        assert run(web, model_dir, only_unlabelled=True).pushed == 129
    assert studio.tasks[6]["predictions"] == []


def test_tasks_that_cannot_be_read_are_counted_with_the_reason(
    studio: Receiving, model_dir: Path, publish: Publish
) -> None:
    publish(project=1)
    studio.tasks[3]["data"] = {"other": 1}
    studio.tasks[4]["data"] = {"csv_url": "http://127.0.0.1:1/away.csv"}
    with serve_web(studio) as web:
        found = run(web, model_dir)
    assert found.pushed + found.failed == 130
    assert len(found.reasons) == 2


def test_doubts_are_counted_by_kind_with_an_example(studio: Receiving, model_dir: Path, publish: Publish) -> None:
    publish(project=1)
    for task in studio.tasks[3:6]:
        task["data"] = {"csv_url": {"value": ["1 g", *VALUES]}}
    studio.tasks[5]["data"] = {"csv_url": {"value": ["1 g", "1 g", *VALUES]}}
    with serve_web(studio) as web:
        found = run(web, model_dir)
    (doubt,) = found.doubts.values()
    assert doubt.tasks == 1
    assert doubt.example.startswith("task 6: Channel 'value': 2 of 182 cells")


def test_the_command_tells_its_summary_as_json(
    studio: Receiving,
    model_dir: Path,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(project=1)
    monkeypatch.setenv("MODEL_DIR", str(model_dir))
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    with serve_web(studio) as web:
        monkeypatch.setenv("LABEL_STUDIO_HOST", web.url)
        assert main(["preannotate", "--project", "1", "--rate", "1e6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pushed"] == 130
    assert main(["preannotate", "--project", "1", "--rate", "0"]) == 2
