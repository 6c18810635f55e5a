from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from shared.errors import LeaseHeldError, ModelError, RefusedError
from shared.model_file.onnx_file import add_metadata, seal
from shared.store import keys
from shared.store.lease import Lease, decode_lease, take_lease
from shared.store.models import ModelStore
from shared.store.projects import KnownProject, KnownProjects
from shared.store.publication import Commit
from shared.store.storage import Storage
from tests.support.models import model_file, snapshot, version_name

PROJECT = 7


def serving(store: ModelStore, project: int = PROJECT) -> str | None:
    model_info = store.model_info(project)
    return model_info.version if model_info else None


def publish(store: ModelStore, storage: Storage, numbers: Iterable[int], **options: Any) -> None:
    lease = take_lease(storage, PROJECT, "test")
    for number in numbers:
        assert store.publish(lease, model_file(number), f"weights {number}".encode(), **options).published
    lease.release()


def taken_over(storage: Storage, lease: Lease) -> Lease:
    """The lease that somebody takes over from a holder who does not know it."""
    found = storage.get(keys.lease(PROJECT))
    assert found is not None
    silent = msgspec.structs.replace(decode_lease(storage, PROJECT, found.data), renewed_at=0.0)
    storage.put(keys.lease(PROJECT), msgspec.json.encode(silent), if_match=found.tag)
    return take_lease(storage, PROJECT, "another")


def test_a_published_model_serves(storage: Storage) -> None:
    store = ModelStore(storage)
    assert store.model_info(PROJECT) is None
    assert store.current(PROJECT) is None
    publish(store, storage, [1, 2], reports={"report.json": b"{}", "report.html": b"<p>"})
    current = store.current(PROJECT)
    assert current is not None
    assert current.data == model_file(2)
    assert current.model_info.version == version_name(2)
    assert current.model_info == store.model_info(PROJECT)
    found = storage.get("model_project_7.pt")
    assert found is not None
    assert found.data == b"weights 2"
    assert store.file(PROJECT, version_name(1), "report.html") == b"<p>"
    assert store.file(PROJECT, version_name(1), "rejected") is None
    assert store.projects() == [PROJECT]


def test_model_info_is_read_once_and_looked_at_cheaply_after(storage: Storage) -> None:
    calls: Counter[str] = Counter()

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls[name] += 1
            return getattr(storage, name)

    publish(ModelStore(storage), storage, [1])
    store = ModelStore(Counting())
    annotation_states = {id(store.model_info(PROJECT)) for _ in range(100)}
    assert len(annotation_states) == 1
    assert calls == {"get": 1, "head": 100}


def test_another_store_object_sees_a_new_model(storage: Storage) -> None:
    ours, theirs = ModelStore(storage), ModelStore(storage)
    publish(ours, storage, [1])
    assert serving(theirs) == version_name(1)
    publish(ours, storage, [2])
    assert serving(theirs) == version_name(2)
    ours.roll_back(PROJECT)
    assert serving(theirs) == version_name(1)


def test_a_damaged_file_is_refused_with_the_reason(storage: Storage) -> None:
    store = ModelStore(storage)
    good = model_file(1)
    for damaged in (good[:-1], good[:40] + b"!" + good[41:], b"", b"not a model" * 100, model_file(1, project=8)):
        storage.put(keys.model(PROJECT), damaged)
        model_info = store.model_info(PROJECT)
        assert model_info is not None
        assert model_info.version == ""
        assert model_info.refused
        with pytest.raises(ModelError):
            store.current(PROJECT)


def test_a_good_model_replaces_a_damaged_one(storage: Storage) -> None:
    store = ModelStore(storage)
    storage.put(keys.model(PROJECT), b"damaged")
    publish(store, storage, [1])
    assert serving(store) == version_name(1)


def test_a_model_of_older_annotations_is_kept_but_does_not_serve(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [5])
    lease = take_lease(storage, PROJECT, "slow")
    result = store.publish(lease, model_file(6, state=4))
    assert not result.published
    assert version_name(5) in result.reason
    assert serving(store) == version_name(5)
    assert [(each.name, each.accepted) for each in store.versions(PROJECT)] == [
        (version_name(6), False),
        (version_name(5), True),
    ]


def test_a_model_dated_by_a_clock_that_was_wrong_holds_no_later_one_up(storage: Storage) -> None:
    store = ModelStore(storage)
    in_a_year = msgspec.structs.replace(snapshot(5), taken_at="2099-01-01T00:00:00+00:00")
    lease = take_lease(storage, PROJECT, "test")
    assert store.publish(lease, model_file(5, taken=in_a_year)).published
    assert store.publish(lease, model_file(6, state=6)).published
    assert store.roll_back(PROJECT, version_name(5)) == version_name(5)
    assert store.roll_back(PROJECT, version_name(6)) == version_name(6)
    rolled_back = store.rolled_back(PROJECT)
    assert rolled_back is not None
    assert rolled_back.version == version_name(5)
    assert store.publish(lease, model_file(7, state=7)).published


def test_the_same_annotations_may_be_trained_on_again(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [5])
    lease = take_lease(storage, PROJECT, "button")
    assert store.publish(lease, model_file(6, state=5)).published


def test_a_recreated_database_is_not_gated_by_the_old_model(storage: Storage) -> None:
    store = ModelStore(storage)
    lease = take_lease(storage, PROJECT, "test")
    assert store.publish(lease, model_file(5, created="111")).published
    model_info = store.model_info(PROJECT)
    assert model_info is not None
    assert model_info.mismatch("111") == ""
    assert model_info.mismatch("") == ""
    assert "another Label Studio database" in model_info.mismatch("222")
    assert store.publish(lease, model_file(6, state=1, created="222")).published
    with pytest.raises(RefusedError, match="has no accepted version"):
        store.roll_back(PROJECT)


def test_a_model_trained_offline_belongs_to_any_database(storage: Storage) -> None:
    publish(ModelStore(storage), storage, [1])
    model_info = ModelStore(storage).model_info(PROJECT)
    assert model_info is not None
    assert model_info.mismatch("222") == ""


def test_a_run_that_lost_its_lease_publishes_nothing(storage: Storage) -> None:
    store = ModelStore(storage)
    stale = take_lease(storage, PROJECT, "paused")
    fresh = taken_over(storage, stale)
    assert fresh.fence == stale.fence + 1
    with pytest.raises(LeaseHeldError, match=r"another with number 2"):
        store.publish(stale, model_file(9))
    assert serving(store) is None
    assert store.publish(fresh, model_file(1)).published
    with pytest.raises(LeaseHeldError):
        store.reject(stale, model_file(10), reason="worse")


def test_a_run_that_fell_asleep_before_its_last_step_does_not_undo_the_next_one(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [1])

    class Asleep:
        """A store that stands still just before the model that serves is replaced."""

        woken = False

        def __getattr__(self, name: str) -> Any:
            return getattr(storage, name)

        def put(self, key: str, data: bytes, **options: Any) -> str:
            if key == keys.model(PROJECT) and not self.woken:
                self.woken = True
                fresh = taken_over(storage, lease)
                assert serving(store) == version_name(2)  # the intention was completed first
                assert store.publish(fresh, model_file(3)).published
            return storage.put(key, data, **options)

    asleep = Asleep()
    lease = take_lease(storage, PROJECT, "sleeper")
    with pytest.raises(LeaseHeldError):
        result = ModelStore(asleep).publish(lease, model_file(2), b"weights 2")
        assert not result.published  # newer annotations serve
        lease.renew()
    assert serving(store) == version_name(3)


def test_what_a_dead_run_had_decided_to_publish_is_published_by_the_next(storage: Storage) -> None:
    store = ModelStore(storage)
    lease = take_lease(storage, PROJECT, "dying")
    for suffix, data in (("pt", b"weights 1"), ("onnx", model_file(1))):
        storage.put(keys.version(PROJECT, version_name(1), suffix), data)
    lease.commit(Commit(version=version_name(1), replaces=""))
    taken_over(storage, lease)
    assert serving(store) == version_name(1)
    found = storage.get(keys.weights(PROJECT))
    assert found is not None
    assert found.data == b"weights 1"


def test_a_roll_back_in_the_middle_of_a_publication_is_not_undone_by_its_completion(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [1, 2])
    lease = take_lease(storage, PROJECT, "dying")
    model_info = store.model_info(PROJECT)
    assert model_info is not None
    storage.put(keys.version(PROJECT, version_name(3), "onnx"), model_file(3))
    lease.commit(Commit(version=version_name(3), replaces=model_info.tag))
    assert store.roll_back(PROJECT) == version_name(1)
    taken_over(storage, lease)
    assert serving(store) == version_name(1)


def test_rolling_back_goes_one_accepted_version_at_a_time_and_forward_again(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [1, 2])
    lease = take_lease(storage, PROJECT, "test")
    store.reject(lease, model_file(3), b"weights 3", reason="worse by far")
    assert store.publish(lease, model_file(4), b"weights 4").published
    assert store.roll_back(PROJECT) == version_name(2)
    assert store.roll_back(PROJECT) == version_name(1)
    rolled_back = store.rolled_back(PROJECT)
    assert rolled_back is not None
    assert rolled_back.version == version_name(4)
    found = storage.get(keys.weights(PROJECT))
    assert found is not None
    assert found.data == b"weights 1"
    with pytest.raises(RefusedError, match="no accepted version older than"):
        store.roll_back(PROJECT)
    assert store.roll_back(PROJECT, version_name(4)) == version_name(4)
    assert store.rolled_back(PROJECT) is None
    assert [each.name for each in store.versions(PROJECT) if each.current] == [version_name(4)]


def test_a_version_of_an_earlier_database_is_never_promoted(storage: Storage) -> None:
    store = ModelStore(storage)
    lease = take_lease(storage, PROJECT, "test")
    for number, created in ((1, "100"), (2, "200")):
        assert store.publish(lease, model_file(number, created=created)).published
    KnownProjects(storage).remember(KnownProject(id=PROJECT, created="200"))
    with pytest.raises(RefusedError, match="another Label Studio database"):
        store.roll_back(PROJECT, version_name(1))
    assert serving(store) == version_name(2)
    assert store.roll_back(PROJECT, version_name(2)) == version_name(2)


def test_a_rejected_version_can_be_promoted_by_name(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [1])
    store.reject(take_lease(storage, PROJECT, "test"), model_file(2), reason="worse by far")
    assert store.file(PROJECT, version_name(2), "rejected") == b"worse by far"
    assert serving(store) == version_name(1)
    assert store.roll_back(PROJECT, version_name(2)) == version_name(2)
    assert serving(store) == version_name(2)


def test_only_newer_annotations_or_the_button_train_again_after_a_roll_back(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [1, 2])
    store.roll_back(PROJECT)
    lease = take_lease(storage, PROJECT, "test")
    assert "rejected by a rollback" in store.publish(lease, model_file(3, state=2)).reason
    older = store.publish(lease, model_file(4, state=1))
    assert "rejected by a rollback" in older.reason
    assert serving(store) == version_name(1)
    assert store.publish(lease, model_file(5, state=2), again=True).published
    store.roll_back(PROJECT, version_name(1))
    assert store.publish(lease, model_file(6, state=3)).published


def test_names_that_no_version_has_are_refused(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [1])
    for name in (
        "../../etc/passwd",
        "",
        "20261123T231501Z-9f3c2a/../x",
        "latest",
        "20261123T231501Z-",
        "٢٠٢٦1123T231501Z-9f3c2a",
    ):
        with pytest.raises(RefusedError, match="must look like"):
            store.load_version(PROJECT, name)
    with pytest.raises(RefusedError, match=f"kept are: {version_name(1)}"):
        store.roll_back(PROJECT, version_name(2))
    with pytest.raises(RefusedError):
        store.file(PROJECT, version_name(1), "onnx/../../x")
    assert store.load_version(PROJECT, version_name(2)) is None


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", " 1", "1\n", "٣", "²", "0x1", "1e3", "1/2", "..", "9" * 19])
def test_an_id_is_digits_and_nothing_else(text: str) -> None:
    with pytest.raises(RefusedError, match="digits"):
        keys.read_project(text)
    assert keys.read_project("0042") == 42


def test_old_versions_go_and_the_one_that_serves_stays(storage: Storage) -> None:
    store = ModelStore(storage, keep_versions=3)
    publish(store, storage, [1, 2, 3])
    store.roll_back(PROJECT, version_name(1))
    lease = take_lease(storage, PROJECT, "test")
    storage.put(keys.version(PROJECT, version_name(2), "report.json"), b"{}")
    for number in (4, 5, 6, 7):
        store.reject(lease, model_file(number), b"weights", reason="worse")
    kept = {each.name for each in store.versions(PROJECT)}
    assert kept == {version_name(number) for number in (1, 2, 3, 5, 6, 7)}  # rejected ones never push out accepted ones
    publish_two = (store.publish(lease, model_file(number)) for number in (8, 9))
    assert all(result.published for result in publish_two)
    assert {each.name for each in store.versions(PROJECT) if each.accepted} == {
        version_name(number) for number in (3, 8, 9)
    }
    assert not [key for key in storage.keys(keys.versions(PROJECT)) if version_name(2) in key]


def test_deleting_a_project_leaves_nothing_of_it_and_all_of_others(storage: Storage) -> None:
    store = ModelStore(storage)
    publish(store, storage, [1, 2])
    store.roll_back(PROJECT)
    for key in ("updates/7/a.json", "runs/7/logs/00000001.txt", "projects/7.json", "projects/77.json"):
        storage.put(key, b"{}")
    storage.put(keys.model(70), model_file(1, project=70))
    lease = take_lease(storage, PROJECT, "running")
    assert store.delete(PROJECT) > 8
    assert [key for key in storage.keys("") if key != "clock/now"] == ["model_project_70.onnx", "projects/77.json"]
    assert store.model_info(PROJECT) is None
    with pytest.raises(LeaseHeldError):
        store.publish(lease, model_file(3))
    assert store.model_info(PROJECT) is None


def test_a_model_of_another_project_is_not_published(storage: Storage) -> None:
    with pytest.raises(ModelError, match="belongs to project 8, expected 7"):
        ModelStore(storage).publish(take_lease(storage, PROJECT, "test"), model_file(1, project=8))
    assert storage.keys("versions") == []


def test_listing_versions_costs_one_listing_however_many_there_are(storage: Storage) -> None:
    calls: Counter[str] = Counter()

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls[name] += 1
            return getattr(storage, name)

    for number in range(60):
        for suffix in ("onnx", "pt", "report.json"):
            storage.put(keys.version(PROJECT, version_name(number), suffix), b"")
    assert len(ModelStore(Counting()).versions(PROJECT)) == 60
    assert calls == {"head": 1, "keys": 1}


def test_a_card_that_cannot_be_read_is_refused(storage: Storage) -> None:
    card: dict[str, Any] = {
        "version": version_name(1),
        "project": PROJECT,
        "snapshot": msgspec.to_builtins(snapshot(1)),
    }
    for wrong in (card | {"snapshot": card["snapshot"] | {"taken_at": "yesterday"}}, card | {"project": "7"}, {}):
        storage.put(keys.model(PROJECT), seal(add_metadata(b"", {"card": msgspec.json.encode(wrong).decode()})))
        model_info = ModelStore(storage).model_info(PROJECT)
        assert model_info is not None
        assert "train again" in model_info.refused
