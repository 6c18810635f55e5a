"""Where the checkout and its recorded messages lie, and the version."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests" / "contract" / "recorded"
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
