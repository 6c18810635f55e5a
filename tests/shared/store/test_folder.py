import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest

from shared.errors import ConflictError, LeaseHeldError, RefusedError, StoreError
from shared.store.folder import LEFT_BEHIND, MARKER, STAGING, FolderStorage
from shared.store.lease import Lease, take_lease
from shared.store.opening import open_storage
from shared.store.storage import Blob


def test_the_folder_is_made(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "deep" / "models"))
    storage.put("a", b"1")
    assert (tmp_path / "deep" / "models" / "a").read_bytes() == b"1"


def test_links_below_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    storage = FolderStorage(tmp_path / "store")
    storage.put("inside/a", b"1")
    root = Path(storage.address)
    (root / "folder").symlink_to(outside)
    (root / "inside" / "file").symlink_to(outside / "secret")
    for key in ("folder/secret", "inside/file"):
        with pytest.raises(RefusedError):
            storage.get(key)
    with pytest.raises(RefusedError):
        storage.head("inside/file")
    with pytest.raises(RefusedError):
        storage.put("folder/secret", b"overwritten")
    with pytest.raises(RefusedError):
        storage.delete(["folder/secret"])
    assert storage.keys() == ["inside/a"]
    storage.put("inside/file", b"replaces the link, not what it leads to")
    assert (outside / "secret").read_bytes() == b"secret"


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "volume")
    FolderStorage(tmp_path / "models").put("a", b"1")
    assert (tmp_path / "volume" / "a").read_bytes() == b"1"


def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for key in ("pipe", "folder"):
        with pytest.raises(RefusedError, match="not a plain file"):
            storage.get(key)
    assert storage.keys() == []


def test_files_of_others_are_none_of_its_business(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    for name in ("copy of model (1).onnx", ".hidden", "lost+found", "ä"):
        (tmp_path / name).write_bytes(b"")
    storage.put("a", b"1")
    assert storage.keys() == ["a"]


def test_a_folder_that_is_gone_is_an_error_and_not_an_empty_store(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "volume")
    (tmp_path / "volume").rename(tmp_path / "elsewhere")
    for verb in (lambda: storage.get("a"), lambda: storage.put("a", b""), storage.keys):
        with pytest.raises(StoreError, match="is gone; mount it"):
            verb()
    (tmp_path / "elsewhere").rename(tmp_path / "volume")
    storage.put("a", b"1")


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((StoreError, RefusedError), match="file"):
        FolderStorage(tmp_path / "file" / "models")


def test_a_missing_parent_folder_is_no_error_for_readers(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    assert storage.get("updates/7/a") is None
    assert storage.head("updates/7/a") is None
    storage.delete(["updates/7/a"])


def test_empty_folders_do_not_stay(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.put("updates/7/a", b"1")
    storage.put("updates/8/a", b"1", create=True)
    storage.delete(["updates/7/a"])
    assert not (tmp_path / "updates" / "7").exists()
    storage.delete(["updates/8/a"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [STAGING, MARKER]
    assert not list((tmp_path / STAGING).iterdir())


def test_what_the_dead_have_left_is_swept_after_a_day(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.put("a", b"1", create=True)
    staging = tmp_path / STAGING
    left = [staging / "t1"]
    for key in ("runs,7,active", "model_project_1.onnx", "tasks,3"):
        (staging / key).mkdir()
        left += [staging / key / "t2", staging / key / "s3"]
    for path in left:
        path.write_bytes(b"half")
    FolderStorage(tmp_path)
    assert all(path.exists() for path in left)
    for path in left:
        os.utime(path, times=(0, path.stat().st_mtime - LEFT_BEHIND - 1))
    FolderStorage(tmp_path)
    assert not list(staging.rglob("*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named_with_a_remedy(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.put("a", b"1")
    (tmp_path / STAGING).chmod(0o500)
    with pytest.raises(StoreError, match="make the folder writable"):
        storage.put("a", b"2")
    (tmp_path / STAGING).chmod(0o700)


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume whose times never tell two writes apart, as those of 4 ms often do not."""
    monkeypatch.setattr("shared.store.posix.time", SimpleNamespace(time_ns=lambda: 10**18, time=time.time))


@pytest.mark.usefixtures("stopped_clock")
def test_a_condition_holds_where_the_clock_does_not_move(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    tag = storage.put("a", b"1")
    storage.put("a", b"2", if_match=tag)
    with pytest.raises(ConflictError):
        storage.put("a", b"3", if_match=tag)
    assert storage.get("a") == Blob(b"2", storage.head("a").tag)  # type: ignore[union-attr]


@pytest.mark.usefixtures("stopped_clock")
def test_one_lease_has_one_holder_where_the_clock_does_not_move(tmp_path: Path) -> None:
    def take(storage: FolderStorage) -> Lease | None:
        gate.wait()
        try:
            return take_lease(storage, 7, "B")
        except LeaseHeldError:
            return None

    gate = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        for attempt in range(20):
            stores = [FolderStorage(tmp_path / str(attempt)) for _ in range(2)]
            take_lease(stores[0], 7, "A").release()
            assert len([lease for lease in pool.map(take, stores) if lease]) == 1
