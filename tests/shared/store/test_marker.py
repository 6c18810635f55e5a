"""A folder without the marker of its store: a volume that is not mounted, and no empty store."""

from pathlib import Path

import pytest

from shared.errors import NoStoreError
from shared.store.folder import MARKER, FolderStorage
from shared.store.opening import open_storage


def test_the_first_write_leaves_a_marker_and_readers_leave_none(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    assert storage.get("a") is None
    assert not (tmp_path / MARKER).exists()
    storage.put("a", b"1")
    assert (tmp_path / MARKER).exists()
    assert storage.keys() == ["a"]


def test_a_store_whose_volume_disappears_is_no_empty_store(tmp_path: Path) -> None:
    mount, away = tmp_path / "models", tmp_path / "away"
    storage = FolderStorage(mount)
    storage.put("updates/7/a", b"1", create=True)
    mount.rename(away)
    mount.mkdir()  # what lies under the volume
    for use in (
        lambda: storage.get("updates/7/a"),
        lambda: storage.keys(),
        lambda: storage.put("updates/7/b", b"1"),
        lambda: storage.put("updates/7/b", b"1", create=True),
        lambda: storage.delete(["updates/7/a"]),
        storage.check,
    ):
        with pytest.raises(NoStoreError, match=r"its file \.store is gone\. Is its volume mounted\?"):
            use()
    assert list(mount.iterdir()) == []
    mount.rmdir()
    away.rename(mount)
    assert storage.keys() == ["updates/7/a"]
    storage.check()


def test_an_empty_folder_is_refused_where_the_store_must_be_there(tmp_path: Path) -> None:
    mount = tmp_path / "models"
    missing = open_storage(str(mount), "refuse")
    with pytest.raises(NoStoreError, match="is gone; mount it"):
        missing.keys()
    mount.mkdir()
    with pytest.raises(NoStoreError, match="NEW_STORE=make"):
        missing.put("a", b"1")
    assert list(mount.iterdir()) == []
    open_storage(str(mount)).put("a", b"1")  # mounted meanwhile
    missing.put("b", b"2")
    assert open_storage(str(mount), "refuse").keys() == ["a", "b"]


def test_a_store_made_before_there_were_markers_gets_one_with_its_next_write(tmp_path: Path) -> None:
    (tmp_path / "model_project_7.onnx").write_bytes(b"model")
    storage = open_storage(str(tmp_path), "refuse")
    assert storage.keys() == ["model_project_7.onnx"]
    assert not (tmp_path / MARKER).exists()
    storage.put("a", b"1")
    assert (tmp_path / MARKER).exists()


def test_a_store_created_again_by_another_process_is_used(tmp_path: Path) -> None:
    """Two processes of one store that is empty: each may be the first to write."""
    one, other = FolderStorage(tmp_path), FolderStorage(tmp_path)
    one.put("a", b"1")
    other.put("b", b"2")
    assert one.keys() == other.keys() == ["a", "b"]
