"""No telemetry: neither server nor trainer looks up a name or keeps a file in the home folder.

onnxruntime 1.32 keeps a device id and a queue of events under the home folder by default.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.demo.program import free_port
from tests.support.paths import ROOT

EXAMPLE = ROOT / "examples" / "falls"
TRAIN = ["-m", "training", "run", "--tasks", EXAMPLE / "tasks.json", "--label-config", EXAMPLE / "label_config.xml"]
UNSHARE = ["unshare", "--net", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]


def isolated(folder: Path, seconds: float, *arguments: object, **settings: str) -> dict[str, Any]:
    """What a Python program looked up and left in its home, by itself in a network without hosts."""
    program = [sys.executable, *map(str, arguments)]
    run = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "tests.promises.hostile.isolated", folder / "home", str(seconds), *program],
        cwd=ROOT, env={**os.environ, "MODEL_DIR": str(folder / "models"), **settings}, capture_output=True, text=True,
    )  # fmt: skip
    if run.returncode and "unshare" in run.stderr:
        pytest.skip(f"this machine lends no namespaces: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


@pytest.mark.slow
def test_trainer_and_server_look_nothing_up_and_leave_nothing_at_home(tmp_path: Path) -> None:
    trained = isolated(tmp_path, 600, *TRAIN, TRAIN_EPOCHS="2")
    assert trained["code"] == 0, trained["said"]
    assert (trained["looked_up"], trained["files"]) == ([], [])
    (tmp_path / "home").rmdir()
    port = free_port()
    served = isolated(tmp_path, 30, "-m", "inference", "serve", PORT=str(port), TRAIN_LAUNCHER="none")
    assert f":{port}, models in " in served["said"], served["said"]
    assert (served["looked_up"], served["files"]) == ([], [])


def test_this_would_see_what_onnxruntime_leaves(tmp_path: Path) -> None:
    untold = isolated(tmp_path, 60, "-c", "import onnxruntime")
    assert any("onnxruntime" in name for name in untold["files"])


def test_this_would_see_a_look_up(tmp_path: Path) -> None:
    asked = isolated(
        tmp_path, 60, "-c", "import socket\ntry: socket.getaddrinfo('a.example', 80)\nexcept OSError: pass"
    )
    assert "a.example" in asked["looked_up"]
