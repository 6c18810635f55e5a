"""The real server and trainer on volumes that are full, read-only, or fail when read (promises 1, 2, 3, 12)."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference.serving.model_cache import ModelCache
from inference.serving.protocol import ProjectRef
from shared.errors import StoreError, UntrainedError
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.store.folder import FolderStorage
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.promises.crash.counting import COUNTS
from tests.promises.crash.crash_points import READING, failing_at
from tests.promises.crash.disks import SmallDisk, small_disk
from tests.promises.crash.live_stack import PROJECT, START_SECONDS, LiveStack, live_stack
from tests.support.published import publish_with_report

KIB = 4096  # some models of these tests


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        mounted = small_disk(tmp_path / "disk", KIB)
        with mounted as disk:
            yield disk
    except OSError as error:
        pytest.skip(f"No volume can be mounted here, so full disks are played by test_store_faults.py alone: {error}")


@pytest.mark.parametrize(
    ("breakage", "repair", "kind", "sentence"),
    [
        (SmallDisk.fill, SmallDisk.free, "writes on a full disk", "the volume is full"),
        (
            SmallDisk.write_protect,
            lambda disk: disk.write_protect(False),
            "writes on a read-only disk",
            "mounted read-only",
        ),
    ],
    ids=["full", "read-only"],
)
@pytest.mark.timeout(900)
def test_a_disk_that_takes_no_bytes_refuses_events_and_trainings_and_serves_on(
    disk: SmallDisk,
    tmp_path: Path,
    breakage: Callable[[SmallDisk], None],
    repair: Callable[[SmallDisk], None],
    kind: str,
    sentence: str,
) -> None:
    with live_stack(tmp_path, model_dir=str(disk.folder / "models")) as play:
        assert play.train()[0] == 0
        storage = open_storage(play.model_dir)
        before = serving(play)
        program, server = play.server("server", TRAIN_LAUNCHER="none")
        with program.start(START_SECONDS):
            assert predicted(play, server) == before
            breakage(disk)
            for _ in range(20):
                assert not play.annotators.save(server)
            assert all(each.startswith("503 ") and sentence in each for each in play.annotators.refused)
            code, said = play.train()
            assert (code, sentence in said) == (75, True), said
            COUNTS[kind] += len(play.annotators.refused) + 1
            program.kill()  # it starts and serves as well
            program.start(START_SECONDS)
            assert predicted(play, server) == before
            assert play.pool.request("GET", f"{server}/health").status == 200
            assert not list((disk.folder / "models" / ".staging").glob("t*")), "half-written files stay"
            repair(disk)
            assert play.annotators.save(server)
            code, said = play.train()
            assert code == 0, said
            assert serving(play) > before
            assert Updates(storage).of(PROJECT) == []


def test_a_trainer_that_may_write_no_model_keeps_what_waits(tmp_path: Path) -> None:
    """A limit of the kernel on the size of files, as some hosts set it: for anybody, without a volume of his own."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    with live_stack(tmp_path) as play:
        storage = open_storage(play.model_dir)
        Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0)
        code, said = play.train(limit)
        assert (code, "File too large" in said) == (75, True), said
        COUNTS["files beyond a limit of size"] += 1
        assert ModelStore(storage).model_info(PROJECT) is None
        last = Runs(storage).last_ended(PROJECT)
        assert last is not None
        assert "File too large" in last.reason
        assert len(Updates(storage).of(PROJECT)) == 1
        assert play.train()[0] == 0
        assert Updates(storage).of(PROJECT) == []


def test_a_disk_that_cannot_be_read_never_takes_a_model_down(tmp_path: Path) -> None:
    """EIO at each step of looking for the model, first for a server that has it in memory, then for a new one."""
    storage = FolderStorage(tmp_path)
    version = publish_with_report(storage, "20260101T000000Z-aaaaaa")
    project = ProjectRef(3)
    time = 0.0
    old = ModelCache(ModelStore(storage), cache_size=4, clock=lambda: time)
    assert old.serving(project).version == version
    for n in range(1, 200):
        time += 10.0
        new = ModelCache(ModelStore(storage), cache_size=4)
        with failing_at(n, errno.EIO, READING) as failed:
            assert old.serving(project).version == version
        with failing_at(n, errno.EIO, READING) as failed_too:
            try:
                assert new.serving(project).version == version
            except (StoreError, UntrainedError):
                assert failed_too
        COUNTS["disk errors when reading"] += len(failed) + len(failed_too)
        if not failed and not failed_too:
            return
    raise AssertionError("no end")


def serving(play: LiveStack) -> str:
    model_info = ModelStore(open_storage(play.model_dir)).model_info(PROJECT)
    assert model_info is not None
    return model_info.version


def predicted(play: LiveStack, server: str) -> str:
    status, found = play.predict(server)
    assert status == 200, found
    return str(found["model_version"])
