"""Reports of earlier versions stay readable."""

from pathlib import Path

import msgspec
import pytest

from shared.store.report import ReportFile, read_held_out

GOLDEN = sorted(Path("tests/golden/0.1.0/store").rglob("*report.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_report_of_0_1_0_is_read_with_its_member_count_passed_over(path: Path) -> None:
    data = path.read_bytes()
    assert msgspec.json.decode(data)["members"] == 1
    report = msgspec.json.decode(data, type=ReportFile)
    assert read_held_out(data).keys() == {each.task for each in report.held_out}


def test_there_are_such_reports() -> None:
    assert GOLDEN
