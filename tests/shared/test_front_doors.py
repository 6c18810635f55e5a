"""Packages say in their `__init__` what lives there, and which names others use."""

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = ["shared", "shared.label_studio", "shared.labelling", "shared.net", "shared.recordings"]
HEAVY = ("pandas", "onnxruntime", "torch", "onnx", "sklearn", "label_studio_sdk", "starlette")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_a_docstring_and_its_names_exist(name: str) -> None:
    package = import_module(name)
    assert package.__doc__
    assert 3 <= len(package.__all__) <= 8
    assert package.__all__ == sorted(package.__all__)
    assert all(hasattr(package, each) for each in package.__all__)


def test_front_doors_import_nothing_heavy() -> None:
    program = f"import sys, {', '.join(PACKAGES)}; print(*(name for name in {HEAVY} if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert not loaded.split()
