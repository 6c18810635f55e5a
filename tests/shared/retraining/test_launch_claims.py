"""Of several servers over one store one launches a run."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from shared.retraining.launch_claims import CLAIM_SECONDS, LaunchClaims
from shared.retraining.runs import LaunchRecord, Runs
from shared.store import keys
from shared.store.processes import this_process
from tests.support.memory_storage import MemoryStorage

PROJECT = 7
OTHER = "a-boot-id/pid:[1] 12 3456"  # a process of another machine


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


def test_a_launch_is_remembered_until_its_number_has_ended(storage: MemoryStorage) -> None:
    runs, claims = Runs(storage), LaunchClaims(storage, this_process())
    assert runs.launched(PROJECT, 1) is None
    assert claims.claim(PROJECT, 1, "kubernetes")
    first = runs.launched(PROJECT, 1)
    assert first is not None
    assert first.launcher == "kubernetes"
    storage.time += 1
    assert claims.claim(PROJECT, 1, "kubernetes")
    assert runs.launched(PROJECT, 1) == first
    assert runs.launched(PROJECT, 2) is None
    storage.put(keys.launched(PROJECT), b"garbage")
    assert runs.launched(PROJECT, 1) is None
    assert claims.claim(PROJECT, 2, "process")
    assert runs.launched(PROJECT, 2) is not None


def test_one_of_many_servers_launches_a_run(storage: MemoryStorage) -> None:
    servers = [LaunchClaims(storage, f"{OTHER}{number}") for number in range(6)]
    for number in range(1, 21):
        with ThreadPoolExecutor(len(servers)) as pool:
            found = list(pool.map(lambda each: each.claim(PROJECT, number, "process"), servers))  # noqa: B023
        assert sum(found) == 1


def test_another_server_launches_it_where_the_first_one_has_not_for_a_minute(storage: MemoryStorage) -> None:
    first, second = LaunchClaims(storage, f"{OTHER}1"), LaunchClaims(storage, f"{OTHER}2")
    assert first.claim(PROJECT, 1, "process")
    storage.time += CLAIM_SECONDS - 1
    assert not second.claim(PROJECT, 1, "process")
    storage.time += 1
    assert second.claim(PROJECT, 1, "process")


def test_a_process_of_this_machine_that_is_gone_is_not_waited_for(storage: MemoryStorage) -> None:
    code = "from shared.store.processes import this_process; print(this_process())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert LaunchClaims(storage, gone).claim(PROJECT, 1, "process")
    assert LaunchClaims(storage, this_process()).claim(PROJECT, 1, "process")


@pytest.mark.parametrize("process", ["", OTHER], ids=["of an earlier release", "of this one"])
def test_a_launch_that_failed_or_that_an_earlier_release_noted_is_free(storage: MemoryStorage, process: str) -> None:
    record = LaunchRecord(number=1, at=storage.time, launcher="process", process=process)
    storage.put(keys.launched(PROJECT), msgspec.json.encode(record))
    LaunchClaims(storage, OTHER).release(PROJECT, 1)
    assert LaunchClaims(storage, f"{OTHER}2").claim(PROJECT, 1, "process")


def test_a_launch_is_not_released_by_another_process(storage: MemoryStorage) -> None:
    assert LaunchClaims(storage, f"{OTHER}1").claim(PROJECT, 1, "process")
    LaunchClaims(storage, f"{OTHER}2").release(PROJECT, 1)
    assert Runs(storage).launched(PROJECT, 1) is not None


def test_a_lost_race_is_no_error(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = LaunchClaims(storage, f"{OTHER}1"), LaunchClaims(storage, f"{OTHER}2")
    put: Callable[..., str] = storage.put

    def put_second(*args: object, **conditions: object) -> str:
        monkeypatch.setattr(storage, "put", put)
        assert first.claim(PROJECT, 1, "process")
        return put(*args, **conditions)

    monkeypatch.setattr(storage, "put", put_second)
    assert not second.claim(PROJECT, 1, "process")
