"""Runs of a project in Label Studio: what becomes of recordings that do not arrive, and of projects that are gone."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from shared.retraining.active_run import ActiveRun
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import Updates
from shared.store.folder import FolderStorage
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import read_report
from tests.support.label_studio import RECORDING, REGIONS, LabelStudioDouble, make_region
from tests.support.synthetic import FAST
from tests.support.tokens import TOKEN
from tests.support.web_server import Web, answer, answer_json, serve
from training.__main__ import main
from training.judging.gate import Verdict


@pytest.fixture
def label_studio() -> LabelStudioDouble:
    label_studio = LabelStudioDouble(recording=lambda _: RECORDING)
    label_studio.lost_files = {4}
    for task in range(1, 5):
        label_studio.annotate(task, result=REGIONS)
    return label_studio


@pytest.fixture
def web(label_studio: LabelStudioDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with serve(label_studio) as web:
        variables = {
            **FAST,
            "BALANCED_ACCURACY_THRESHOLD": "0",
            "MIN_CLASS_F1_THRESHOLD": "0",
            "LABEL_STUDIO_HOST": web.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "MODEL_DIR": str(tmp_path),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("training.data.recordings.WAITS", ())
        yield web


def last(folder: Path) -> RunRecord:
    found = Runs(open_storage(str(folder))).last_ended(1)
    assert found is not None
    return found


def waiting(folder: Path) -> list[str]:
    return [update.action for update in Updates(open_storage(str(folder))).of(1)]


def run() -> int:
    return main(["run", "--project", "1"])


def unasked_run() -> int:
    """A run that no person asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        return run()


def reconcile() -> int:
    return main(["reconcile", "--project", "1"])


@pytest.mark.usefixtures("web")
def test_an_annotation_whose_recording_came_late_is_trained_on_after_all(
    label_studio: LabelStudioDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run() == 0
    assert last(tmp_path).trained != last(tmp_path).snapshot
    assert reconcile() == 0
    assert waiting(tmp_path) == []  # not every few minutes: most files that are away stay away
    monkeypatch.setattr("shared.retraining.controller.MISSING_SECONDS", 0.0)
    assert reconcile() == 0
    assert waiting(tmp_path) == ["RECONCILE"]
    label_studio.lost_files.clear()
    assert run() == 0
    ended = last(tmp_path)
    assert ended.trained == ended.snapshot
    assert ended.trained is not None
    assert ended.trained.annotations == 4
    assert reconcile() == 0
    assert waiting(tmp_path) == []


SOMETHING_ELSE = {
    "login page": answer(b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n", Content_Type="text/html"),
    "error object": answer_json({"error": "try again"}),
    "text": answer(b"upstream connect error"),
    "header": answer(b"value\n"),
    "half": answer(RECORDING[: len(RECORDING) // 2 - 1].encode(), Content_Length=""),
}


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("reply", SOMETHING_ELSE.values(), ids=SOMETHING_ELSE)
def test_something_else_than_a_recording_is_left_out_named_and_requested_again(
    label_studio: LabelStudioDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes
) -> None:
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    label_studio.lost_file_answer = reply
    assert run() == 0
    ended = last(tmp_path)
    assert ended.outcome == "published"
    assert ended.read is not None
    assert (ended.read.annotations, ended.missing_runs) == (3, 1)
    assert "Task 4 was skipped" in Runs(open_storage(str(tmp_path))).log(1, ended.number)
    assert len(list((tmp_path / "cache").iterdir())) == 3
    assert unasked_run() == 0
    assert last(tmp_path).missing_runs == 2
    label_studio.lost_files.clear()
    assert unasked_run() == 0
    assert last(tmp_path).missing_runs == 0
    trained = last(tmp_path).trained
    assert trained is not None
    assert trained.annotations == 4


@pytest.mark.usefixtures("web")
def test_a_run_that_can_read_nothing_may_work_later(label_studio: LabelStudioDouble, tmp_path: Path) -> None:
    label_studio.lost_files, label_studio.lost_file_answer = {1, 2, 3, 4}, SOMETHING_ELSE["login page"]
    Updates(open_storage(str(tmp_path))).add(1, "ANNOTATION_CREATED", 1.0)
    assert run() == 75
    assert waiting(tmp_path) == ["ANNOTATION_CREATED"]


@pytest.mark.usefixtures("web")
def test_a_project_that_is_gone_is_given_up_at_once(label_studio: LabelStudioDouble, tmp_path: Path) -> None:
    Updates(open_storage(str(tmp_path))).add(1, "ANNOTATION_CREATED", 1.0)
    label_studio.projects.clear()
    assert run() == 2
    assert waiting(tmp_path) == []
    assert "no project 1" in last(tmp_path).reason


@pytest.mark.usefixtures("web")
def test_a_snapshot_is_dated_by_the_clock_that_all_machines_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderStorage, "now", lambda self: 1_900_000_000.0)
    assert run() == 0
    ended = last(tmp_path)
    assert ended.trained is not None
    assert datetime.fromisoformat(ended.trained.taken_at).timestamp() == 1_900_000_000


class Killed(BaseException):
    """kill -9: nothing of the process runs after this."""


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("accepted", [True, False], ids=["published", "rejected"])
def test_a_state_that_was_trained_on_before_the_run_was_killed_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: bool, label_studio: LabelStudioDouble
) -> None:
    label_studio.lost_files.clear()
    assert run() == 0
    label_studio.annotate(1, result=REGIONS)
    Updates(open_storage(str(tmp_path))).add(1, "ANNOTATION_CREATED", 1.0)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("training.commands.series_run.pass_gate", lambda *_: Verdict(accepted, "so it was decided"))
        patch.setattr(ActiveRun, "end", die)
        with pytest.raises(Killed):
            run()
    assert unasked_run() == 0
    assert last(tmp_path).outcome == "unchanged"
    assert waiting(tmp_path) == []
    assert len(ModelStore(open_storage(str(tmp_path))).versions(1)) == 2


@pytest.mark.usefixtures("web")
def test_the_record_of_a_run_says_how_good_it_is(tmp_path: Path) -> None:
    assert run() == 0
    assert 0 < last(tmp_path).progress.metrics["balanced_accuracy"] <= 1


@pytest.mark.usefixtures("web")
def test_a_report_says_what_people_made_of_predictions_and_how_far_they_agree(
    label_studio: LabelStudioDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label_studio.lost_files.clear()
    task = label_studio.task(1)
    assert task is not None
    task["predictions"] = [{"id": 5, "model_version": "older", "result": [make_region(40, 70, name="gone"), *REGIONS]}]
    kept = [*REGIONS[:2], make_region(165, 199, name="160")]
    label_studio.annotate(1, result=kept, parent_prediction=5, lead_time=3.0, completed_by=7)
    assert run() == 0
    store = ModelStore(open_storage(str(tmp_path)))
    found = store.file(1, last(tmp_path).version, "report.json")
    report = read_report(found or b"")
    [every] = [each for each in report.region_use if each.by == "all"]
    assert (every.unchanged, every.moved, every.relabelled, every.deleted, every.added) == (2, 1, 0, 1, 0)
    assert {each.name for each in report.region_use if each.by == "version"} == {"older"}
    groups = {(each.between, each.by, each.name) for each in report.agreements}
    assert {("annotators", "all", ""), ("model", "origin", "drawn from a prelabel")} <= groups
    assert "Of 4 predicted regions people left 50 % as they were" in capsys.readouterr().out
    page = store.file(1, report.version, "report.html") or b""
    assert "annotators agree with each other by F1" in page.decode()
    task["predictions"] = []  # Label Studio deletes old ones, and forgets that an annotation came from them
    task["annotations"][-1]["parent_prediction"] = None
    assert run() == 0
    again = read_report(store.file(1, last(tmp_path).version, "report.json") or b"")
    assert again.region_use == report.region_use
