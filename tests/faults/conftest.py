"""Everything here is marked `faults` (`make faults`), and says at the end how many faults of which kind were made."""

from pathlib import Path

import pytest

from tests.faults.counting import COUNTS, LONG, missing

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.faults)


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
