"""One Label Studio for all tests, servers for those that ask, and figures that are printed at the end."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from examples.demo import label_studio as installed
from examples.demo import server as segmenter
from examples.demo.client import Client
from examples.demo.program import Program, free_port

FIGURES = pytest.StashKey[dict[str, str]]()
SERVER_SECONDS = 240


class Server:
    """A running server of ours, its address and its models; it may be stopped, killed and started again."""

    def __init__(self, program: Program, url: str, models: Path) -> None:
        self.program = program
        self.url = url
        self.models = models

    def complaints(self) -> list[str]:
        """What its log says above the level of information."""
        lines = [json.loads(line) for line in self.program.log.read_text().splitlines()]
        return [line["message"] for line in lines if line["level"] not in ("info", "debug")]

    def start(self) -> None:
        """Start, or start again on the same port and models."""
        self.program.start(SERVER_SECONDS)


class Serve(Protocol):
    """`with serve("name", SETTING="value") as server:` starts a server with an empty folder for its models."""

    def __call__(self, name: str, **settings: str) -> AbstractContextManager[Server]:
        """Start one; `name` is that of its log."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of them, so that `make test` can leave them out; each may install and train."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(1800))


def pytest_configure(config: pytest.Config) -> None:
    """Start without figures."""
    config.stash[FIGURES] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures: they are the point of these tests as much as the dots are."""
    figures = config.stash[FIGURES]
    if figures:
        terminalreporter.section("figures")
        for what, figure in figures.items():
            terminalreporter.write_line(f"{what}: {figure}")


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """What was measured, by name; printed at the end."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory, figures: dict[str, str]) -> Path:
    """Logs of this session's programs: the first thing to read when a test fails."""
    folder = tmp_path_factory.mktemp("logs")
    figures["logs"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Iterator[Client]:
    """A user of a real Label Studio with an empty database."""
    installed.install(print)
    port = free_port()
    data = tmp_path_factory.mktemp("label-studio") / "data"
    with installed.program(data, port, logs / "label-studio.log").start(installed.START_SECONDS):
        yield Client(f"http://127.0.0.1:{port}", installed.TOKEN)


@pytest.fixture(scope="session")
def serve(user: Client, logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Start servers on demand. They hold the user's token unless a setting says otherwise."""

    @contextmanager
    def start(name: str, **settings: str) -> Iterator[Server]:
        settings = {"LABEL_STUDIO_API_KEY": installed.TOKEN, **settings}
        port, models = free_port(), tmp_path_factory.mktemp("models")
        program = segmenter.program(port, models, user.url, logs / f"{name}.log", **settings)
        with program.start(SERVER_SECONDS):
            yield Server(program, f"http://127.0.0.1:{port}", models)

    return start
