"""Copies of the working tree to break, and pytest in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tests.promises.mutations.mutation import Mutation, mutated_files
from tests.support.waiting import NEVER_SECONDS

LIMIT_SECONDS = 600  # for the tests of one selection


class Verdict(NamedTuple):
    """How tests ended."""

    passed: int
    failed: tuple[str, ...]  # by assertion: name and message
    problem: str  # any other end, "" if there was none


def copy_tree(root: Path, into: Path) -> None:
    """Copy the files that git tracks or would track, as they are now."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():  # git lists a deleted file until the deletion is committed
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, into / name)


def apply_mutation(mutation: Mutation, tree: Path) -> None:
    """Change the files of a tree. Raises ValueError if the code no longer holds what the mutation replaces."""
    for path, text in mutated_files(mutation, tree).items():
        path.write_text(text)


def run_tests(tree: Path, *selections: str, never: float = NEVER_SECONDS) -> Verdict:
    """Run tests in a tree, on its own code, up to the first that fails. never: how long they wait for anything [s]."""
    report = tree / "report.xml"
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "NEVER_SECONDS": str(never)}
    try:
        done = subprocess.run(
            [*command, f"--junitxml={report}", *selections],
            cwd=tree,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_SECONDS * len(selections),
        )
    except subprocess.TimeoutExpired:
        return Verdict(0, (), f"no end after {LIMIT_SECONDS * len(selections)} s")
    if done.returncode not in (0, 1) or not report.exists():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        return Verdict(0, (), f"pytest ended with {done.returncode}: {' '.join(last)}")
    return _read(report)


def _read(report: Path) -> Verdict:
    passed, failed, problems = 0, [], []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = case.get("name", "")
        ends = [(each.tag, each.get("message", "")) for each in case if each.tag in ("failure", "error", "skipped")]
        passed += not ends
        for tag, message in ends:
            first = message.strip().splitlines()[0][:160] if message.strip() else ""
            if tag == "failure" and _is_assertion(message):
                failed.append(f"{name}: {first}")
            elif tag != "skipped":
                problems.append(f"{name}: {tag}, no assertion: {first}")
    return Verdict(passed, tuple(failed), "; ".join(problems))


def _is_assertion(message: str) -> bool:
    """Whether a test did not find what it expected, or the product refused by an error of its own tree.

    An error of Python or a time-out shows that the code is broken, not that a protection is missing.
    """
    if message.startswith(("assert ", "AssertionError", "Failed: ", "shared.errors.")):
        return not message.startswith("Failed: Timeout")
    return "a token is in its" in message  # see tests/conftest.py
