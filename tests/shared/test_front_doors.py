"""Front doors of all packages: what lives there, and the names that others use."""

import importlib
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

PROGRAMS = ("inference", "shared", "time_series_segmenter", "training")
PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts)
    for program in PROGRAMS
    for path in (ROOT / program).rglob("__init__.py")
)
# programs are started, and commands imported by name (shared/command_line.py): nobody uses names of theirs
WITHOUT_NAMES = ("inference", "training", "inference.commands", "training.commands")
HEAVY = ("onnx", "onnxruntime", "obstore", "pandas", "sklearn", "starlette", "torch", "urllib3", "uvicorn")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_lives_in_it(package: str) -> None:
    assert importlib.import_module(package).__doc__


@pytest.mark.parametrize("package", [each for each in PACKAGES if each not in WITHOUT_NAMES])
def test_a_package_names_three_to_eight_things_that_are_there(package: str) -> None:
    module = importlib.import_module(package)
    assert 3 <= len(module.__all__) <= 8
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises((AttributeError, ImportError)):
        module.nothing_of_this_name  # noqa: B018


def test_no_folder_holds_more_than_fifteen_modules() -> None:
    for package in PACKAGES:
        modules = [each.name for each in (ROOT / package.replace(".", "/")).glob("*.py") if each.name != "__init__.py"]
        assert len(modules) <= 15, package


def test_a_front_door_imports_nothing_heavy() -> None:
    script = f"import sys, {', '.join(PACKAGES)}; print(sorted({set(HEAVY)} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert said.strip() == "[]"
