"""Every library that is imported is declared, by the package that imports it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

OURS = {"time_series_segmenter", "inference", "shared", "training", "tests", "benchmarks", "research", "examples"}
NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}  # import name ► distribution, where they differ
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(*extras: str) -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines}


def imported(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("shared", ()),
        ("time_series_segmenter", ()),
        ("inference", ("serve",)),
        ("training", ("train",)),
        *((each, ("serve", "train", "dev")) for each in ("tests", "benchmarks", "research", "examples")),
    ],
)
def test_every_import_is_declared(package: str, extras: tuple[str, ...]) -> None:
    libraries = set(imported(ROOT / package)) - OURS - set(sys.stdlib_module_names)
    names = {NAMES.get(each, each.replace("_", "-")) for each in libraries}
    assert names - declared(*extras) == set()
