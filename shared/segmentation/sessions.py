"""Sessions of onnxruntime, and the first run of an unknown graph: within bounds of memory.

A file of 4 kB can ask for terabytes: a value joined to itself forty times, two vectors added to a matrix. No reading of
the file shows, so the first run allocates from an arena that ends.
"""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
import onnxruntime

from shared.errors import ModelError

PROVIDERS = ["CPUExecutionProvider"]
MOST_BYTES = 1 << 29  # of one forward pass: the defaults take 16 MiB, SEQUENCE_SIZE=10000 takes 512


def make_session(data: bytes, threads: int) -> Any:
    """A session that serves. Raises ModelError where onnxruntime takes the graph for none."""
    return _session(data, _options(threads))


@contextmanager
def first_session(data: bytes) -> Iterator[Any]:
    """A session to look at a graph with, and to `run_first`. Raises ModelError as `make_session` does."""
    options = _options(threads=1)
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")  # weights count elsewhere
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # optimisers compute, too
    with _arena():
        yield _session(data, options)


def run_first(session: Any, windows: int, rows: int, channels: int) -> None:
    """Run a first session on as many windows of zeros as serving gives the graph at once.

    Raises ModelError where it needs more than MOST_BYTES for that, or cannot be run.
    """
    if windows * rows * channels * 4 > MOST_BYTES // 4:
        raise ModelError(f"A model takes {windows} windows of {rows} rows and {channels} channels at once: too many.")
    inputs = {
        "windows": np.zeros((windows, rows, channels), np.float32),
        "center": np.zeros((1, 1, channels)),
        "scale": np.ones((1, 1, channels), np.float32),
    }
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    try:
        session.run(None, inputs, options)
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise ModelError(
            f"A graph cannot be run on {windows} windows of {rows} rows within {MOST_BYTES >> 20} MiB: {error}; "
            "lower SEQUENCE_SIZE or HIDDEN_SIZE, or train again."
        ) from error


def return_freed_memory() -> None:
    """Give the system back what glibc's malloc keeps of sessions that are gone; no effect with other allocators."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = True
    options.log_severity_level = 4  # errors arrive as exceptions
    return options


def _session(data: bytes, options: Any) -> Any:
    try:  # its fallback would print, and try the same again
        return onnxruntime.InferenceSession(data, options, providers=PROVIDERS, enable_fallback=False)
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise ModelError(f"onnxruntime refuses a graph: {error}.") from error


@cache
def _arena() -> threading.Lock:
    """Registers the one arena with an end that a process can have. First runs take turns in it."""
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = 1  # doubling would reach the end with half of it in use
    rules = {"max_mem": MOST_BYTES, "arena_extend_strategy": as_requested}
    onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(rules))
    return threading.Lock()
