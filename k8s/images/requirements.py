"""Print what pyproject.toml requires with an extra: `python3 requirements.py serve`."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
sys.stdout.write("\n".join([*project["dependencies"], *project["optional-dependencies"][sys.argv[1]]]) + "\n")
