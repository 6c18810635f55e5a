"""Many processes at one store, killed (SIGKILL) at random moments, one after another (promises 1, 2, 3, 5)."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.retraining.runs import HISTORY, RunRecord, Runs
from shared.retraining.updates import Updates
from shared.store import folder as folder_storage
from shared.store.folder import STAGING, FolderStorage
from shared.store.models import ModelStore
from tests.promises.crash.counting import COUNTS, KILLS
from tests.promises.crash.crash_points import fast_folder
from tests.promises.crash.workload import KEPT, PROJECTS, WEIGHTS, Ledger, Process, start, train

AT_ONCE = 5


class Watch:
    """What must hold after each kill."""

    def __init__(self, storage: FolderStorage, ledger: Ledger) -> None:
        self._storage = storage
        self._ledger = ledger
        self._ended: dict[int, dict[int, RunRecord]] = {project: {} for project in PROJECTS}

    def look(self) -> None:
        for project in PROJECTS:
            answered = self._ledger.answered(project)
            waiting = {update.job for update in Updates(self._storage).of(project)}  # before what is trained
            last = Runs(self._storage).last_ended(project)
            trained = last.trained.annotations if last and last.trained else 0
            lost = [n for n in answered if n > trained and f"{project}-{n}" not in waiting]
            assert not lost, f"updates {lost} of project {project} were answered, and are neither trained on nor wait"
            model_info = ModelStore(self._storage).model_info(project)
            assert model_info is None or not model_info.refused, model_info
            self._remember(project, last.number if last else 0)

    def _remember(self, project: int, number: int) -> None:
        known = self._ended[project]
        while number and number not in known:
            record = Runs(self._storage).ended(project, number)
            if record is None:
                break
            known[number] = record
            number -= 1

    def outcomes(self) -> Counter[str]:
        found = Counter(str(record.outcome) for ended in self._ended.values() for record in ended.values())
        for ended in self._ended.values():
            fitted = [each for each in ended.values() if each.outcome in ("published", "rejected")]
            states = Counter(each.snapshot.annotations for each in fitted if each.snapshot)
            assert all(count == 1 for count in states.values()), f"trained twice: {states.most_common(3)}"
            fences = [each.fence for _, each in sorted(ended.items()) if each.fence]
            assert fences == sorted(set(fences)), "two runs had one fencing number"
        return found


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[FolderStorage]:
    with tempfile.TemporaryDirectory(dir=fast_folder(tmp_path)) as base:
        yield FolderStorage(Path(base))


def draw(generator: random.Random, alive: list[Process]) -> tuple[str, int]:
    """A role and a project; a project has one annotator at a time, whose numbers are its own."""
    while True:
        (role,) = generator.choices(list(WEIGHTS), list(WEIGHTS.values()))
        project = generator.choice(PROJECTS)
        if role != "annotator" or not any((each.role, each.project) == (role, project) for each in alive):
            return role, project


def test_processes_killed_at_random_moments_lose_nothing_and_leave_nothing(
    storage: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = random.Random(0)
    ledger = Ledger()
    watch = Watch(storage, ledger)
    alive: list[Process] = []
    kills: Counter[str] = Counter()
    try:
        while kills.total() < KILLS:
            while len(alive) < AT_ONCE:
                alive.append(start(*draw(generator, alive), storage, ledger, generator.randrange(10**9)))
            time.sleep(generator.uniform(0, 0.03))
            doomed = alive.pop(generator.randrange(len(alive)))
            assert doomed.kill() == ""
            kills[doomed.role] += 1
            COUNTS["SIGKILLs of processes at the store"] += 1
            watch.look()
    finally:
        for each in alive:
            each.kill()
    for project in PROJECTS:  # the next holder continues at once: all holders were on this machine
        train(storage, project, ledger, random.Random(0))
    watch.look()
    outcomes = watch.outcomes()
    print(f"\n{dict(kills)}; runs: {dict(outcomes)}; read {sum(ledger.read)} times")
    assert outcomes["published"] > KILLS / 50
    assert min(kills.values()) > 0
    _nothing_piles_up(storage, kills.total(), monkeypatch)


def _nothing_piles_up(storage: FolderStorage, kills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for project in PROJECTS:
        assert Updates(storage).of(project) == []
        found = Counter(key.split("/")[2] for key in storage.keys(f"runs/{project}") if key.count("/") == 3)
        assert found["records"] == found["cancel"] == 0, found
        assert max(found["ended"], found["logs"]) <= HISTORY
        kept = ModelStore(storage).versions(project)
        assert len(kept) <= 2 * KEPT + 2, "accepted and rejected ones, the newest and the one that serves"
    staging = Path(storage.address, STAGING)
    left = [path for path in staging.rglob("*") if path.is_file() and path.name != "clock"]
    print(f"{len(left)} half-written files of {kills} kills, swept a day later")
    assert len(left) <= kills
    monkeypatch.setattr(folder_storage, "LEFT_BEHIND", -1.0)
    FolderStorage(Path(storage.address))
    assert [path.name for path in staging.rglob("*")] == ["clock"]
