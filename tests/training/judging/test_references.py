"""Kept versions are compared with as far as they can be read."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from shared.store import keys
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.graphs import make_config
from tests.support.published import make_report
from tests.support.store import PROJECT, publish_model
from training.judging.references import current_model, load_references, next_number, serving_heads

VERSIONS = [f"20260101T00000{second}Z-00000{second}" for second in (1, 2, 3)]
OLD, MIDDLE, NEW = VERSIONS
CONFIG = make_config(("Run", "Walk"))


def garbage(path: Path) -> None:
    path.write_bytes(b"\0garbage")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    storage = open_storage(str(tmp_path))
    for number, version in enumerate(VERSIONS, 1):
        report = msgspec.structs.replace(make_report(version, 0.9), number=number)
        publish_model(storage, version=version, reports={"report.json": msgspec.json.encode(report)})
    return ModelStore(storage)


def names(store: ModelStore) -> list[str]:
    return [each.version for each in load_references(store, PROJECT, "", CONFIG)]


@pytest.mark.parametrize("damage", [garbage, half, link])
@pytest.mark.parametrize("suffix", ["onnx", "report.json"])
def test_a_damaged_version_is_left_out_of_comparisons(
    store: ModelStore, tmp_path: Path, suffix: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert names(store) == [NEW, MIDDLE, OLD]
    assert next_number(store, PROJECT) == 4
    damage(tmp_path / keys.version(PROJECT, MIDDLE, suffix))
    assert names(store) == [NEW, OLD]
    assert next_number(store, PROJECT) == 4
    listed = (suffix, damage) != ("onnx", link)  # a store lists no links
    assert ("Left out, as it cannot be read" in caplog.text) == listed


@pytest.mark.parametrize("damage", [garbage, half, link])
def test_in_place_of_a_damaged_model_that_serves_the_newest_version_counts(
    store: ModelStore, tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(tmp_path / keys.model(PROJECT))
    damage(tmp_path / keys.version(PROJECT, NEW, "onnx"))
    found = current_model(store, PROJECT)
    assert found is not None
    assert found.model_info.version == MIDDLE
    assert "The model that serves cannot be read" in caplog.text
    assert serving_heads(open_storage(str(tmp_path)), PROJECT, CONFIG) == (("Run", "Walk"),)
    for version in (MIDDLE, OLD):
        damage(tmp_path / keys.version(PROJECT, version, "onnx"))
    assert current_model(store, PROJECT) is None
    assert names(store) == []
