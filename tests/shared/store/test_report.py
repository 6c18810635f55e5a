"""Reports of earlier versions stay readable."""

from pathlib import Path

import msgspec
import pytest

from shared.errors import RefusedError
from shared.store import keys
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import ReportFile, read_held_out
from tests.support.store import PROJECT, VERSION, publish_model

GOLDEN = sorted(Path("tests/golden/0.1.0/store").rglob("*report.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_report_of_0_1_0_is_read_with_its_member_count_passed_over(path: Path) -> None:
    data = path.read_bytes()
    assert msgspec.json.decode(data)["members"] == 1
    report = msgspec.json.decode(data, type=ReportFile)
    assert read_held_out(data).keys() == {each.task for each in report.held_out}


def test_there_are_such_reports() -> None:
    assert GOLDEN


def test_a_report_larger_than_any_is_not_read(tmp_path: Path) -> None:
    store = ModelStore(open_storage(str(tmp_path)))
    publish_model(tmp_path, reports={"report.json": b"{}"})
    path = tmp_path / keys.version(PROJECT, VERSION, "report.json")
    with path.open("wb") as file:
        file.truncate(3 << 30)  # holes, which take no room on the disk
    with pytest.raises(RefusedError, match=r"at most \d+ are read"):
        store.file(PROJECT, VERSION, "report.json")
