"""The images' recipes, without building them (`make images`, `make images-test` do)."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.promises.kubernetes.rendering import overlay, pod_templates
from tests.support.paths import ROOT

KINDS = ("serve", "train")


def recipe(kind: str) -> str:
    return (ROOT / f"Dockerfile.{kind}").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_hadolint_finds_nothing(kind: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint), "--failure-threshold", "warning", str(ROOT / f"Dockerfile.{kind}")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("kind", KINDS)
def test_two_stages_pinned_and_a_numeric_user_as_in_the_manifests(kind: str) -> None:
    text = recipe(kind)
    assert text.count("FROM ${BASE}") == 2
    assert "-c constraints.txt" in text
    user = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    pods = [template["spec"]["securityContext"] for _, template in pod_templates(overlay("prod"))]
    assert {(str(pod["runAsUser"]), str(pod["runAsGroup"])) for pod in pods} == set(user)
    assert "HEALTHCHECK" in text
    assert "org.opencontainers.image.version" in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_variables_of_an_image_are_settings_with_values_that_they_take(kind: str) -> None:
    block = re.search(r"^ENV ((?:.*\\\n)*.*)$", recipe(kind), re.MULTILINE)
    assert block
    found = dict(word.split("=", 1) for word in block[1].replace("\\\n", " ").split())
    others = {"PATH", "HOME", "ORT_DISABLE_TELEMETRY", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert {name.upper() for name in Settings().environment()} >= found.keys() - others
    assert found["ORT_DISABLE_TELEMETRY"] == "1"
    assert Settings.from_environment(found).model_dir == "/app/models"


def test_the_server_has_no_torch_and_the_trainer_takes_pytorchs_cpu_wheels() -> None:
    assert "requirements.py serve" in recipe("serve")
    assert "torch" not in recipe("serve").replace("no torch", "")
    assert "requirements.py train" in recipe("train")
    assert "ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu" in recipe("train")


def test_only_what_is_installed_goes_into_an_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        word
        for kind in KINDS
        for line in re.findall(r"^COPY ([^-].*) \S+$", recipe(kind), re.M)
        for word in line.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_of_the_code_reinstalls_no_library(kind: str) -> None:
    libraries, ours = recipe(kind).split("-r requirements.txt")
    assert "COPY shared" not in libraries
    assert "--no-deps ." in ours


@pytest.mark.parametrize("kind", KINDS)
def test_the_libraries_are_those_of_the_extra(kind: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    command = [sys.executable, str(ROOT / "k8s" / "images" / "requirements.py"), kind]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert printed == [*project["dependencies"], *project["optional-dependencies"][kind]]
