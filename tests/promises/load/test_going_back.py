"""Going back to an earlier model: one command or one click, and every replica answers by it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.promises.load.server import CONFIG, PROJECT, VALUES, Served, batch, publish, serving, wait_until
from tests.support.paths import ROOT

SETUP = {"project": f"{PROJECT}.1795475439", "schema": CONFIG.format(kind="json"), "hostname": "", "access_token": ""}


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    with serving(tmp_path) as one, serving(tmp_path) as other:
        yield one, other


def answering(served: Served) -> set[str]:
    """Versions by which setup and predictions are answered now."""
    (found,) = served.post("/predict", batch({"value": VALUES})).json()["results"]
    said = served.post("/setup", SETUP).json()["model_version"]
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


def click(served: Served, action: str, body: bytes = b"") -> None:
    assert served.post(f"/ui/projects/{PROJECT}/{action}", body, Origin=served.url).status == 303


def test_one_command_or_click_takes_every_replica_back_and_forward(
    replicas: tuple[Served, Served], tmp_path: Path
) -> None:
    versions = [publish(tmp_path, second) for second in range(3)]
    for each in replicas:
        wait_until(lambda each=each: answering(each) == {versions[2]})
    steps: list[tuple[str, Callable[[], None], str]] = [
        ("a command", lambda: command(tmp_path, "rollback"), versions[1]),
        ("a click", lambda: click(replicas[0], "roll-back"), versions[0]),
        ("a click forward", lambda: click(replicas[1], "promote", f"version={versions[2]}".encode()), versions[2]),
    ]
    for how, step, expected in steps:
        step()
        begun = time.monotonic()
        for each in replicas:
            wait_until(lambda each=each, expected=expected: answering(each) == {expected})
        print(f"{how}: both replicas answer by it {time.monotonic() - begun:.2f} s later")
