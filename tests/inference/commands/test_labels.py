"""`tss labels`: as an operator types it, and as pages tell it."""

import json
import shlex
from pathlib import Path

import pytest

from shared.command_line import main
from shared.labelling.renames import rename_sentence
from shared.retraining.updates import LABEL_ALIAS, Updates
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from tests.inference.conftest import CONFIG


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    config = CONFIG.replace('"Run"', '"Jog on"')
    KnownProjects(open_storage(str(tmp_path))).remember(KnownProject(id=3, label_config=config))
    return tmp_path


def test_a_rename_is_confirmed_as_pages_tell_it_listed_and_undone(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *words = shlex.split(rename_sentence(3, "Run", "Jog on").split("`")[1])
    assert program == "tss"
    assert main(words) == 0
    assert [each.action for each in Updates(open_storage(str(store))).of(3)] == [LABEL_ALIAS]
    capsys.readouterr()
    assert main(["labels", "list", "--project", "3", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["old"], found["new"]) == ("Run", "Jog on")
    assert main(["labels", "remove", "Run", "--project", "3"]) == 0
    capsys.readouterr()
    assert main(["labels", "list", "--project", "3"]) == 0
    assert "No label was renamed." in capsys.readouterr().out


@pytest.mark.parametrize(("old", "new"), [("Run", "Sprint"), ("Walk", "Jog on")])
def test_what_the_configuration_speaks_against_is_refused(
    store: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["labels", "alias", old, new, "--project", "3"]) == 2
    assert "error: " in capsys.readouterr().err


def test_a_project_that_the_store_does_not_know_is_refused(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "alias", "Run", "Jog on", "--project", "4"]) == 2
    assert "knows no project 4" in capsys.readouterr().err
    assert Updates(open_storage(str(store))).of(4) == []
