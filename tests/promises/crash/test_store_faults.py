"""Readers see old or new, never half, and who comes next goes on, wherever a writer died (promises 1, 2, 3, 5)."""

import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConflictError, SegmenterError, StoreError
from shared.retraining.active_run import begin_run
from shared.retraining.runs import Runs
from shared.retraining.updates import START_TRAINING, Updates
from shared.store import keys
from shared.store.folder import STAGING, FolderStorage
from shared.store.lease import take_lease
from shared.store.models import ModelStore
from tests.promises.crash.counting import COUNTS
from tests.promises.crash.crash_points import each_death, failing_at, observed
from tests.support.models import model_file, snapshot, version_name

KILLS = "SIGKILLs at a step of durable code"
ERRORS = "disk errors at a step of durable code"
INTERLEAVINGS = "interleavings of writers"
PROJECT = 7


def data_of(storage: FolderStorage, key: str) -> bytes | None:
    found = storage.get(key)
    return found.data if found else None


def serving(storage: FolderStorage) -> str:
    """Version that serves, "" if none does. Fails on half a model."""
    model_info = ModelStore(storage).model_info(PROJECT)
    assert model_info is None or not model_info.refused, model_info
    return model_info.version if model_info else ""


def with_two_versions(storage: FolderStorage) -> FolderStorage:
    lease = take_lease(storage, PROJECT, "test")
    for number in (1, 2):
        assert ModelStore(storage).publish(lease, model_file(number), f"weights {number}".encode()).published
    lease.release()
    return storage


@pytest.mark.parametrize("how", ["replace", "create", "if_match"])
def test_a_killed_put_leaves_old_or_new(fresh: Callable[[], FolderStorage], how: str) -> None:
    old, new = b"old " * 1000, b"new " * 1000

    def prepare() -> FolderStorage:
        storage = fresh()
        if how != "create":
            storage.put("a/b/c", old)
        return storage

    def work(storage: FolderStorage) -> None:
        status = storage.head("a/b/c")
        storage.put("a/b/c", new, create=how == "create", if_match=status.tag if status and how == "if_match" else None)

    def check(storage: FolderStorage) -> None:
        assert data_of(storage, "a/b/c") in ((None, new) if how == "create" else (old, new))
        assert storage.keys() in ([], ["a/b/c"])
        found = storage.head("a/b/c")
        storage.put("a/b/c", b"next", create=found is None, if_match=found.tag if found else None)
        assert data_of(storage, "a/b/c") == b"next"
        storage.delete(["a/b/c"])
        assert storage.keys() == []

    COUNTS[KILLS] += each_death(prepare, work, check)


def test_a_killed_webhook_leaves_a_whole_update_or_none(fresh: Callable[[], FolderStorage]) -> None:
    def check(storage: FolderStorage) -> None:
        waiting = Updates(storage).of(PROJECT)
        assert len(waiting) <= 1
        assert all((update.action, update.weight) == ("ANNOTATION_CREATED", 3) for update in waiting)
        assert len(storage.keys()) == len(waiting)

    COUNTS[KILLS] += each_death(
        fresh, lambda storage: Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0, weight=3), check
    )


def test_an_update_that_add_has_returned_is_there_whatever_dies_after(fresh: Callable[[], FolderStorage]) -> None:
    def work(storage: FolderStorage) -> None:
        Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0)
        Path(storage.address, "answered").touch()
        Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 2.0)

    def check(storage: FolderStorage) -> None:
        answered = Path(storage.address, "answered").exists()
        assert len(Updates(storage).of(PROJECT)) >= answered

    COUNTS[KILLS] += each_death(fresh, work, check)


def test_a_killed_publication_leaves_the_old_model_or_the_new_and_the_next_run_settles_it(
    fresh: Callable[[], FolderStorage], copies: Callable[[FolderStorage], Callable[[], FolderStorage]]
) -> None:
    prepare = copies(with_two_versions(fresh()))
    seen: Counter[str] = Counter()

    def work(storage: FolderStorage) -> None:
        lease = take_lease(storage, PROJECT, "dying")
        result = ModelStore(storage, keep_versions=2).publish(
            lease, model_file(3), b"weights 3", reports={"report.json": b"{}"}
        )
        assert result.published

    def check(storage: FolderStorage) -> None:
        store = ModelStore(storage, keep_versions=2)
        before = serving(storage)
        assert before in (version_name(2), version_name(3))
        for version in store.versions(PROJECT):
            assert store.load_version(PROJECT, version.name)
        lease = take_lease(storage, PROJECT, "next")  # at once: the dead process was of this machine
        after = serving(storage)
        seen[f"{before} then {after}"] += 1
        assert after >= before
        assert data_of(storage, keys.weights(PROJECT)) == f"weights {int(after[-6:], 16)}".encode()
        assert store.publish(lease, model_file(4), b"weights 4").published
        assert {version.name for version in store.versions(PROJECT)} >= {version_name(4), after}
        assert sum(version.accepted for version in store.versions(PROJECT)) == 2
        assert serving(storage) == version_name(4)

    COUNTS[KILLS] += each_death(prepare, work, check)
    assert len(seen) == 3  # not yet; decided, and completed by the next; done


def test_a_killed_roll_back_leaves_one_model_or_the_other(
    fresh: Callable[[], FolderStorage], copies: Callable[[FolderStorage], Callable[[], FolderStorage]]
) -> None:
    prepare = copies(with_two_versions(fresh()))

    def check(storage: FolderStorage) -> None:
        store = ModelStore(storage)
        if serving(storage) == version_name(1):
            assert store.rolled_back(PROJECT) is not None
        else:
            assert serving(storage) == version_name(2)
        assert store.roll_back(PROJECT, version_name(1)) == version_name(1)
        assert data_of(storage, keys.weights(PROJECT)) == b"weights 1"

    COUNTS[KILLS] += each_death(prepare, lambda storage: ModelStore(storage).roll_back(PROJECT), check)


def test_a_run_killed_anywhere_delays_nobody_and_loses_no_update(fresh: Callable[[], FolderStorage]) -> None:
    def prepare() -> FolderStorage:
        storage = fresh()
        Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0)
        Updates(storage).add(PROJECT, START_TRAINING, 2.0)
        return storage

    def work(storage: FolderStorage) -> None:
        run = begin_run(storage, PROJECT, launcher="process", host="here")
        run.start_from(Updates(storage).of(PROJECT))
        run.log("a line")
        run.report(state="fitting", snapshot=snapshot(1))
        run.beat()
        assert ModelStore(storage).publish(run.lease, model_file(1)).published
        run.end("published", exit_code=0)

    def check(storage: FolderStorage) -> None:
        runs = Runs(storage)
        runs.record_abandoned(PROJECT)
        state = runs.state(PROJECT)
        assert state.active is None
        trained = state.last is not None and state.last.trained == snapshot(1)
        assert trained or len(Updates(storage).of(PROJECT)) == 2
        if trained:
            assert serving(storage) == version_name(1)
        with begin_run(storage, PROJECT, launcher="process", host="here") as run:
            assert run.number == state.next_number
            run.start_from(Updates(storage).of(PROJECT))
            run.report(snapshot=snapshot(1))
            run.end("unchanged", exit_code=0)
        assert Updates(storage).of(PROJECT) == []

    COUNTS[KILLS] += each_death(prepare, work, check)


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_fails_at_any_step_gives_an_error_that_says_what_to_do(
    fresh: Callable[[], FolderStorage], copies: Callable[[FolderStorage], Callable[[], FolderStorage]], error: int
) -> None:
    prepare = copies(with_two_versions(fresh()))
    for n in range(1, 2000):
        storage = prepare()
        store = ModelStore(storage)
        raised: SegmenterError | None = None
        with failing_at(n, error, ("open", "write", "fsync", "rename", "mkdir")) as failed:
            try:
                lease = take_lease(storage, PROJECT, "failing")
                Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0)
                store.publish(lease, model_file(3), b"weights 3")
            except StoreError as caught:
                raised = caught
        COUNTS[ERRORS] += len(failed)
        if raised is not None:
            assert os.strerror(error) in str(raised)
            assert "; " in str(raised)
        assert serving(storage) in (version_name(2), version_name(3))
        left = [path for path in Path(storage.address, STAGING).rglob("*") if path.is_file() and path.name != "clock"]
        assert not left, "a failed write left its bytes behind"
        if not failed:
            assert raised is None
            assert serving(storage) == version_name(3)
            return
    raise AssertionError("no end")


def test_bytes_are_synced_before_they_get_their_name_and_the_folder_after(fresh: Callable[[], FolderStorage]) -> None:
    def steps(work: Callable[[], Any]) -> list[str]:
        seen: list[str] = []
        with observed(lambda name, args: seen.append(name) if name in ("write", "fsync", "rename") else None):
            work()
        return seen

    storage = fresh()
    tag = storage.put("a", b"1")
    assert steps(lambda: storage.put("a", b"2")) == ["write", "fsync", "rename", "fsync"]
    tag = storage.put("b", b"1", create=True)
    assert steps(lambda: storage.put("b", b"2", if_match=tag)) == ["write", "fsync", "rename", "rename", "fsync"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_write_that_somebody_sweeps_away_is_written_again(fresh: Callable[[], FolderStorage], what: str) -> None:
    """At each of its steps once: somebody whose clock is a day off opens the store, or the empty folder is tidied."""
    for n in range(1, 2000):
        storage = fresh()
        staging = Path(storage.address, STAGING)
        swept: list[str] = []
        count = 0

        def before(name: str, args: tuple[Any, ...]) -> None:
            nonlocal count
            count += 1
            if count == n:  # noqa: B023
                if what == "folder" and staging.is_dir() and not any(staging.iterdir()):  # noqa: B023
                    staging.rmdir()  # noqa: B023
                for path in staging.glob("t*") if what == "file" else ():  # noqa: B023
                    path.unlink()
                swept.append(name)  # noqa: B023

        with observed(before):
            storage.put("a/b", b"new")
        COUNTS[INTERLEAVINGS] += 1
        assert data_of(storage, "a/b") == b"new"
        if not swept:
            return
    raise AssertionError("no end")


class Rival:
    """Writes the same key just before the n-th step of somebody else's write."""

    def __init__(self, storage: FolderStorage, tag: str, n: int) -> None:
        self._storage = storage
        self._tag = tag
        self._left = n
        self.results: list[str] = []  # the new tag, or "" if somebody was first

    def interrupt(self, name: str, args: tuple[Any, ...]) -> None:
        self._left -= 1
        if self._left == 0:
            try:
                self.results.append(self._storage.put("a", b"other", if_match=self._tag))
            except ConflictError:
                self.results.append("")


def test_a_writer_that_sleeps_before_its_rename_finds_that_it_was_overtaken(
    fresh: Callable[[], FolderStorage],
) -> None:
    """At each step of a conditional write another one comes between: one wins, and the loser knows."""
    for n in range(1, 2000):
        storage = fresh()
        tag = storage.put("a", b"old", create=True)
        rival = Rival(storage, tag, n)
        with observed(rival.interrupt):
            try:
                storage.put("a", b"slow", if_match=tag)
                won = True
            except ConflictError:
                won = False
        COUNTS[INTERLEAVINGS] += 1
        if not rival.results:
            assert won
            return
        assert won != bool(rival.results[0]), f"step {n}: both or none has written"
        assert data_of(storage, "a") == (b"slow" if won else b"other")
    raise AssertionError("no end")
