"""`tss store copy`: a store is moved whole, and moving it again changes nothing."""

from pathlib import Path

import pytest

from inference.commands.store import copy, main
from shared.command_line import parse
from shared.errors import RefusedError, StoreError
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.folder import FolderStorage
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage
from tests.inference.conftest import Publish


@pytest.fixture
def filled(model_dir: Path, publish: Publish) -> Storage:
    publish(3)
    publish(4)
    storage = open_storage(str(model_dir))
    Updates(storage).add(3, "ANNOTATION_CREATED", 1.0)
    KnownProjects(storage).remember(KnownProject(id=3, title="Three"))
    return storage


def contents(storage: Storage) -> dict[str, bytes]:
    found = {key: storage.get(key) for key in storage.keys("") if not key.startswith("clock/")}
    return {key: each.data for key, each in found.items() if each is not None}


@pytest.mark.s3
def test_a_volume_becomes_a_bucket(filled: Storage, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = open_storage(bucket)
    assert copy(filled, target) == 0
    assert contents(target) == contents(filled)
    assert ModelStore(target).model_info(3) is not None
    count = len(contents(filled))
    assert f"{count} of {count} objects copied" in capsys.readouterr().out
    copy(filled, target)
    assert f"0 of {count} objects copied" in capsys.readouterr().out


def test_what_changed_since_is_copied_again_and_nothing_is_deleted(filled: Storage, tmp_path: Path) -> None:
    target = open_storage(str(tmp_path / "other"))
    copy(filled, target)
    KnownProjects(filled).remember(KnownProject(id=3, title="Trois"))
    Updates(target).add(9, "ANNOTATION_CREATED", 1.0)
    copy(filled, target)
    known = KnownProjects(target).get(3)
    assert known is not None
    assert known.title == "Trois"
    assert contents(target).keys() > contents(filled).keys()


def test_the_models_that_serve_come_last(filled: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = open_storage(str(tmp_path / "other"))
    written: list[str] = []
    put = FolderStorage.put

    def failing(self: FolderStorage, key: str, data: bytes, **conditions: object) -> str:
        if key.startswith("model_project_4"):
            raise StoreError("The bucket is away.")
        written.append(key)
        return put(self, key, data, **conditions)  # type: ignore[arg-type]

    monkeypatch.setattr(FolderStorage, "put", failing)
    with pytest.raises(StoreError):
        copy(filled, target)
    assert {"updates", "versions", "projects"} <= {key.partition("/")[0] for key in written}


def test_a_wrong_source_is_named_and_not_made(tmp_path: Path) -> None:
    wrong = tmp_path / "typo"
    options = parse("inference", ["store", "copy", str(wrong), str(tmp_path / "other")], "test", "")
    with pytest.raises(StoreError, match="typo"):
        main(options, Settings())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_no_store(tmp_path: Path) -> None:
    empty, target = open_storage(str(tmp_path / "empty")), open_storage(str(tmp_path / "other"))
    with pytest.raises(RefusedError, match=r"no store at .*empty"):
        copy(empty, target)


def test_a_store_is_not_copied_onto_itself(filled: Storage) -> None:
    with pytest.raises(RefusedError, match="onto itself"):
        copy(filled, filled)
