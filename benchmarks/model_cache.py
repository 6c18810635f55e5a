"""Resident memory of a server that answers for three times as many projects as MODEL_CACHE_SIZE allows in memory.

`python -m benchmarks.model_cache [ROWS …]` (default: 1000 10000). Projects are asked one after another, so that once
the cache is full each request loads a model and unloads another.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.material import batch, csv_bytes, make_model
from benchmarks.measure import resident, say_where, table, tree_cpu
from benchmarks.processes import Client, file_server, segmenter_server
from inference.operations.background import SWAP_SECONDS
from tests.support.store import put_model

CACHED = 16
PROJECTS = 3 * CACHED
ROUNDS = 3


def main(rows_wanted: list[int]) -> None:
    """Print one table."""
    say_where("python -m benchmarks.model_cache")
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for project in range(1, PROJECTS + 1):
            put_model(folder / "models", make_model("ranges", project=project), project)
        for rows in rows_wanted:
            (folder / f"{rows}.csv").write_bytes(csv_bytes(rows, "ranges"))
            found.append([f"{rows:,}", *measure(folder, rows)])
    print(f"\n## Models in memory: {CACHED} of {PROJECTS}")
    head = ["rows", "none, MiB", "one", f"{CACHED}", *[f"all asked {each + 1}x" for each in range(ROUNDS)]]
    table([*head, "CPU ms a request that loads"], found)


def measure(folder: Path, rows: int) -> list[str]:
    """Resident memory: ready, with one and with CACHED models, after each round; CPU of a request of the last round."""
    with ExitStack() as stack:
        files = stack.enter_context(file_server(folder))
        port, process = stack.enter_context(segmenter_server(folder / "models", MODEL_CACHE_SIZE=str(CACHED)))
        client = stack.enter_context(Client(port))
        sizes, spent = [resident(process)], 0.0
        for turn in range(ROUNDS):
            before = tree_cpu(process)
            for project in range(1, PROJECTS + 1):
                client.predict(batch([f"{files}{rows}.csv"], "ranges", project))
                if not turn and project in (1, CACHED):
                    sizes.append(resident(process))
            spent = (tree_cpu(process) - before) / PROJECTS
            time.sleep(2 * SWAP_SECONDS)  # until memory of unloaded models is returned
            sizes.append(resident(process))
    return [*[f"{each:.0f}" for each in sizes], f"{1e3 * spent:.1f}"]


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [1000, 10_000])
