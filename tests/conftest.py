"""Fixtures and checks for all tests.

Stores to test on: a folder, one in memory, and a bucket of a real S3 server on loopback (marked s3). Every test fails
whose output, log lines included, holds the token that tests use towards their Label Studio. Fixtures import what they
need themselves, so that a small test file starts fast.
"""

import logging
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.support.tokens import TOKEN

if TYPE_CHECKING:
    from shared.store.storage import Storage
    from tests.support.seaweed import Seaweed


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Drop hypothesis' plugin where no test used hypothesis: its summary imports the whole library (1 s of CPU)."""
    plugins = session.config.pluginmanager
    if "hypothesis" not in sys.modules and plugins.has_plugin("hypothesispytest"):
        plugins.unregister(name="hypothesispytest")


@pytest.hookimpl(tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> None:
    """Lift the limit of 200 ms an example before a file that uses hypothesis is imported: it is noise under load."""
    if isinstance(collector, pytest.Module) and b"hypothesis" in collector.path.read_bytes():
        from hypothesis import settings

        settings.register_profile("any machine", deadline=None)
        settings.load_profile("any machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that lets the planted token out."""
    report = yield
    reported = [name for name, text in report.sections if TOKEN in text]
    if reported and report.passed:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: a token is in its {', '.join(reported)}."
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what each room of the tests took, and those at the S3 server, when more than one room ran."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = "/".join(report.nodeid.partition("::")[0].split("/")[:2])
                room = "tests at the S3 server" if "s3" in report.keywords else folder
                seconds[room] += round(report.duration * 1000)
    if len(seconds) > 2:
        reported = ", ".join(f"{room} {spent / 1000:.0f} s" for room, spent in sorted(seconds.items()))
        terminalreporter.write_line(f"of that: {reported}")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """End the logging that a command started in this process: pytest closes the stream that its handler writes to, and
    its level decides what later tests see.
    """
    root = logging.getLogger()
    level = root.level
    yield
    root.handlers[:] = [handler for handler in root.handlers if type(handler) is not logging.StreamHandler]
    root.setLevel(level)


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Seaweed]":
    """One S3 server for all tests that need one."""
    from tests.support.seaweed import Seaweed

    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture
def bucket(seaweed: "Seaweed", monkeypatch: pytest.MonkeyPatch) -> str:
    """MODEL_DIR of an empty store in a bucket; the environment holds its address and keys."""
    from tests.support.seaweed import BUCKET

    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4().hex}"


@pytest.fixture(params=["folder", "portable", "memory", pytest.param("bucket", marks=pytest.mark.s3)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> "Storage":
    """An empty store of each kind. The one in memory exists for tests only and passes the same tests."""
    from shared.store.bucket import ObjectStorage
    from shared.store.folder import FolderStorage
    from shared.store.portable import PortableFolder
    from tests.support.memory_storage import MemoryStorage

    if request.param == "folder":
        return FolderStorage(tmp_path / "store")
    if request.param == "portable":
        return PortableFolder(tmp_path / "store")
    if request.param == "memory":
        return MemoryStorage()
    return ObjectStorage(request.getfixturevalue("bucket"))
