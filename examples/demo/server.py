"""The server of this project as a program on loopback."""

import sys
from pathlib import Path

from examples.demo.program import Program


def program(port: int, models: Path | str, label_studio: str, log: Path, **settings: str) -> Program:
    """`python -m inference serve` with its models, updates and runs in `models`.

    `settings` are further variables of the environment. Without LABEL_STUDIO_API_KEY among them the token is used that
    Label Studio sends when the backend is connected.
    """
    environ = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "MODEL_DIR": str(models),
        "LABEL_STUDIO_HOST": label_studio,
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    return Program([sys.executable, "-m", "inference", "serve"], environ, log, f"http://127.0.0.1:{port}/health")
