import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["model_file", "segmentation", "store", "retraining"])
def test_a_package_names_three_to_eight_things_that_are_there(package: str) -> None:
    module = importlib.import_module(f"shared.{package}")
    assert module.__doc__
    assert 3 <= len(module.__all__) <= 8
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises((AttributeError, ImportError)):
        module.nothing_of_this_name  # noqa: B018


def test_a_front_door_imports_nothing_heavy() -> None:
    script = (
        "import sys, shared.model_file, shared.segmentation, shared.store, shared.retraining;"
        "print(sorted({'onnxruntime', 'obstore', 'pandas', 'urllib3'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"
