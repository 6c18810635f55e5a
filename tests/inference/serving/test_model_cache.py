import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from benchmarks.memory import resident_now
from inference.serving.model_cache import ModelCache
from inference.serving.protocol import ProjectRef
from shared.errors import StoreError, UntrainedError
from shared.segmentation import sessions
from shared.segmentation.segmenter import Segmenter
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.inference.conftest import Publish
from tests.support.counted_storage import Counted
from tests.support.graphs import make_model
from tests.support.store import publish_after, publish_model
from tests.support.waiting import NEVER_SECONDS

FIRST = "20260101T000000Z-aaaaaa"
SECOND = "20260102T000000Z-bbbbbb"
PROJECT = ProjectRef(3)


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 10
        return self.seconds


def models_over(model_dir: Path, cache_size: int = 4) -> ModelCache:
    return ModelCache(ModelStore(open_storage(str(model_dir))), cache_size=cache_size, clock=Clock())


def damage(model_dir: Path, project: int = 3) -> None:
    path = model_dir / f"model_project_{project}.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_an_untrained_project_is_told_what_to_do(model_dir: Path) -> None:
    with pytest.raises(UntrainedError, match="annotate"):
        models_over(model_dir).serving(PROJECT)


def test_naming_the_version_loads_nothing(model_dir: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(version=FIRST)
    monkeypatch.setattr(Segmenter, "load", lambda data: pytest.fail("a model was loaded"))
    assert models_over(model_dir).version(PROJECT) == FIRST


def test_a_corrupt_graph_never_replaces_a_serving_one(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    assert models.serving(PROJECT).version == FIRST
    publish(version=SECOND)
    damage(model_dir)
    assert models.version(PROJECT) == FIRST
    assert models.serving(PROJECT).version == FIRST
    assert models.refusals == 1


def test_the_next_good_model_is_picked_up_after_a_corrupt_one(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    models.serving(PROJECT)
    damage(model_dir)
    assert models.serving(PROJECT).version == FIRST
    publish(version=SECOND)
    assert models.version(PROJECT) == models.serving(PROJECT).version == SECOND


def test_after_a_restart_a_kept_version_stands_in_for_a_corrupt_model(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    publish(version=SECOND)
    damage(model_dir)
    models = models_over(model_dir)
    assert models.version(PROJECT) == SECOND  # its kept copy is whole
    kept = model_dir / "versions" / "3" / f"{SECOND}.onnx"
    kept.write_bytes(kept.read_bytes()[:-1])
    models = models_over(model_dir)
    assert models.version(PROJECT) == models.serving(PROJECT).version == FIRST


def test_a_model_whose_probe_fails_is_refused_and_the_one_before_answers(
    model_dir: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    models.serving(PROJECT)
    monkeypatch.setattr("shared.segmentation.segmenter.TOLERANCE", -1.0)  # no graph meets it
    publish(version=SECOND)
    assert models.serving(PROJECT).version == FIRST
    assert models.version(PROJECT) == FIRST


def test_when_nothing_can_be_loaded_the_reason_is_given_and_the_search_ends(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    for path in [model_dir / "model_project_3.onnx", *(model_dir / "versions" / "3").glob("*.onnx")]:
        path.write_bytes(b"not a model")
    with pytest.raises(UntrainedError):
        models_over(model_dir).serving(PROJECT)


def test_the_least_recently_used_model_leaves_a_full_cache(model_dir: Path, publish: Publish) -> None:
    for project in (1, 2, 3):
        publish(project=project, version=FIRST)
    models = models_over(model_dir, cache_size=2)
    for project in (1, 2, 1, 3):
        models.serving(ProjectRef(project))
    assert set(models.loaded()) == {1, 3}


def test_a_model_that_passed_its_first_run_comes_back_without_one(
    model_dir: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    for project in (3, 4):
        publish(project=project, version=FIRST)
    run: list[int] = []
    run_first = sessions.run_first

    def counted(session: Any, windows: int, rows: int, channels: int) -> None:
        run.append(windows)
        run_first(session, windows, rows, channels)

    monkeypatch.setattr("shared.segmentation.segmenter.run_first", counted)
    models = models_over(model_dir, cache_size=1)
    for project in (3, 4, 3, 4):
        models.serving(ProjectRef(project))
    assert len(run) == 2
    publish_model(model_dir, 3, SECOND)  # other bytes
    assert models.serving(PROJECT).version == SECOND
    assert len(run) == 3


def test_a_file_that_claims_a_checksum_that_passed_is_refused(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    models.serving(PROJECT)
    data = (model_dir / "model_project_3.onnx").read_bytes()
    other = make_model(kind="threshold", project=3, version=SECOND)
    (model_dir / "model_project_3.onnx").write_bytes(other[:-64] + data[-64:])
    assert models.serving(PROJECT).version == FIRST
    assert any("checksum" in each for each in models.refused(3))


def test_a_store_that_is_unreachable_changes_nothing_for_a_model_in_use(
    model_dir: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    models.serving(PROJECT)

    def away(*_: object) -> None:
        raise StoreError("The store is away.")

    monkeypatch.setattr(ModelStore, "model_info", away)
    monkeypatch.setattr(ModelStore, "current", away)
    assert models.serving(PROJECT).version == models.version(PROJECT) == FIRST


def test_a_store_that_hangs_delays_at_most_one_request(
    model_dir: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    models.serving(PROJECT)
    asked, answer = threading.Semaphore(0), threading.Event()
    asks = 0

    def hang(*_: object) -> None:
        nonlocal asks
        asks += 1
        asked.release()
        answer.wait()
        raise StoreError("The store did not answer in time.")

    with monkeypatch.context() as patch, ThreadPoolExecutor(4) as pool:
        patch.setattr(ModelStore, "model_info", hang)
        first = pool.submit(models.version, PROJECT)
        asked.acquire()
        others = [pool.submit(models.version, PROJECT) for _ in range(3)]
        finished = wait(others, timeout=NEVER_SECONDS).done
        answer.set()
        assert len(finished) == 3, "all wait for the store"
        assert {each.result() for each in (first, *others)} == {FIRST}
        assert asks == 1
        assert {models.version(PROJECT) for _ in range(5)} == {FIRST}
        assert asks == 1, "requests go on asking a store that is away"
        models.refresh()
        assert asks > 1
    publish(version=SECOND)
    models.refresh()
    assert models.version(PROJECT) == SECOND


def test_a_roll_back_is_served_at_once(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    publish(version=SECOND)
    models = models_over(model_dir)
    assert models.serving(PROJECT).version == SECOND
    ModelStore(open_storage(str(model_dir))).roll_back(3)
    assert models.version(PROJECT) == models.serving(PROJECT).version == FIRST


def test_a_file_too_large_for_a_model_is_never_read(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    with (model_dir / "model_project_3.onnx").open("r+b") as file:
        file.truncate(1 << 40)  # a hole: takes no room on disk
    models = models_over(model_dir)
    assert models.serving(PROJECT).version == FIRST  # from the kept versions
    assert "1099511627776 bytes" in models.refused(3)[0]


def test_a_version_that_is_no_name_is_refused(model_dir: Path, publish: Publish) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    models.serving(PROJECT)
    (model_dir / "model_project_3.onnx").write_bytes(make_model(kind="threshold", project=3, version="../../secret"))
    assert models.serving(PROJECT).version == FIRST
    assert "version in a model card is '../../secret'" in models.refused(3)[0]


def test_what_is_remembered_of_projects_and_refusals_has_an_end(
    model_dir: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.serving.model_cache.PROJECTS", 10)
    monkeypatch.setattr("inference.serving.model_cache.REFUSALS", 10)
    publish(version=FIRST)
    models = models_over(model_dir)
    for number in range(30):
        (model_dir / "model_project_3.onnx").write_bytes(b"nonsense" * (1 + number))
        assert models.serving(PROJECT).version == FIRST
    assert models.refusals == 30
    assert len(models._projects[3].refused) == 10
    for number in range(100, 130):
        with pytest.raises(UntrainedError):
            models.serving(ProjectRef(number))
    assert len(models._projects) == 10


@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "link to itself", "folder", "pipe", "device"])
def test_what_is_no_file_in_a_models_place_changes_nothing_for_the_good_one(
    model_dir: Path, publish: Publish, kind: str
) -> None:
    publish(version=FIRST)
    models = models_over(model_dir)
    models.serving(PROJECT)
    place = model_dir / "model_project_3.onnx"
    (model_dir.parent / "elsewhere.onnx").write_bytes(place.read_bytes())
    place.unlink()
    targets = {"link to a file": model_dir.parent / "elsewhere.onnx", "link to nothing": model_dir / "none"}
    targets |= {"link to itself": place, "device": Path("/dev/zero")}
    if kind in targets:
        place.symlink_to(targets[kind])
    elif kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    for each in (models, models_over(model_dir)):  # the second one knows it from the kept versions only
        assert each.version(PROJECT) == each.serving(PROJECT).version == FIRST


def test_a_link_in_the_place_of_all_versions_is_no_reason_to_store_empty_predictions(
    model_dir: Path, publish: Publish
) -> None:
    publish(version=FIRST)
    damage(model_dir)
    (model_dir / "versions" / "3").rename(model_dir.parent / "elsewhere")
    (model_dir / "versions" / "3").symlink_to(model_dir.parent / "elsewhere")
    with pytest.raises(UntrainedError):  # one that may pass: nothing is stored
        models_over(model_dir).serving(PROJECT)


def test_a_model_that_nobody_asks_for_costs_the_store_nothing() -> None:
    storage = Counted()
    publish_model(storage)
    models = ModelCache(ModelStore(storage), cache_size=4, clock=Clock())
    models.serving(PROJECT)
    later = publish_after(storage, 1)
    models.refresh()
    assert models.loaded() == {3: later}, "one in use is replaced before it is asked for"
    for _ in range(10):
        models.refresh()
    storage.asked.clear()
    models.refresh()
    assert storage.asked == {}
    latest = publish_after(storage, 2)
    assert models.serving(PROJECT).version == latest, "its next request looks"


def test_memory_of_an_unloaded_model_is_returned_and_no_other_look_costs_that(
    model_dir: Path, publish: Publish
) -> None:
    models = models_over(model_dir, cache_size=1)
    for project in (3, 4):
        publish(project=project, version=FIRST)
    models.serving(ProjectRef(3))
    pinned = fragment_memory()
    models.refresh()
    full = resident_now()
    models.serving(ProjectRef(4))  # unloads the other one
    models.refresh()
    assert resident_now() < full - 32
    assert pinned


def fragment_memory() -> bytes:
    """Free 64 MiB below a block in use, which malloc keeps."""
    blocks = [bytes(1 << 16) for _ in range(1 << 10)]
    return blocks[-1]
