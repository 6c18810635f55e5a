"""Networks of earlier runs: whole, or not at all."""

import logging
from pathlib import Path

import pytest

from shared.lineage import KeptFits, LearnedRecording
from shared.lineage.fits import MOST
from shared.store import keys
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage

DIGEST, OTHER = "a" * 64, "b" * 64
SEVEN = LearnedRecording(task="7", group="task 7", content="c" * 64)
EIGHT = LearnedRecording(task="8", group="task 8", content="d" * 64)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "models"))


def test_what_was_kept_is_taken(storage: Storage) -> None:
    KeptFits(storage, 3).keep(DIGEST, b"net\nwork", [SEVEN])
    assert KeptFits(storage, 3).take(DIGEST) == b"net\nwork"
    assert KeptFits(storage, 3).take(OTHER) is None
    assert KeptFits(storage, 4).take(DIGEST) is None


@pytest.mark.parametrize("content", [b"", b"network", b"{}\nnetwork", b'{"sha256":"00","learned":[]}\nnetwork'])
def test_a_file_that_is_not_whole_is_no_network(
    storage: Storage, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    storage.put(f"fits/3/{DIGEST}.fit", content)
    with caplog.at_level(logging.WARNING):
        assert KeptFits(storage, 3).take(DIGEST) is None
    assert "fitted again" in caplog.text


def test_a_file_of_any_size_is_not_read(
    storage: Storage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeptFits(storage, 3).keep(DIGEST, b"network" * 100, [SEVEN])
    monkeypatch.setattr(keys, "FIT_BYTES", 500)
    assert KeptFits(storage, 3).take(DIGEST) is None
    assert "at most 500 are read" in caplog.text
    assert KeptFits(storage, 3).forget("8") == 1


def test_a_flipped_bit_is_seen(storage: Storage) -> None:
    KeptFits(storage, 3).keep(DIGEST, b"network", [SEVEN])
    found = storage.get(f"fits/3/{DIGEST}.fit")
    assert found is not None
    storage.put(f"fits/3/{DIGEST}.fit", found.data[:-1] + bytes([found.data[-1] ^ 1]))
    assert KeptFits(storage, 3).take(DIGEST) is None


def test_a_run_removes_what_it_did_not_use(storage: Storage) -> None:
    before = KeptFits(storage, 3)
    for digest in (DIGEST, OTHER):
        before.keep(digest, b"network", [SEVEN])
    now = KeptFits(storage, 3)
    now.take(OTHER)
    now.keep("c" * 64, b"network", [SEVEN])
    now.remove_unused()
    assert storage.keys("fits/3") == [f"fits/3/{OTHER}.fit", f"fits/3/{'c' * 64}.fit"]


def test_runs_that_are_cut_off_again_and_again_leave_a_bounded_number(storage: Storage) -> None:
    for run in range(MOST + 5):
        KeptFits(storage, 3).keep(f"{run:064x}", b"network", [SEVEN])
    assert len(storage.keys("fits/3")) <= MOST


def test_a_store_that_cannot_be_written_costs_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "fits").write_bytes(b"")  # a file in the place of the folder
    kept = KeptFits(open_storage(str(tmp_path / "models")), 3)
    with caplog.at_level(logging.WARNING):
        kept.keep(DIGEST, b"network", [SEVEN])
        assert kept.take(DIGEST) is None
        kept.remove_unused()
    assert "could not be kept" in caplog.text


def test_networks_that_learned_from_a_task_are_forgotten(storage: Storage) -> None:
    kept = KeptFits(storage, 3)
    kept.keep(DIGEST, b"network", [SEVEN, EIGHT])
    kept.keep(OTHER, b"network", [EIGHT])
    storage.put(f"fits/3/{'c' * 64}.fit", b"says nothing")
    assert KeptFits(storage, 3).forget("7") == 2
    assert storage.keys("fits/3") == [f"fits/3/{OTHER}.fit"]


def test_they_go_with_their_project(storage: Storage) -> None:
    KeptFits(storage, 3).keep(DIGEST, b"network", [SEVEN])
    KeptFits(storage, 4).keep(DIGEST, b"network", [SEVEN])
    ModelStore(storage).delete(3)
    assert storage.keys("fits") == [f"fits/4/{DIGEST}.fit"]
