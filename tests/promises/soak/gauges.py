"""What a server holds: memory, file descriptors, threads, temporary files; its trainings are counted apart."""

import os
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.measure import tree_cpu
from tests.promises.soak.slopes import LIMITS


class Reading(NamedTuple):
    """One look, in the order of `slopes.LIMITS`."""

    rss: float  # MiB
    descriptors: float
    threads: float
    files: float


class Gauges:
    """Looks at a running server; what is left when bursts are over is the least of a minute's looks."""

    def __init__(self, pid: int, folders: list[Path]) -> None:
        """`folders` are those whose files should be temporary."""
        self._process = psutil.Process(pid)
        self._folders = folders
        self._looks: list[Reading] = []
        self._cpu = 0.0

    def look(self) -> None:
        """Take a reading."""
        memory = self._process.memory_info().rss / 2**20
        files = sum(_count(folder) for folder in self._folders)
        self._looks.append(Reading(memory, self._process.num_fds(), self._process.num_threads(), files))

    def minute(self) -> Reading:
        """The least of each since the last call."""
        looks, self._looks = self._looks, []
        assert len(Reading._fields) == len(LIMITS)
        return Reading(*(min(each) for each in zip(*looks, strict=True)))

    def cpu(self) -> float:
        """CPU seconds of server and trainings since the last call."""
        before, self._cpu = self._cpu, tree_cpu(self._process)
        return max(0.0, self._cpu - before)


def _count(folder: Path) -> int:
    return sum(name != "clock" for _, _, names in os.walk(folder) for name in names)
