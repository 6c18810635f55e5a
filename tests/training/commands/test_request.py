"""Asking for trainings as the button does."""

from pathlib import Path

import pytest

from shared.retraining.updates import START_TRAINING, Updates
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from tests.support.store import publish_model
from training.__main__ import main


def test_only_models_trained_by_older_rules_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    storage = open_storage(str(tmp_path))
    for project in (3, 4, 5):
        KnownProjects(storage).remember(KnownProject(id=project, label_config="<View/>"))
    publish_model(tmp_path, 3, "20260101T000000Z-aaaaaa", rules=1)
    publish_model(tmp_path, 4, "20260101T000000Z-aaaaaa")
    publish_model(tmp_path, 9, "20260101T000000Z-aaaaaa", rules=1)  # trained from an export: there is nothing to ask
    assert main(["run", "--all-outdated"]) == 0
    waiting = Updates(storage).waiting()
    assert {project: [each.action for each in found] for project, found in waiting.items()} == {3: [START_TRAINING]}
    assert main(["run", "--all-outdated"]) == 0
    assert sum(map(len, Updates(storage).waiting().values())) == 1
