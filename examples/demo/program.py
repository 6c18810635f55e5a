"""A program that is started, stopped and killed: Label Studio or the server."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3

ROOT = Path(__file__).resolve().parents[2]
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")  # nothing else of the caller's environment may change what runs


class ProgramError(Exception):
    """A program did not start or did not answer; the message ends with the last lines of its log."""


def free_port() -> int:
    """A port of the loopback interface that is free now.

    Not one that the kernel chooses: it takes those of outgoing connections from the same range (32768 and up), and one
    of them may get it before the program listens.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Program:
    """One process in a process group of its own, so that a Ctrl-C of the caller reaches it only through `stop`.

    Its output is appended to `log`; it counts as started when `ready` (a URL) answers with a status below 400.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], log: Path, ready: str) -> None:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.command = list(command)
        self.environ = {**inherited, **environ}
        self.log = log
        self.ready = ready
        self.folder = ROOT  # whose code is found first
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float) -> Self:
        """Start and wait until it answers. Raises ProgramError when it ends or stays silent for `seconds`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environ, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + seconds
        while not self.answers():
            if self._process.poll() is not None:
                raise self.failed(f"ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                self.stop()
                raise self.failed(f"did not answer {self.ready} within {seconds:g} s")
            time.sleep(0.02)
        return self

    def answers(self) -> bool:
        """Whether `ready` answers now."""
        try:
            return urllib3.request("GET", self.ready, timeout=2.0, retries=False).status < 400
        except urllib3.exceptions.HTTPError:
            return False

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process of the last start. Raises ProgramError before the first."""
        if self._process is None:
            raise ProgramError(f"{self.command[0]} was not started")
        return self._process

    @property
    def pid(self) -> int:
        """Process id. Raises ProgramError before the first start."""
        return self.process.pid

    def stop(self, seconds: float = 15) -> None:
        """Ask the whole group to end, and end it after `seconds`."""
        if self._process is None:
            return
        self._signal_group(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def kill(self) -> None:
        """`kill -9` of the process alone, as the kernel does when memory runs out; its children get no signal."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def failed(self, what: str) -> ProgramError:
        """An error that says what happened, with the end of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-30:]
        return ProgramError("\n".join([f"{' '.join(self.command)} {what}; end of {self.log}:", *lines]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
