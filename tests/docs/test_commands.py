"""Every command that the documentation names exists: make targets, modules, their verbs, console scripts, tests."""

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from shared.command_line import commands_of, short_names
from tests.docs.markdown import code, pages
from tests.support.paths import ROOT

OTHERS = {"pip", "venv", "compileall", "pytest", "http.server"}  # modules of Python and of its tools
SCRIPTS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
MODULE = re.compile(r"\bpython3? (?:-[PW] ?\S* )?-m ([\w.]+)(?: ([a-z][\w-]*))?")
SCRIPT = re.compile(r"(?:^|[($ ])(tss(?:-[a-z]+)?)(?: ([a-z][\w-]*))?(?=[ )…]|$)")
MAKE = re.compile(r"(?:^|[ |;&]|= )make ((?:[A-Z_]+=\S+ )*)([a-z][a-z0-9-]*)")
TESTS = re.compile(r"\btests/[\w./-]+\.py(?:::\w+)?|\btests/[\w/]+(?=[ `]|$)")


def named(pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    for path, text in pages().items():
        for line in code(text):
            for match in pattern.finditer(line):
                yield path.relative_to(ROOT), match


def test_the_documentation_names_commands() -> None:
    assert len(list(named(MODULE))) > 50
    assert len(list(named(MAKE))) > 20


def test_each_make_target_exists() -> None:
    assert [f"{path}: make {match[2]}" for path, match in named(MAKE) if match[2] not in TARGETS] == []


def test_each_module_can_be_run() -> None:
    for path, match in named(MODULE):
        module = match[1]
        if module in OTHERS:
            continue
        found = importlib.util.find_spec(module)
        assert found is not None, f"{path}: python -m {module}"
        if found.submodule_search_locations is not None:
            assert importlib.util.find_spec(f"{module}.__main__"), f"{path}: python -m {module} has no __main__"


def test_each_verb_exists() -> None:
    verbs = {package: set(commands_of(package)) for package in ("inference", "training")}
    for path, match in named(MODULE):
        if match[1] in verbs and match[2]:
            assert match[2] in verbs[match[1]], f"{path}: {match[0]}"


def test_each_console_script_and_its_verbs_exist() -> None:
    verbs = {
        "tss": set(short_names()),
        "tss-serve": set(commands_of("inference")),
        "tss-train": set(commands_of("training")),
    }
    assert verbs.keys() == SCRIPTS
    for path, match in named(SCRIPT):
        assert match[1] in SCRIPTS, f"{path}: {match[0]}"
        assert not match[2] or match[2] in verbs[match[1]], f"{path}: {match[0]}"


def test_each_command_is_described() -> None:
    described = (ROOT / "docs" / "operate.md").read_text()
    for short, name in short_names().items():
        assert f"| `tss {short}" in described, name


def test_each_test_that_is_named_exists() -> None:
    for path, match in named(TESTS):
        name, _, test = match[0].partition("::")
        if "*" not in name and "<" not in name:
            assert (ROOT / name).exists(), f"{path}: {name}"
            assert not test or f"def {test}(" in (ROOT / name).read_text(), f"{path}: {match[0]}"
