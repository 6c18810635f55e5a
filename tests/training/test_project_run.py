"""Runs of a project in Label Studio: what becomes of recordings that do not arrive, and of projects that are gone."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runs import RunRecord, Runs
from shared.storage import open_storage
from shared.updates import Updates
from tests.shared.studio import TOKEN, Studio
from tests.shared.web_server import Answer, Asked, Web, answer, serve
from tests.training.synthetic import QUICK
from training.__main__ import main

REGIONS = [
    {
        "id": str(first),
        "from_name": "label",
        "to_name": "ts",
        "type": "timeserieslabels",
        "value": {"start": first, "end": first + 39, "instant": False, "timeserieslabels": ["Run"]},
    }
    for first in (0, 80, 160)
]
RECORDING = "value\n" + "".join(f"{math.sin(row / (2 if row % 80 < 40 else 9)):.3f}\n" for row in range(240))


class StudioWithFiles(Studio):
    """Four annotated uploads, the last of which may be away."""

    away = True

    def __call__(self, asked: Asked) -> Answer:
        if not asked.path.startswith("/data/upload/"):
            return super().__call__(asked)
        if self.away and "00000004-" in asked.path:
            return answer(status=503)
        body = RECORDING.encode()
        return answer(body, 206, Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")


@pytest.fixture
def studio() -> StudioWithFiles:
    studio = StudioWithFiles()
    for task in range(1, 5):
        studio.annotate(task, result=REGIONS)
    return studio


@pytest.fixture
def web(studio: StudioWithFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with serve(studio) as web:
        variables = {
            **QUICK,
            "BALANCED_ACCURACY_THRESHOLD": "0",
            "MIN_CLASS_F1_THRESHOLD": "0",
            "LABEL_STUDIO_HOST": web.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "MODEL_DIR": str(tmp_path),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("training.load.WAITS", ())
        yield web


def last(folder: Path) -> RunRecord:
    found = Runs(open_storage(str(folder))).last_ended(1)
    assert found is not None
    return found


def waiting(folder: Path) -> list[str]:
    return [update.action for update in Updates(open_storage(str(folder))).of(1)]


def run() -> int:
    return main(["run", "--project", "1"])


def reconcile() -> int:
    return main(["reconcile", "--project", "1"])


@pytest.mark.usefixtures("web")
def test_an_annotation_whose_recording_came_late_is_trained_on_after_all(
    studio: StudioWithFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run() == 0
    assert last(tmp_path).trained != last(tmp_path).snapshot
    assert reconcile() == 0
    assert waiting(tmp_path) == []  # not every few minutes: most files that are away stay away
    monkeypatch.setattr("shared.control.MISSING_SECONDS", 0.0)
    assert reconcile() == 0
    assert waiting(tmp_path) == ["RECONCILE"]
    studio.away = False
    assert run() == 0
    ended = last(tmp_path)
    assert ended.trained == ended.snapshot
    assert ended.trained is not None
    assert ended.trained.annotations == 4
    assert reconcile() == 0
    assert waiting(tmp_path) == []


@pytest.mark.usefixtures("web")
def test_a_project_that_is_gone_is_given_up_at_once(studio: StudioWithFiles, tmp_path: Path) -> None:
    Updates(open_storage(str(tmp_path))).add(1, "ANNOTATION_CREATED", 1.0)
    studio.project = None
    assert run() == 2
    assert waiting(tmp_path) == []
    assert "no project 1" in last(tmp_path).reason


@pytest.mark.usefixtures("web")
def test_the_record_of_a_run_says_how_good_it_is(tmp_path: Path) -> None:
    assert run() == 0
    assert 0 < last(tmp_path).progress.metrics["balanced_accuracy"] <= 1
