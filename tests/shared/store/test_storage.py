"""One suite for every kind of store."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConflictError, RefusedError
from shared.store.opening import open_storage
from shared.store.storage import Storage, check_key


def test_what_is_put_is_got(storage: Storage) -> None:
    data = bytes(range(256)) * 5000
    tag = storage.put("versions/7/a.onnx", data)
    found = storage.get("versions/7/a.onnx")
    assert found is not None
    assert (found.data, found.tag) == (data, tag)
    status = storage.head("versions/7/a.onnx")
    assert status is not None
    assert (status.tag, status.size) == (tag, len(data))


def test_what_is_not_there_is_none(storage: Storage) -> None:
    storage.put("a/b", b"1")
    for key in ("a/c", "c/b", "c"):
        assert storage.get(key) is None
        assert storage.head(key) is None


def test_a_put_replaces_and_changes_the_tag(storage: Storage) -> None:
    tags = [storage.put("a", f"{n}".encode()) for n in range(5)]
    assert len(set(tags)) == 5
    found = storage.get("a")
    assert found is not None
    assert found.data == b"4"


def test_the_last_bytes_come_with_the_tag_of_all(storage: Storage) -> None:
    data = bytes(range(256)) * 500
    tag = storage.put("model.onnx", data)
    for last in (10, 5000, 10**6):
        found = storage.get("model.onnx", last=last)
        assert found is not None
        assert (found.data, found.tag) == (data[-last:], tag)
    assert storage.get("nothing.onnx", last=10) is None


def test_a_mark_changes_with_every_write_and_with_nothing_else(storage: Storage) -> None:
    for key in ("a", "b/c", "b/d/e"):
        storage.put(key, b"1")
    first = storage.marks()
    assert sorted(first) == storage.keys()
    assert first == storage.marks()
    assert storage.marks("b").keys() == {"b/c", "b/d/e"}
    assert storage.marks("", deep=False).keys() == {"a"}
    storage.put("b/c", b"2")
    second = storage.marks()
    assert [key for key in first if first[key] != second[key]] == ["b/c"]
    storage.delete(["a"])
    assert storage.marks().keys() == {"b/c", "b/d/e"}


def test_an_object_is_created_once(storage: Storage) -> None:
    storage.put("a/b", b"first", create=True)
    with pytest.raises(ConflictError):
        storage.put("a/b", b"second", create=True)
    found = storage.get("a/b")
    assert found is not None
    assert found.data == b"first"


def test_a_conditional_put_wants_the_tag_that_is_there(storage: Storage) -> None:
    old = storage.put("a", b"1", create=True)
    new = storage.put("a", b"2", if_match=old)
    with pytest.raises(ConflictError):
        storage.put("a", b"3", if_match=old)
    storage.put("a", b"4", if_match=new)
    found = storage.get("a")
    assert found is not None
    assert found.data == b"4"


def test_a_conditional_put_on_nothing_is_a_conflict(storage: Storage) -> None:
    tag = storage.put("a", b"1", create=True)
    storage.delete(["a"])
    with pytest.raises(ConflictError):
        storage.put("a", b"2", if_match=tag)
    assert storage.get("a") is None


def test_of_twenty_who_create_at_once_one_wins(storage: Storage) -> None:
    def create(n: int) -> bool:
        try:
            storage.put("race", f"writer {n}".encode(), create=True)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        won = list(pool.map(create, range(20)))
    found = storage.get("race")
    assert sum(won) == 1
    assert found is not None
    assert found.data == f"writer {won.index(True)}".encode()


def test_no_conditional_change_is_lost(storage: Storage) -> None:
    storage.put("count", b"0 start", create=True)

    def add(n: int) -> None:
        for turn in range(5):
            while True:
                found = storage.get("count")
                assert found is not None
                count = int(found.data.split()[0]) + 1
                try:
                    storage.put("count", f"{count} {n} {turn}".encode(), if_match=found.tag)
                    break
                except ConflictError:
                    continue

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(6)))
    found = storage.get("count")
    assert found is not None
    assert found.data.split()[0] == b"30"


def test_keys_are_listed_by_folder_and_not_by_prefix(storage: Storage) -> None:
    for key in ("top", "updates/1/a", "updates/1/b", "updates/10/c", "updatesque/d"):
        storage.put(key, b"x")
    assert storage.keys("updates") == ["updates/1/a", "updates/1/b", "updates/10/c"]
    assert storage.keys("updates/1") == ["updates/1/a", "updates/1/b"]
    assert storage.keys("updates", deep=False) == []
    assert storage.keys(deep=False) == ["top"]
    assert storage.keys() == sorted(["top", "updates/1/a", "updates/1/b", "updates/10/c", "updatesque/d"])
    assert storage.keys("nothing/here") == []


def test_more_keys_than_fit_on_a_page_are_all_listed_and_deleted(storage: Storage) -> None:
    keys = [f"many/{n:05d}" for n in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: storage.put(key, b""), keys))
    assert storage.keys("many") == keys
    storage.delete([*keys, "many/none", "no/such"])
    assert storage.keys() == []


def test_deleting_is_for_what_is_named_only(storage: Storage) -> None:
    for key in ("a/b/c", "a/b/d", "e"):
        storage.put(key, b"1")
    storage.delete(["a/b/c"])
    storage.delete([])
    assert storage.keys() == ["a/b/d", "e"]


def test_many_write_and_delete_in_one_folder_and_nothing_else_is_lost(storage: Storage) -> None:
    def work(n: int) -> None:
        for turn in range(4):
            storage.put(f"busy/{n}-{turn}", b"1")
            if turn:
                storage.delete([f"busy/{n}-{turn - 1}"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert storage.keys() == [f"busy/{n}-3" for n in range(8)]


def test_the_clock_of_the_store_does_not_go_back(storage: Storage) -> None:
    times = [storage.now() for _ in range(5)]
    assert times == sorted(times)


def test_names_that_lead_elsewhere_are_refused(storage: Storage) -> None:
    for key in ("../a", "a/../../b", "/etc/passwd", "a//b", "", ".", "a/.hidden", "a\0b", "a\nb", "ä", "a/", "x" * 300):
        for verb in (storage.get, storage.head, lambda key: storage.put(key, b""), lambda key: storage.delete([key])):
            with pytest.raises(RefusedError, match="expected names of letters"):
                verb(key)
    with pytest.raises(RefusedError):
        storage.keys("../..")


@given(st.text(max_size=40))
def test_a_key_that_is_accepted_is_plain(key: str) -> None:
    try:
        names = check_key(key)
    except RefusedError:
        return
    assert "/".join(names) == key
    assert key.isascii()
    assert not any(name.startswith(".") or not name for name in names)


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"ftp://host/.*s3://, gs://, az://"):
        open_storage("ftp://host/models")
