"""The long forms of the attacks, against real server processes on this machine (`make fuzz`).

python -m tests.promises.hostile graphs 10000      corrupted model files in the places of good ones
python -m tests.promises.hostile requests 100000   generated requests to every route
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.promises.hostile import costly, requests
from tests.promises.hostile.corruption import KINDS
from tests.promises.hostile.graphs import fill, storm
from tests.promises.hostile.memory_peak import Peak
from tests.promises.hostile.messages import label_config
from tests.support.server import Server, run_server
from tests.support.store import publish_model
from tests.support.web_server import serve

PROJECTS = 100
FLAT = 100.0  # MiB that memory may rise while requests come, from the first tenth on


def graphs(total: int) -> int:
    """Print what came of it; returns how many things are not as promised."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        good = fill(Path(folder), PROJECTS)
        with run_server(folder, MODEL_CACHE_SIZE=str(PROJECTS), LOG_LEVEL="error") as server:
            counts = storm(server, Path(folder), good, total, seed=int(time.time()))
            alive = server.alive
    print(f"{counts.graphs} corrupted graphs of {len(counts.by_kind)} kinds in the places of {PROJECTS} good ones")
    print(f"served: {len(counts.served)}; not seen to be refused: {counts.unseen}; server alive: {alive}")
    print(f"meanwhile {counts.answers} answers of the good ones, {len(counts.failed)} failed {counts.failed[:3]}")
    print(f"resident: {counts.before:.0f} MiB before, {counts.peak:.0f} at most, {counts.after:.0f} after")
    return len(counts.failed) + counts.unseen + (not alive) + (set(counts.by_kind) != set(KINDS))


def many_requests(total: int) -> int:
    """Print what came of it; returns how many things are not as promised."""
    served: dict[str, bytes] = {}
    settings = {"DATA_HOSTS_ALLOWED": "127.0.0.1", "LOG_LEVEL": "error", "FETCH_TIMEOUT_SECONDS": "5"}
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, serve(requests.recordings(served)) as web:
        publish_model(Path(folder), 3)
        requests.plant(Path(folder))
        with run_server(folder, **settings) as server:
            counts = requests.storm(server, web.url, served, total, start=int(time.time()))
            alive, unforeseen = server.alive, server.log.count("Traceback")
    settled = counts.memory[len(counts.memory) // 10]
    print(f"{counts.requests} requests: {', '.join(f'{count} {kind}' for kind, count in counts.sent.items())}")
    print(f"answered: {', '.join(f'{count} x {status}' for status, count in sorted(counts.statuses.items()))}")
    print(f"{counts.results} results, one a task; of tasks with a temporary error {counts.passing} were answered []")
    print(f"{counts.sane} tasks that nothing is wrong with got their region; {unforeseen} tracebacks in the log")
    print(
        f"resident: {counts.memory[0]:.0f} MiB before, {settled:.0f} after a tenth, {max(counts.memory):.0f} at most, "
        f"{counts.memory[-1]:.0f} after"
    )
    print(*counts.problems[:20], sep="\n")
    return len(counts.problems) + unforeseen + (not alive) + (counts.memory[-1] - settled > FLAT)


def memory(rounds: int) -> int:
    """Print what came of it; returns how many things are not as promised."""
    settings = {"DATA_HOSTS_ALLOWED": "127.0.0.1", "LOG_LEVEL": "error"}
    after: list[float] = []
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, serve(costly.script) as web:
        publish_model(Path(folder), 3)

        def read(server: Server, name: str) -> int:
            tasks = [{"id": 1, "data": {"csv_url": f"{web.url}/{name}".replace(" ", "%20")}}]
            body = {"project": "3", "label_config": label_config("url"), "tasks": tasks}
            return server.json("POST", "/predict", body)[0]

        with run_server(folder, MAX_SERIES_MB=str(costly.SERIES_MB), **settings) as server:
            for number in range(rounds):
                with Peak(server) as peak:
                    statuses = [server.ask("POST", path, make())[0] for path, make, _ in costly.BODIES.values()]
                    statuses += [read(server, name) for name in (*costly.SERIES, "bomb")]
                after.append(server.rss)
                print(
                    f"round {number + 1}: {len(statuses)} attacks, {peak.peak:.0f} MiB at most, {after[-1]:.0f} after"
                )
            problems = sum(status >= 500 for status in statuses) + (not server.alive)
        for name, most in (("1023 MiB of one line", 1024), ("255 MiB of rows", 256)):
            with run_server(folder, MAX_SERIES_MB=str(most), **settings) as server, Peak(server) as peak:
                problems += read(server, name) != 200
            print(f"{name}, MAX_SERIES_MB={most}: {peak.before:.0f} MiB before, {peak.peak:.0f} at most")
            problems += peak.grown > 4 * most
    return problems + (after[-1] - after[len(after) // 2] > FLAT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one attack. Returns 1 if anything is not as promised."""
    attacks = {"graphs": graphs, "requests": many_requests, "memory": memory}
    parser = argparse.ArgumentParser(prog="python -m tests.promises.hostile", description=__doc__.partition("\n")[0])
    parser.add_argument("attack", choices=attacks)
    parser.add_argument("count", type=int)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    problems = attacks[options.attack](options.count)
    print(f"took {time.monotonic() - begun:.0f} s; {problems} troubles")
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
