"""How benchmarks measure: CPU seconds, cases in alternating order, the machine's own limit beside them."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import onnxruntime
import psutil
from onnx import TensorProto, helper

GEMM = 1024  # size of the matrices whose product tells the machine's limit


class Timing(NamedTuple):
    """CPU seconds of one case over its repetitions: the least (machines are shared) and the middle one."""

    least: float
    middle: float


def alternate(cases: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, Timing]:
    """CPU time of this process for each case: through the cases forwards, backwards, forwards …, after a warm-up."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for each in cases.values():
        each()
    for turn in range(repetitions):
        for name in sorted(cases, key=list(cases).index, reverse=turn % 2 == 1):
            begin = time.process_time()
            cases[name]()
            found[name].append(time.process_time() - begin)
    return {name: Timing(min(times), median(times)) for name, times in found.items()}


def make_gemm() -> Callable[[], object]:
    """A product of two float32 matrices, 2 · 1024³ FLOP, on numpy's BLAS."""
    left = np.random.default_rng(0).random((GEMM, GEMM), dtype=np.float32)
    right, out = left.T.copy(), np.empty_like(left)
    return lambda: np.matmul(left, right, out=out)


def make_graph_gemm() -> Callable[[], object]:
    """The same product by onnxruntime, in a graph of one node: its limit may be another."""
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [GEMM, GEMM]) for name in ("left", "right", "out")]
    graph = helper.make_graph([helper.make_node("MatMul", ["left", "right"], ["out"])], "gemm", shapes[:2], shapes[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    left = np.random.default_rng(0).random((GEMM, GEMM), dtype=np.float32)
    inputs = {"left": left, "right": left.T.copy()}
    return lambda: session.run(None, inputs)


def gemm_rate(timing: Timing) -> float:
    """FLOP a second."""
    return 2.0 * GEMM**3 / timing.least


def tree_cpu(process: psutil.Process) -> float:
    """CPU seconds of a process, its ended and its living children."""
    times = process.cpu_times()
    total: float = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        own = child.cpu_times()
        total += own.user + own.system
    return total


def resident(process: psutil.Process) -> float:
    """Resident memory [MiB]."""
    found: float = process.memory_info().rss / 2**20
    return found


def say_where(command: str) -> None:
    """Head of a benchmark's output: command, date, machine, versions, load."""
    now = datetime.now(UTC)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"$ {command}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "pandas", "torch"))
    print(
        f"{now:%Y-%m-%d %H:%M} UTC; {processor()}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, load "
        f"{load}; Python {platform.python_version()}, {versions}"
    )


def processor() -> str:
    """Name of the processor."""
    try:
        with Path("/proc/cpuinfo").open() as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print()
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def milliseconds(seconds: float) -> str:
    """Three digits."""
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"
