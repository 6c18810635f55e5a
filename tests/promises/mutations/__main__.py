"""`make red`: take each protection out, one by one, and see the tests that stand for it go red.

    python -m tests.promises.mutations                 all patches of this folder
    python -m tests.promises.mutations 05 07-no-limit  those whose names begin so

Never touches the checkout: each patch is applied to a copy of its own. Ends with 1 if anything is not as expected.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.promises.mutations.patches import FOLDER, Protection, read_patches, unshown
from tests.promises.mutations.scratch import apply_patch, copy_tree, run_tests
from tests.support.paths import ROOT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it. Returns 0 if each patch turned its tests red, and each promise has a patch."""
    parser = argparse.ArgumentParser(prog="python -m tests.promises.mutations", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="patches to try (default: all)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="patches at a time (default: 2)")
    options = parser.parse_args(arguments)
    try:
        protections = read_patches(FOLDER, options.names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    troubles = try_patches(protections, ROOT, jobs=options.jobs)
    missing = [] if options.names else unshown(protections)
    if missing:
        print(f"no patch breaks promise {', '.join(map(str, missing))}")
    return 1 if troubles or missing else 0


def try_patches(protections: Sequence[Protection], root: Path, *, jobs: int = 1) -> int:
    """Try all and print a line for each and the count; returns how many were not as expected."""
    with tempfile.TemporaryDirectory(prefix="red-") as base, ThreadPoolExecutor(max(1, jobs)) as pool:
        whole = Path(base).resolve() / "whole"
        copy_tree(root, whole)
        not_green = find_not_green(sorted({each for one in protections for each in one.red}), whole)
        failed = 0
        for protection, seconds, trouble in pool.map(lambda each: _timed(each, root, not_green), protections):
            failed += bool(trouble)
            verdict = f"FAILED: {trouble}" if trouble else "red, as it must be"
            print(f"{protection.name} (promise {protection.promise}, {seconds:.0f} s): {verdict}", flush=True)
    print(f"{len(protections) - failed} passed, {failed} failed")
    return failed


def find_not_green(selections: Sequence[str], tree: Path) -> dict[str, str]:
    """Selections that do not pass on the code as it is, and why."""
    if run_tests(tree, *selections)[1:] == ((), ""):  # all at once
        return {}
    verdicts = {each: run_tests(tree, each) for each in selections}
    return {each: "; ".join((*v.failed, v.trouble)) for each, v in verdicts.items() if v.failed or v.trouble}


def try_patch(protection: Protection, root: Path, not_green: dict[str, str]) -> str:
    """What is wrong with a patch or its tests; "" if the tests see that the protection is gone."""
    for selection in protection.red:
        if selection in not_green:
            return f"{selection} is not green with the protection: {not_green[selection]}"
    with tempfile.TemporaryDirectory(prefix="red-") as folder:
        tree = Path(folder).resolve() / "tree"
        copy_tree(root, tree)
        obstacle = apply_patch(protection.path, tree)
        if obstacle:
            return f"it does not apply any more: renew it ({obstacle.splitlines()[0]})"
        for selection in protection.red:
            verdict = run_tests(tree, selection)
            if verdict.trouble:
                return f"{selection} did not fail by an assertion: {verdict.trouble}"
            if not verdict.failed:
                return f"{selection} does not see it: {verdict.passed} passed without the protection"
    return ""


def _timed(protection: Protection, root: Path, not_green: dict[str, str]) -> tuple[Protection, float, str]:
    started = time.monotonic()
    trouble = try_patch(protection, root, not_green)
    return protection, time.monotonic() - started, trouble


if __name__ == "__main__":
    sys.exit(main())
