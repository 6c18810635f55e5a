"""Tests of shared.label_studio.cache: bounded, atomic, never wrong."""

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.label_studio.cache import STALE_SECONDS, RecordingCache

URL = "http://studio/data/upload/1/a.csv"


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        self.now += 1
        return self.now


def keep(cache: RecordingCache, url: str, body: bytes) -> None:
    cache.put(url, body, etag="", last_modified="", immutable=True)


def test_a_body_comes_back_with_what_is_known_of_it(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path / "new", 10**6)
    cache.put(URL, b"a\nb", etag='"x"', last_modified="yesterday", immutable=False)
    entry = cache.look_up(URL)
    assert entry
    assert entry.conditions == {"If-None-Match": '"x"', "If-Modified-Since": "yesterday"}
    assert RecordingCache(tmp_path / "new", 10**6).read(URL) == b"a\nb"
    assert cache.look_up(URL + "2") is None
    assert cache.read(URL + "2") is None


def test_a_body_that_cannot_be_dated_is_not_kept(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path, 10**6)
    cache.put(URL, b"a", etag="", last_modified="", immutable=False)
    assert cache.look_up(URL) is None


@given(st.data())
def test_an_entry_that_was_changed_anywhere_is_not_there_or_right(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache = RecordingCache(folder, 10**6)
    keep(cache, URL, b"time,value\n0,1\n")
    (path,) = folder.iterdir()
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    path.write_bytes(content)
    assert cache.read(URL) in (None, b"time,value\n0,1\n")


def test_the_entries_used_last_stay_when_it_is_full(tmp_path: Path) -> None:
    clock = Clock()
    cache = RecordingCache(tmp_path, 10_000, clock)
    for number in range(40):
        keep(cache, f"{URL}{number}", b"x" * 800)
        assert cache.read(f"{URL}{number}")
        if number:
            assert cache.read(f"{URL}0"), "used all the time"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 11_000
    assert cache.look_up(f"{URL}39")
    assert cache.look_up(f"{URL}1") is None


def test_a_body_of_more_than_half_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = RecordingCache(tmp_path, 1000)
    keep(cache, URL, b"x" * 501)
    assert not list(tmp_path.iterdir())


def test_what_a_dead_writer_left_is_deleted_in_time(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = 4e9
    (tmp_path / "a.1.2.partial").write_bytes(b"half")
    clock.now += STALE_SECONDS
    keep(RecordingCache(tmp_path, 10**6, clock), URL, b"x")
    assert [path.suffix for path in tmp_path.iterdir()] == [".recording"]


def test_a_folder_that_cannot_be_written_only_means_that_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = RecordingCache(tmp_path / "file" / "cache", 10**6)
    keep(cache, URL, b"x")
    assert cache.read(URL) is None


def write_and_read(folder: str, wrong: "multiprocessing.Queue[str]") -> None:
    cache = RecordingCache(Path(folder), 20_000)
    for number in range(150):
        url = f"{URL}{number % 7}"
        keep(cache, url, f"{number % 7}".encode() * 2000)
        body = cache.read(url)
        if body not in (None, f"{number % 7}".encode() * 2000):
            wrong.put(url)


def test_processes_that_share_it_never_read_each_others_halves(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    wrong: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=write_and_read, args=(str(tmp_path), wrong)) for _ in range(3)]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
    assert [each.exitcode for each in processes] == [0, 0, 0]
    assert wrong.empty()
