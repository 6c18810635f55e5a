import subprocess
import sys
from pathlib import Path

from tests.support.commands import run_inference
from tests.support.paths import ROOT


def test_a_wrong_setting_stops_the_program_with_one_sentence(tmp_path: Path) -> None:
    done = run_inference("serve", MODEL_DIR=str(tmp_path), PORT="ninety")
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert all(word in done.stderr for word in ("PORT", "ninety", "0 to 65535"))


def test_importing_the_server_loads_nothing_of_training() -> None:
    script = (
        "import sys, inference.__main__, inference.web.server, inference.commands.predict\n"
        "print([name for name in ('torch', 'onnx', 'sklearn', 'label_studio_sdk', 'training') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
