from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RefusedError
from shared.retraining.updates import RECONCILE, START_TRAINING, Updates
from shared.store.storage import Storage
from tests.support.memory_storage import MemoryStorage


def test_updates_wait_by_project_oldest_first(storage: Storage) -> None:
    updates = Updates(storage)
    late = updates.add(7, "ANNOTATION_CREATED", 1_000_002.0)
    early = updates.add(7, "ANNOTATION_UPDATED", 1_000_001.0, weight=3)
    other = updates.add(70, START_TRAINING, 1_000_000.5, job="70-abc")
    assert updates.waiting() == {7: [early, late], 70: [other]}
    assert updates.of(7) == [early, late]
    assert (early.weight, other.job) == (3, "70-abc")


def test_removing_is_for_exactly_those_named(storage: Storage) -> None:
    updates = Updates(storage)
    first = updates.add(7, "ANNOTATION_CREATED", 1.0)
    second = updates.add(7, "ANNOTATION_CREATED", 1.0)
    updates.remove([first])
    updates.remove([first])
    assert updates.of(7) == [second]


def test_the_same_difference_is_noted_once(storage: Storage) -> None:
    updates = Updates(storage)
    first = updates.add(7, RECONCILE, 1.0, job="digest-1", weight=2)
    assert updates.add(7, RECONCILE, 300.0, job="digest-1", weight=2) == first
    updates.add(7, RECONCILE, 600.0, job="digest-2", weight=2)
    assert len(updates.of(7)) == 2
    updates.remove([first])
    assert updates.add(7, RECONCILE, 900.0, job="digest-1", weight=2) != first


def test_what_is_no_update_is_left_alone(storage: Storage) -> None:
    storage.put("updates/7/README.md", b"")
    storage.put("updates/x/1.json", b"")
    assert Updates(storage).waiting() == {}
    assert storage.keys("updates") == ["updates/7/README.md", "updates/x/1.json"]


def test_a_hundred_thousand_updates_cost_one_listing() -> None:
    storage = MemoryStorage()
    for number in range(100_000):
        storage.put(f"updates/{number % 200}/{number:014d}.ANNOTATION_CREATED.1.j{number}.json", b"")
    calls: Counter[str] = Counter()

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls[name] += 1
            return getattr(storage, name)

    waiting = Updates(Counting()).waiting()
    assert {project: len(updates) for project, updates in waiting.items()} == dict.fromkeys(range(200), 500)
    assert calls == {"keys": 1}


@given(st.text(max_size=90), st.text(max_size=90), st.floats(allow_nan=False), st.integers())
def test_an_update_is_refused_or_comes_back_as_it_was(action: str, job: str, at: float, weight: int) -> None:
    updates = Updates(MemoryStorage())
    try:
        update = updates.add(7, action, at, job=job, weight=weight)
    except RefusedError:
        return
    assert updates.waiting() == {7: [update]}
    assert (update.action, update.job or job) == (action, job or update.job)


def test_an_action_that_is_no_word_is_refused(storage: Storage) -> None:
    for action in ("", "../x", "lower", "A B", "A.B", "A/B"):
        with pytest.raises(RefusedError):
            Updates(storage).add(7, action, 1.0)
    assert storage.keys("updates") == []
