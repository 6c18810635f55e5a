"""Remove each protection from a copy of the code, one by one, and check that its tests fail (`make mutations`).

    python -m tests.promises.mutations                 all mutations of this folder
    python -m tests.promises.mutations 05 07-no-limit  those whose names begin with these words

The checkout is never changed: each mutation is applied to a copy of its own. Ends with 1 if anything is unexpected.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.promises.mutations.mutation import FOLDER, Mutation, promises_without_mutation, read_mutations
from tests.promises.mutations.scratch import apply_mutation, copy_tree, run_tests
from tests.support.paths import ROOT

MUTATED_SECONDS = 60.0  # a test that is to fail waits no longer than this for what will not come


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if the tests of each mutation failed, and each promise has a mutation."""
    parser = argparse.ArgumentParser(prog="python -m tests.promises.mutations", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time (default: 2)")
    options = parser.parse_args(arguments)
    try:
        mutations = read_mutations(FOLDER, options.names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    failed = try_mutations(mutations, ROOT, jobs=options.jobs)
    missing = [] if options.names else promises_without_mutation(mutations)
    if missing:
        print(f"no mutation breaks promise {', '.join(map(str, missing))}")
    return 1 if failed or missing else 0


def try_mutations(mutations: Sequence[Mutation], root: Path, *, jobs: int = 1) -> int:
    """Try all and print a line for each and the count; returns how many had an unexpected result."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as base, ThreadPoolExecutor(max(1, jobs)) as pool:
        unchanged = Path(base).resolve() / "unchanged"
        copy_tree(root, unchanged)
        not_green = find_not_green(sorted({test for each in mutations for test in each.fails}), unchanged)
        failed = 0
        for mutation, seconds, problem in pool.map(lambda each: _timed(each, root, not_green), mutations):
            failed += bool(problem)
            verdict = f"FAILED: {problem}" if problem else "noticed"
            print(f"{mutation.name} (promise {mutation.promise}, {seconds:.0f} s): {verdict}", flush=True)
    print(f"{len(mutations) - failed} passed, {failed} failed")
    return failed


def find_not_green(selections: Sequence[str], tree: Path) -> dict[str, str]:
    """Selections that do not pass on the code as it is, and why."""
    if run_tests(tree, *selections)[1:] == ((), ""):  # all at once
        return {}
    verdicts = {each: run_tests(tree, each) for each in selections}
    return {each: "; ".join((*v.failed, v.problem)) for each, v in verdicts.items() if v.failed or v.problem}


def try_mutation(mutation: Mutation, root: Path, not_green: dict[str, str]) -> str:
    """What is wrong with a mutation or its tests; "" if the tests fail without the protection."""
    for selection in mutation.fails:
        if selection in not_green:
            return f"{selection} is not green with the protection: {not_green[selection]}"
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = Path(folder).resolve() / "tree"
        copy_tree(root, tree)
        try:
            apply_mutation(mutation, tree)
        except ValueError as error:
            return str(error)
        for selection in mutation.fails:
            verdict = run_tests(tree, selection, never=MUTATED_SECONDS)
            if verdict.problem:
                return f"{selection} did not fail by an assertion: {verdict.problem}"
            if not verdict.failed:
                return f"{selection} does not notice: {verdict.passed} passed without the protection"
    return ""


def _timed(mutation: Mutation, root: Path, not_green: dict[str, str]) -> tuple[Mutation, float, str]:
    started = time.monotonic()
    problem = try_mutation(mutation, root, not_green)
    return mutation, time.monotonic() - started, problem


if __name__ == "__main__":
    sys.exit(main())
