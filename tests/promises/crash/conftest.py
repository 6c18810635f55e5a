"""Everything here is marked `crash` (`make crash`); the end of a run says how many faults of each kind were made."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.store.folder import FolderStorage
from tests.promises.crash.counting import COUNTS, LONG, missing
from tests.promises.crash.crash_points import fast_folder

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.crash)


def is_whole(config: pytest.Config) -> bool:
    """Whether all of this folder was asked for, and not some of its tests."""
    return [Path(each).resolve() for each in config.args] == [HERE] and not config.getoption("keyword")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == 0 and is_whole(session.config) and missing():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if COUNTS:
        terminalreporter.write_sep("=", f"faults made ({'long' if LONG else 'short'} form)")
        for kind, count in sorted(COUNTS.items()):
            terminalreporter.write_line(f"{count:8,} {kind}")
    if is_whole(config):
        for sentence in missing():
            terminalreporter.write_line(f"TOO FEW: {sentence}", red=True)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[], FolderStorage]]:
    """A maker of empty stores."""
    with tempfile.TemporaryDirectory(dir=fast_folder(tmp_path)) as base:

        def make() -> FolderStorage:
            return FolderStorage(Path(tempfile.mkdtemp(dir=base)))

        yield make


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Callable[[FolderStorage], Callable[[], FolderStorage]]]:
    """A maker of makers of copies of a store."""
    with tempfile.TemporaryDirectory(dir=fast_folder(tmp_path)) as base:

        def of(storage: FolderStorage) -> Callable[[], FolderStorage]:
            def make() -> FolderStorage:
                folder = Path(tempfile.mkdtemp(dir=base)) / "store"
                shutil.copytree(storage.address, folder)
                return FolderStorage(folder)

            return make

        yield of
