"""CPU of a request beside the baseline's and beside the machine's limit, case by case, in turns within one run.

`python -m benchmarks.compare`. REFERENCE=FOLDER adds a backend that somebody has, such as the time series example of
Label Studio's ML backends: a folder with `_wsgi.py`, its model trained, its packages in the folder's .venv or in this
environment. The limit is the graph's arithmetic at the rate of onnxruntime's own product of matrices, and a loop in C
over the bytes of the CSV (csv_limit.c, compiled by `cc`); requests, windows, decoding and regions cost nothing there.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np
import psutil

from benchmarks.material import CHANNELS, Kind, batch, csv_bytes, flop_a_row, make_model
from benchmarks.measure import alternate, gemm_rate, make_graph_gemm, milliseconds, say_where, table
from benchmarks.processes import Client, baseline_server, file_server, reference_server, segmenter_server
from benchmarks.serve import measure
from tests.support.store import put_model

ROUNDS = 3
HERE = Path(__file__).parent


class Case(NamedTuple):
    """Requests that are compared. turns: a round, of this server and of the others."""

    title: str
    kind: Kind
    rows: int
    tasks: int
    turns: tuple[int, int]


CASES = (
    Case("2 channels, 1,000 rows", "two", 1000, 1, (40, 4)),
    Case("2 channels, 10,000 rows", "two", 10_000, 1, (12, 1)),
    Case("2 channels, 100,000 rows", "two", 100_000, 1, (3, 1)),
    Case("2 channels, dates, 1,000 rows", "dated", 1000, 1, (40, 4)),
    Case("2 channels, 50 tasks of 200 rows", "two", 200, 50, (10, 1)),
    Case("6 channels, 100,000 rows", "ranges", 100_000, 1, (3, 1)),
    Case("32 channels, 1,000 rows", "wide", 1000, 1, (24, 4)),
    Case("32 channels, 10,000 rows", "wide", 10_000, 1, (8, 1)),
)
PROJECTS: dict[Kind, int] = {kind: number for number, kind in enumerate(CHANNELS, 1)}


def main() -> None:
    """Print one table."""
    say_where("python -m benchmarks.compare")
    folder = os.environ.get("REFERENCE", "")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        own = Path(name)
        read_cells = compile_reader(own)
        for kind in {case.kind for case in CASES}:
            put_model(own / "models", make_model(kind, project=PROJECTS[kind]), PROJECTS[kind])
        files = stack.enter_context(file_server(own))
        started = [stack.enter_context(segmenter_server(own / "models")), stack.enter_context(baseline_server())]
        if folder:
            started.append(stack.enter_context(reference_server(Path(folder).resolve())))
        servers = [(stack.enter_context(Client(port)), process) for port, process in started]
        found = []
        for case in CASES:
            data = csv_bytes(case.rows, case.kind)
            (own / f"{case.kind}-{case.rows}.csv").write_bytes(data)
            spent = compare(case, f"{files}{case.kind}-{case.rows}.csv", servers)
            limit = limit_of(case, data, read_cells)
            found.append(
                [case.title, *map(milliseconds, spent), *[f"{each / spent[0]:.1f}" for each in spent[1:]],
                 f"{limit / spent[0]:.2f}" if limit else ""]
            )  # fmt: skip
    others = ["baseline", *(["reference"] if folder else [])]
    print("\n## One request, CPU ms, median round")
    table(
        ["case", "this server", *others, *[f"times less than {each}" for each in others], "limit, share of it"], found
    )


def compare(case: Case, url: str, servers: list[tuple[Client, psutil.Process]]) -> list[float]:
    """CPU seconds of a request to each of the servers. Raises RuntimeError where one finds nothing at all."""
    body = batch([url] * case.tasks, case.kind, PROJECTS[case.kind])
    for number, (client, _) in enumerate(servers):
        for _ in range(2):
            answer = msgspec.json.decode(client.predict(body))
        if not any(each.get("result") for each in answer["results"]):
            raise RuntimeError(f"Server {number + 1} of {len(servers)} finds nothing in {case.title}: {answer}"[:500])
    spent: list[list[float]] = [[] for _ in servers]
    for _ in range(ROUNDS):
        for number, (client, process) in enumerate(servers):
            turns = case.turns[min(number, 1)]
            spent[number].append(measure(lambda client=client: client.predict(body), turns, process)[0])  # type: ignore[misc]
    return [median(each) for each in spent]


def compile_reader(folder: Path) -> Callable[[bytes], object] | None:
    """The loop of csv_limit.c; None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "csv_limit.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", str(HERE / "csv_limit.c"), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).read_cells
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    function.restype = ctypes.c_size_t

    def read(data: bytes) -> object:
        cells = np.empty(len(data) // 2 + 1)
        return function(data, len(data), cells.ctypes.data)

    return read


def limit_of(case: Case, data: bytes, read_cells: Callable[[bytes], object] | None) -> float:
    """CPU seconds at the machine's limit; 0 where no compiler tells."""
    if read_cells is None or case.kind == "dated":
        return 0.0
    body = data[data.index(b"\n") + 1 :]
    found = alternate({"GEMM": make_graph_gemm(), "CSV": lambda: read_cells(body)}, 15)
    arithmetic = flop_a_row(case.kind, case.rows) * case.rows / gemm_rate(found["GEMM"])
    return case.tasks * (arithmetic + found["CSV"].least)


if __name__ == "__main__":
    main()
