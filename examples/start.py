"""What `make run` does: train the shipped example if there is no model yet, then serve."""

import os
import subprocess
import sys
from pathlib import Path

from shared.settings import Settings

EXAMPLE = Path(__file__).parent / "watch"


def main() -> int:
    """Train, then become the server. Returns the trainer's exit code if it fails."""
    os.environ.setdefault("LOG_FORMAT", "text")
    settings = Settings.from_environment()
    if not _has_model(settings.model_dir):
        print(
            "No model yet: training one on the shipped recordings (examples/watch), about half a minute …", flush=True
        )
        command = [sys.executable, "-m", "training", "run"]
        command += ["--tasks", str(EXAMPLE / "tasks.json"), "--label-config", str(EXAMPLE / "label_config.xml")]
        trained = subprocess.run(command, check=False).returncode
        if trained:
            return trained
    return os.execv(sys.executable, [sys.executable, "-m", "inference", "serve"])


def _has_model(model_dir: str) -> bool:
    return "://" in model_dir or any(Path(model_dir).glob("model_project_*.onnx"))


if __name__ == "__main__":
    sys.exit(main())
