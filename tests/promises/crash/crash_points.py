"""Processes that die, or are failed by their disk, at the n-th step of durable code."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.store import folder as folder_storage
from shared.store import posix as files

STEPS = ("open", "write", "utime", "fsync", "rename", "unlink", "mkdir", "rmdir", "listdir")
READING = ("open", "stat", "fstat", "scandir", "fdopen")
MODULES: tuple[ModuleType, ...] = (files, folder_storage)
LIMIT = 2000  # steps after which something runs in a circle


class ObservedOs:
    """The `os` of the store's modules, with something before each step."""

    def __init__(self, before: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._before = before

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in (*STEPS, *READING):
            return real

        def step(*args: Any, **kwargs: Any) -> Any:
            self._before(name, args)
            return real(*args, **kwargs)

        return step


@contextmanager
def observed(before: Callable[[str, tuple[Any, ...]], None]) -> Iterator[None]:
    """Call `before` with name and arguments before each step of a folder store."""
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            patch.setattr(module, "os", ObservedOs(before))
        yield


def dies_at(n: int, work: Callable[[], object]) -> bool:
    """Do `work` in a process of its own that is killed (SIGKILL) before its n-th change; whether that happened.

    A write is cut in half first, as a process that dies in the middle of one leaves it.
    """
    child = os.fork()
    if child == 0:
        left = n

        def before(name: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            left -= _changes(name, args)
            if left == 0 and _changes(name, args):
                if name == "write":
                    os.write(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with observed(before):
                work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the work failed without being killed"
    return False


def each_death(prepare: Callable[[], Any], work: Callable[[Any], object], check: Callable[[Any], object]) -> int:
    """Kill `work` at each of its steps in turn, always on what `prepare` gives; returns how many deaths there were."""
    for n in range(1, LIMIT):
        place = prepare()
        died = dies_at(n, lambda place=place: work(place))  # type: ignore[misc]
        check(place)
        if not died:
            return n - 1
    raise AssertionError(f"no end after {LIMIT} steps")


def _changes(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a step changes what others see; a death before any other is one after the last that did."""
    return args[1] & os.O_CREAT != 0 if name == "open" else name in STEPS and name not in ("listdir", "utime")


@contextmanager
def failing_at(n: int, error: int = errno.EIO, names: tuple[str, ...] = STEPS) -> Iterator[list[str]]:
    """Let the n-th of the steps `names` fail with an OSError; yields the steps that failed."""
    failed: list[str] = []
    count = 0

    def before(name: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if name in names:
            count += 1
            if count == n:
                failed.append(name)
                raise OSError(error, os.strerror(error))

    with observed(before):
        yield failed


def fast_folder(tmp_path: Path) -> Path:
    """Where the store lies in these tests: in memory if possible, since nothing here cuts the power."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else tmp_path
