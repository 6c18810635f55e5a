"""What is not POSIX works without it: library, offline training and predicting; the rest says so.

Stands in for Windows: modules and functions that it lacks are taken away before ours are imported.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.label_studio import CONFIG, RECORDING, REGIONS
from tests.support.paths import ROOT

WITHOUT = """
import sys, os, signal, subprocess, asyncio, multiprocessing, tempfile, socket, ssl, pathlib, logging, importlib.util
import numpy, pandas, onnxruntime
if "torch" in sys.argv[1]:
    import torch, onnx, sklearn, torch._dynamo
GONE = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "syslog", "readline"}
for name in GONE:
    sys.modules[name] = None
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in GONE else real(name, package)
for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "killpg", "getuid", "geteuid", "getpgid", "setsid",
             "fork", "pread", "mkfifo", "nice", "statvfs", "sched_getaffinity", "getloadavg"):
    if hasattr(os, name):
        delattr(os, name)
os.supports_dir_fd = set()
for name in ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGCHLD"):
    delattr(signal, name)
"""
LIBRARY = """
import pandas
from time_series_segmenter import load_model
for where, project in ((sys.argv[2] + "/model_project_0.onnx", None), (sys.argv[2], 0)):
    model = load_model(where, project)
    frame = pandas.read_csv(sys.argv[3])
    assert len(model.segment(frame)) == 3, model.segment(frame)
    stream = model.stream()
    assert len(pandas.concat([stream.add(frame), stream.finish()])) == 3
"""
COMMAND = """
from {package}.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def run(program: str, *words: str, torch: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program on such a system."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + program, "torch" if torch else "", *words],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_training_predicting_and_the_library_work(tmp_path: Path) -> None:
    models, recording = tmp_path / "models", tmp_path / "a.csv"
    recording.write_text(RECORDING)
    (tmp_path / "config.xml").write_text(CONFIG)
    task = {"data": {"csv_url": "a.csv"}, "annotations": [{"result": REGIONS}]}
    other = {"data": {"csv_url": str(recording)}, "annotations": [{"result": REGIONS}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task, other]))
    source = ("--tasks", str(tmp_path / "tasks.json"), "--label-config", str(tmp_path / "config.xml"))
    settings = {"MODEL_DIR": str(models), "TRAIN_EPOCHS": "40", "HIDDEN_SIZE": "16"}
    trained = run(COMMAND.format(package="training"), "run", *source, torch=True, **settings)
    assert trained.returncode == 0, trained.stderr
    assert (models / "model_project_0.onnx").exists()
    predicted = run(COMMAND.format(package="inference"), "predict", str(recording), "--json", MODEL_DIR=str(models))
    assert predicted.returncode == 0, predicted.stderr
    assert len(json.loads(predicted.stdout)[0]["result"]) == 3
    used = run(LIBRARY, str(models), str(recording))
    assert used.returncode == 0, used.stderr


@pytest.mark.parametrize("command", ["serve"])
def test_the_server_says_what_it_needs(command: str, tmp_path: Path) -> None:
    done = run(COMMAND.format(package="inference"), command, MODEL_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "needs Linux or macOS" in done.stderr
    assert "Traceback" not in done.stderr
