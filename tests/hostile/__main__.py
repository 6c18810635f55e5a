"""The long forms of the attacks, against real server processes on this machine (`make fuzz`).

python -m tests.hostile graphs 10000    corrupted model files in the places of good ones
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.corruption import KINDS
from tests.hostile.graphs import fill, storm
from tests.hostile.server import run_server

PROJECTS = 100


def graphs(total: int) -> int:
    """Print what came of it; returns how many things are not as promised."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        good = fill(Path(folder), PROJECTS)
        with run_server(folder, MODEL_CACHE_SIZE=str(PROJECTS), LOG_LEVEL="error") as server:
            tally = storm(server, Path(folder), good, total, seed=int(time.time()))
            alive = server.alive
    print(f"{tally.graphs} corrupted graphs of {len(tally.by_kind)} kinds in the places of {PROJECTS} good ones")
    print(f"served: {len(tally.served)}; not seen to be refused: {tally.unseen}; server alive: {alive}")
    print(f"meanwhile {tally.answers} answers of the good ones, {len(tally.failed)} failed {tally.failed[:3]}")
    print(f"resident: {tally.before:.0f} MiB before, {tally.peak:.0f} at most, {tally.after:.0f} after")
    return len(tally.failed) + tally.unseen + (not alive) + (set(tally.by_kind) != set(KINDS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one attack. Returns 1 if anything is not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__.partition("\n")[0])
    parser.add_argument("attack", choices=["graphs"])
    parser.add_argument("count", type=int)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    troubles = {"graphs": graphs}[options.attack](options.count)
    print(f"took {time.monotonic() - begun:.0f} s; {troubles} troubles")
    return int(troubles > 0)


if __name__ == "__main__":
    sys.exit(main())
