"""The built wheel in an empty environment: the library, the example, and nothing of this folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shared.labelling.label_config import parse_label_config
from tests.support.paths import ROOT
from tests.support.store import publish_model

PIP = [sys.executable, "-m", "pip"]
PROGRAM = """
import sys, pathlib, time_series_segmenter, pandas
from time_series_segmenter import load_model
assert "site-packages" in time_series_segmenter.__file__, time_series_segmenter.__file__
model = load_model(sys.argv[1])
print(len(model.segment(pandas.read_csv(sys.argv[2]))), "segments")
print(sorted({"torch", "onnx", "sklearn", "label_studio_sdk", "starlette", "training", "inference"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([*PIP, "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)])
    (built,) = folder.glob("time_series_segmenter-*.whl")
    return built


def run(command: list[str], folder: Path | None = None) -> str:
    """Output of a command that has to end well, in an environment that knows nothing of this folder."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_typed_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert roots == {"time_series_segmenter", "shared", "training", "inference"}
    assert {f"{root}/py.typed" for root in roots} <= set(names)


@pytest.mark.slow
def test_the_library_works_installed_alone(wheel: Path, tmp_path: Path) -> None:
    """Pip installs what the extra names: minutes where nothing is downloaded yet. The example runs as documented."""
    run([sys.executable, "-m", "venv", str(tmp_path / "venv")])
    python = str(tmp_path / "venv" / "bin" / "python")
    run([python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), f"{wheel}[serve]"])
    config = parse_label_config((ROOT / "examples/watch/label_config.xml").read_text())
    store, recording = tmp_path / "models", ROOT / "examples/watch/csv/subject01_side0.csv"
    publish_model(store, 0, labels=config.labels, channels=config.channels, label_config=config)
    said = run([python, "-c", PROGRAM, str(store / "model_project_0.onnx"), str(recording)], tmp_path)
    count, needed = said.splitlines()
    assert int(count.split()[0]) > 3
    assert needed == "[]"
    example = run([python, str(ROOT / "examples/library.py"), str(store), "0", str(recording)], tmp_path)
    assert "segments from the stream" in example
    assert "/site-packages/" in run([python, "-c", "import shared; print(shared.__file__)"], tmp_path)
    assert "predict" in run([str(tmp_path / "venv" / "bin" / "tss"), "--help"], tmp_path)
