"""Each check that fails names its remedy."""

import json
from pathlib import Path

import pytest

from inference.commands.doctor import chosen_predictions, doctor, examine
from shared.label_studio.messages import Backend, Project
from shared.retraining.active_run import begin_run
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from tests.inference.conftest import CONFIG, Publish


def settings_of(model_dir: Path) -> Settings:
    return Settings(model_dir=str(model_dir), label_studio_host="http://127.0.0.1:1", train_launcher="none")


def test_every_failure_names_a_remedy(model_dir: Path, publish: Publish) -> None:
    storage = open_storage(str(model_dir))
    publish(project=3)
    for project in (3, 4):
        KnownProjects(storage).remember(KnownProject(id=project, label_config=CONFIG))
    with begin_run(storage, 4, launcher="test", host="here") as run:
        run.end("failed", exit_code=75, reason="Label Studio was away.")
    (model_dir / "model_project_5.onnx").write_bytes(b"no model")
    failures = [check for check in examine(settings_of(model_dir)) if not check.holds]
    assert len(failures) >= 4
    assert all(check.remedy for check in failures)
    remedies = " ".join(check.remedy for check in failures)
    for place in ("/ui/projects/4", "--explain", "rollback --project 5", "LABEL_STUDIO_HOST"):
        assert place in remedies


def test_it_answers_as_json_and_with_1_where_something_fails(
    model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(settings_of(model_dir), as_json=True) == 1
    checks = json.loads(capsys.readouterr().out)
    assert {"holds", "what", "remedy"} == set(checks[0])


def test_a_model_trained_by_older_rules_is_named_with_what_trains_it_again(model_dir: Path, publish: Publish) -> None:
    publish(project=3, rules=1)
    publish(project=4)
    reported = [check for check in examine(settings_of(model_dir)) if "older rules" in check.what]
    assert [check.what.partition(":")[0] for check in reported] == ["Project 3"]
    assert "tss train --all-outdated" in reported[0].remedy


@pytest.mark.parametrize(
    ("chosen", "holds", "told"),
    [
        ("segmenter", True, "are shown to annotators"),
        ("", False, "Choose 'segmenter' in Settings"),
        ("20260102T000000Z-bbbbbb", True, "order tasks"),
        ("20260101T000000Z-aaaaaa", False, "Choose '20260102T000000Z-bbbbbb', which serves, or 'segmenter'"),
    ],
)
def test_a_version_that_was_chosen_to_order_tasks_is_to_be_chosen_again(chosen: str, holds: bool, told: str) -> None:
    project = Project(id=3, created_at="2026-01-01T00:00:00Z", model_version=chosen)
    found = chosen_predictions(project, Backend(url="http://here", title="segmenter"), "20260102T000000Z-bbbbbb")
    assert found.holds is holds
    assert told in f"{found.what} {found.remedy}"
