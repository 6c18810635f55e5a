"""The workflows of .github, which no runner here executes: their commands exist, their matrix is what we support."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_commands import TARGETS
from tests.support.paths import ROOT, VERSION

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS: dict[str, dict[Any, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
JOB_KEYS = {"runs-on", "timeout-minutes", "strategy", "steps", "permissions", "env", "needs", "if"}
STEP_KEYS = {"uses", "with", "run", "env", "name", "id", "if"}


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [(name, step) for name, each in WORKFLOWS.items() for job in each["jobs"].values() for step in job["steps"]]


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run([zizmor, "--offline", "--quiet", ROOT / ".github"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_keys_are_those_of_workflows() -> None:
    for each in WORKFLOWS.values():
        for job in each["jobs"].values():
            assert job.keys() <= JOB_KEYS
    for _, step in steps():
        assert step.keys() <= STEP_KEYS
        assert ("run" in step) != ("uses" in step)


def test_each_command_exists() -> None:
    commands = [line for _, step in steps() for line in step.get("run", "").splitlines()]
    targets = {name for line in commands for name in re.findall(r"\bmake ([a-z][a-z-]*)", line)}
    assert targets
    assert targets <= TARGETS
    assert (ROOT / ".ci" / "run").exists()


def test_the_tests_run_on_each_supported_python() -> None:
    matrix = WORKFLOWS["test"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    supported = [each.rpartition(" ")[2] for each in classifiers if re.search(r"Python :: 3\.\d+$", each)]
    assert matrix == supported


@pytest.mark.parametrize("heading", [VERSION, "Unreleased"])
def test_the_notes_are_the_section_of_the_changelog(heading: str) -> None:
    (line,) = [step["run"] for _, step in steps() if step.get("name") == "Notes"]
    command = line.replace("$(make version-number)", heading).replace("> notes.md", "")
    notes = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "### Added" in notes
    assert "## [" not in notes
