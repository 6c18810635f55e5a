"""Label Studio 1.23 on loopback: installed once into an environment of its own, started from a migrated data folder."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.demo.program import ROOT, Program, free_port

HOME = ROOT / ".label-studio"
PINS = Path(__file__).with_name("label-studio.txt")
VENV = HOME / "venv"
TEMPLATE = HOME / "template"
LOG = HOME / "template.log"

# Well known on purpose: it listens on the loopback interface only, and people must be able to log in.
USER = "admin@example.com"
PASSWORD = "adminadmin"
TOKEN = "0123456789abcdef" * 2 + "01234567"

FIRST_START_SECONDS = 900  # migrations take half a minute on an idle machine and 200 s on a busy one
START_SECONDS = 180

Say = Callable[[str], None]


def install(say: Say) -> None:
    """Make environment and template unless both are there and as pinned; a second call costs nothing."""
    with _lock():
        if _written(VENV) != PINS.read_text():
            say("Installing Label Studio into an environment of its own (1 GB, minutes; only the first time) …")
            shutil.rmtree(TEMPLATE, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
            subprocess.run(
                [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", PINS],
                check=True,
            )
            _marker(VENV).write_text(PINS.read_text())
        if not TEMPLATE.exists():
            say("Starting it once, to make its database (half a minute to 3 minutes; only the first time) …")
            unfinished = HOME / "template.partial"
            shutil.rmtree(unfinished, ignore_errors=True)
            program(unfinished, free_port(), LOG).start(FIRST_START_SECONDS).stop()
            unfinished.rename(TEMPLATE)


def program(data: Path, port: int, log: Path, **settings: str) -> Program:
    """Label Studio on `port` with its data in `data`, which is copied from the template when it does not exist.

    The flags: legacy tokens on; machine-learning backends and task data on this machine allowed (both are blocked by
    default); local files off; nothing is sent anywhere. The address is told, because `/setup` passes it on. `settings`
    are more environment variables.
    """
    if TEMPLATE.exists() and not data.exists():
        data.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(TEMPLATE, data)
    url = f"http://127.0.0.1:{port}"
    command = [
        str(VENV / "bin" / "label-studio"), "start", "--no-browser", "--data-dir", str(data),
        "--internal-host", "127.0.0.1", "--port", str(port), "--log-level", "INFO",
    ]  # fmt: skip
    environ = {
        "LABEL_STUDIO_HOST": url,
        "LABEL_STUDIO_USERNAME": USER,
        "LABEL_STUDIO_PASSWORD": PASSWORD,
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "SSRF_PROTECTION_ENABLED": "false",
        "ML_BLOCK_LOCAL_IP": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "False",
        "NO_PROXY": "*",
        **settings,
    }
    return Program(command, environ, log, f"{url}/health")


def _marker(venv: Path) -> Path:
    return venv / "installed.txt"


def _written(venv: Path) -> str:
    marker = _marker(venv)
    return marker.read_text() if marker.exists() else ""


@contextmanager
def _lock() -> Iterator[None]:
    HOME.mkdir(exist_ok=True)
    descriptor = os.open(HOME / "lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
