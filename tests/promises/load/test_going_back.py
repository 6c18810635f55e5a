"""Going back to an earlier model: one command or one click, and every replica answers by it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.promises.load.messages import CONFIG, PROJECT, VALUES, batch
from tests.support.paths import ROOT
from tests.support.server import Server, run_server
from tests.support.store import publish_after
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SETUP = {"project": f"{PROJECT}.1795475439", "schema": CONFIG.format(kind="json"), "hostname": "", "access_token": ""}


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    with run_server(tmp_path) as one, run_server(tmp_path) as other:
        yield one, other


def answering(server: Server) -> set[str]:
    """Versions by which setup and predictions are answered now."""
    (found,) = server.post("/predict", batch({"value": VALUES})).json()["results"]
    said = server.post("/setup", SETUP).json()["model_version"]
    return {said, found["model_version"] if found else "untrained"}


def command(folder: Path, *arguments: str) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MODEL_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "inference", *arguments, "--project", str(PROJECT)],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def answers_by(server: Server, version: str) -> bool:
    """Whether a server answers by a version."""
    return answering(server) == {version}


def click(server: Server, action: str, body: bytes = b"") -> None:
    assert server.post(f"/ui/projects/{PROJECT}/{action}", body, Origin=server.url).status == 303


def test_one_command_or_click_takes_every_replica_back_and_forward(
    replicas: tuple[Server, Server], tmp_path: Path
) -> None:
    versions = [publish_after(tmp_path, second) for second in range(3)]
    for each in replicas:
        wait_until(partial(answers_by, each, versions[2]))
    steps: list[tuple[str, Callable[[], None], str]] = [
        ("a command", lambda: command(tmp_path, "rollback"), versions[1]),
        ("a click", lambda: click(replicas[0], "roll-back"), versions[0]),
        ("a click forward", lambda: click(replicas[1], "promote", f"version={versions[2]}".encode()), versions[2]),
    ]
    for how, step, expected in steps:
        step()
        begun = time.monotonic()
        for each in replicas:
            wait_until(partial(answers_by, each, expected))
        print(f"{how}: both replicas answer by it {time.monotonic() - begun:.2f} s later")
