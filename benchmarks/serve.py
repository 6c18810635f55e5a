"""The server as Label Studio meets it: a process of its own, over HTTP; the CPU time of its whole process tree counts.

`python -m benchmarks.serve`. Requests to this server and to the baseline's alternate within one run. Recordings come
from a file server in a third process, load from this one; neither counts, and the load generator's CPU is printed.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks.material import KINDS, Kind, batch, csv_bytes, make_model
from benchmarks.measure import milliseconds, resident, say_where, table, tree_cpu
from benchmarks.processes import Client, baseline_server, file_server, segmenter_server, wait_for
from tests.support.store import put_model

PROJECTS: dict[Kind, int] = {kind: number for number, kind in enumerate(KINDS, 1)}
ROUNDS = 5
REQUESTS = {1000: (80, 8), 10_000: (16, 2), 100_000: (3, 1)}  # a round, of this server and of the baseline
CLIENTS = 8
TASKS = 120


def main() -> None:
    """Print all tables."""
    say_where("python -m benchmarks.serve")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for kind, project in PROJECTS.items():
            put_model(folder / "models", make_model(kind, project=project), project)
        for kind in ("ranges", "instants"):
            for rows in REQUESTS:
                (folder / f"{kind}-{rows}.csv").write_bytes(csv_bytes(rows, kind))
        files = stack.enter_context(file_server(folder))
        cold_start(folder / "models")
        one_after_another(folder / "models", files)
        port, process = stack.enter_context(segmenter_server(folder / "models"))
        many_clients(port, process, files)
        batches(port, process, files)
        swap(port, process, files, folder / "models")


def address(files: str, kind: Kind, rows: int) -> str:
    """Where a recording for a kind of model lies."""
    return f"{files}{kind}-{rows}.csv"


def cold_start(model_dir: Path) -> None:
    """CPU seconds from the start of the process to the first answer of /health, and until it is ready."""
    health, ready, sizes = [], [], []
    for _ in range(5):
        with segmenter_server(model_dir, ready="/health") as (port, process):
            health.append(tree_cpu(process))
            wait_for(port, "/readyz")
            ready.append(tree_cpu(process))
            sizes.append(resident(process))
    rows = [("to the first /health", health), ("until /readyz is 200", ready)]
    print("\n## Cold start")
    table(["CPU s of 5 starts", "least", "median"], [[name, f"{min(v):.2f}", f"{median(v):.2f}"] for name, v in rows])
    print(f"Resident when ready, no model loaded: {median(sizes):.0f} MiB.")


def one_after_another(model_dir: Path, files: str) -> None:
    """One client, one request at a time: ours and the baseline's in turns."""
    with ExitStack() as stack:
        port, ours = stack.enter_context(segmenter_server(model_dir))
        other_port, other = stack.enter_context(baseline_server())
        client = stack.enter_context(Client(port))
        other_client = stack.enter_context(Client(other_port))
        rows_of_table = []
        sizes = {}
        for kind, project in PROJECTS.items():
            for rows, (count, other_count) in REQUESTS.items():
                body = batch([address(files, kind, rows)], kind, project)
                for each in (client, client, client, other_client):
                    each.predict(body)
                mine, theirs, waits = [], [], []
                for _ in range(ROUNDS):
                    spent, seconds = measure(lambda body=body: client.predict(body), count, ours)  # type: ignore[misc]
                    mine.append(spent)
                    waits += seconds
                    theirs.append(measure(lambda body=body: other_client.predict(body), other_count, other)[0])  # type: ignore[misc]
                low, high = np.percentile(waits, [50, 99])
                rows_of_table.append(
                    [kind, rows, milliseconds(min(mine)), milliseconds(median(mine)), f"{rows / median(mine):,.0f}",
                     milliseconds(float(low)), milliseconds(float(high)), milliseconds(median(theirs)),
                     f"{median(theirs) / median(mine):.1f}"]
                )  # fmt: skip
            sizes[kind] = resident(ours)
        print("\n## One request at a time")
        table(
            ["model", "rows", "CPU ms, least round", "median", "rows a CPU s", "p50 ms", "p99 ms",
             "baseline, CPU ms", "times less"],
            rows_of_table,
        )  # fmt: skip
        reported = "; ".join(f"after {kind}: {size:.0f} MiB" for kind, size in sizes.items())
        print(f"Resident, models loaded one after another: {reported}. Baseline: {resident(other):.0f} MiB.")


def measure(work: Callable[[], object], count: int, process: psutil.Process) -> tuple[float, list[float]]:
    """CPU seconds of the process for each of `count` turns, and how long each took."""
    waits = []
    before = tree_cpu(process)
    for _ in range(count):
        begin = time.perf_counter()
        work()
        waits.append(time.perf_counter() - begin)
    return (tree_cpu(process) - before) / count, waits


def many_clients(port: int, process: psutil.Process, files: str) -> None:
    """One client and eight, in turns; /health is asked every 20 ms meanwhile."""
    rows_of_table = []
    for rows, count in ((1000, 160), (10_000, 48)):
        body = batch([address(files, "ranges", rows)], "ranges", PROJECTS["ranges"])
        found: dict[int, list[tuple[float, float, float]]] = {1: [], CLIENTS: []}
        waits: dict[int, list[float]] = {1: [], CLIENTS: []}
        asked: dict[int, list[float]] = {1: [], CLIENTS: []}
        for _ in range(ROUNDS):
            for clients in found:
                with health_watch(port) as health:
                    before, begin, own = tree_cpu(process), time.perf_counter(), time.process_time()
                    waits[clients] += load(port, body, clients, count)
                    seconds = time.perf_counter() - begin
                spent, own = tree_cpu(process) - before, time.process_time() - own
                found[clients].append((count / seconds, spent / count, own / count))
                asked[clients] += health
        one = np.median(found[1], axis=0)
        for clients, figures in found.items():
            rate, spent, own = np.median(figures, axis=0)
            low, high = np.percentile(waits[clients], [50, 99])
            rows_of_table.append(
                [rows, clients, f"{rate:.0f}", f"{rate / one[0]:.2f}", milliseconds(spent), f"{spent / one[1]:.2f}",
                 milliseconds(own), milliseconds(low), milliseconds(high),
                 milliseconds(float(np.percentile(asked[clients], 99))), len(asked[clients])]
            )  # fmt: skip
    print("\n## Eight clients at once (ranges)")
    table(
        ["rows", "clients", "requests/s", "x one", "CPU ms a request", "x one", "load generator, CPU ms", "p50 ms",
         "p99 ms", "/health p99 ms", "asked"],
        rows_of_table,
    )  # fmt: skip


def load(port: int, body: bytes, clients: int, count: int) -> list[float]:
    """How long each of `count` requests took, sent by some clients at once."""
    waits: list[float] = []

    def run() -> None:
        with Client(port) as client:
            for _ in range(count // clients):
                begin = time.perf_counter()
                client.predict(body)
                waits.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(waits) != count:
        raise RuntimeError(f"{count - len(waits)} of {count} requests failed.")
    return waits


@contextmanager
def health_watch(port: int) -> Iterator[list[float]]:
    """Ask /health every 20 ms over a connection of its own; yields the seconds that each answer took."""
    seconds: list[float] = []
    over = threading.Event()

    def run() -> None:
        with Client(port) as client:
            while not over.wait(0.02):
                begin = time.perf_counter()
                client.get("/health")
                seconds.append(time.perf_counter() - begin)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()


def batches(port: int, process: psutil.Process, files: str) -> None:
    """One request of 120 tasks against 120 requests of one, in turns."""
    url = address(files, "ranges", 1000)
    together, alone = batch([url] * TASKS, "ranges"), batch([url], "ranges")
    found: dict[str, list[tuple[float, float]]] = {"120 tasks in one request": [], "120 requests of one": []}
    with Client(port) as client:
        for _ in range(ROUNDS):
            for name, count, body in zip(found, (1, TASKS), (together, alone), strict=True):
                spent, waits = measure(lambda body=body: client.predict(body), count, process)  # type: ignore[misc]
                found[name].append((spent * count, sum(waits)))
    print("\n## A batch of 120 tasks of 1,000 rows (ranges)")
    rows = [[name, *[f"{each:.2f}" for each in np.median(found[name], axis=0)]] for name in found]
    table(["", "CPU s", "seconds"], rows)


def swap(port: int, process: psutil.Process, files: str, model_dir: Path) -> None:
    """New models are published while requests run: what the first prediction by each takes."""
    body = batch([address(files, "ranges", 10_000)], "ranges", PROJECTS["ranges"])
    warm, firsts = [], []
    with Client(port) as client:
        version = b""
        for number in range(1, 6):
            for _ in range(10):
                begin = time.perf_counter()
                version = version_of(client.predict(body))
                warm.append(time.perf_counter() - begin)
            put_model(model_dir, make_model("ranges", number=number, project=PROJECTS["ranges"]), PROJECTS["ranges"])
            while True:
                begin = time.perf_counter()
                answer = client.predict(body)
                seconds = time.perf_counter() - begin
                if version_of(answer) != version:
                    firsts.append(seconds)
                    break
                warm.append(seconds)
    print("\n## Five swaps under load (ranges, 10,000 rows)")
    usual = median(warm)
    table(
        ["", "ms", "of the warm median"],
        [["warm, median", milliseconds(usual), "1.00"],
         ["first after a swap, median", milliseconds(median(firsts)), f"{median(firsts) / usual:.2f}"],
         ["first after a swap, worst", milliseconds(max(firsts)), f"{max(firsts) / usual:.2f}"]],
    )  # fmt: skip
    print(f"Resident after all: {resident(process):.0f} MiB.")


def version_of(answer: bytes) -> bytes:
    """The version that answered."""
    return answer.rpartition(b'"model_version":"')[2]


if __name__ == "__main__":
    main()
