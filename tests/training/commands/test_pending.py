"""`pending`: what waits and why."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.retraining.launch_claims import LaunchClaims
from shared.retraining.updates import Updates
from shared.store.opening import open_storage
from tests.support.paths import ROOT
from training.__main__ import main


def test_a_run_that_was_launched_and_has_not_reported_is_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    storage = open_storage(str(tmp_path))
    Updates(storage).add(3, "ANNOTATION_CREATED", time.time())
    LaunchClaims(storage, "").claim(3, 1, "kubernetes")
    assert main(["pending", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["verdict"].startswith("run 1 is starting: launched ")


def test_a_reader_that_has_read_enough_is_no_crash(tmp_path: Path) -> None:
    updates = Updates(open_storage(str(tmp_path)))
    for project in range(1, 2001):  # more than a pipe holds
        updates.add(project, "ANNOTATION_CREATED", 1.0)
    command = f"{sys.executable} -m training pending | head -n 1"
    environment = {**os.environ, "MODEL_DIR": str(tmp_path)}
    found = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("project 1: 1 waiting")
    assert found.stderr == ""
