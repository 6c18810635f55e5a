"""The real server and the real trainer, killed (SIGKILL) while people annotate and ask (promises 1, 2, 3, 5, 12)."""

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.labelling.snapshots import same_annotations
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.promises.crash.counting import COUNTS, REAL_KILLS
from tests.promises.crash.live_stack import PROJECT, START_SECONDS, LiveStack, live_stack


class Asker:
    """A client that predicts all the time, and what it was answered."""

    def __init__(self, play: LiveStack, server: str) -> None:
        self._play = play
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: Counter[str] = Counter()
        self.wrong: list[Any] = []

    def __enter__(self) -> "Asker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.05):
            status, found = self._play.predict(self._server)
            if status == 200 and found and found["model_version"] and found["result"]:
                self.answers["answered"] += 1
            elif status == 0:
                self.answers["nobody was there"] += 1
            else:
                self.wrong.append((status, found))


@pytest.mark.timeout(3600)
def test_servers_and_trainers_killed_while_people_work_lose_nothing(tmp_path: Path) -> None:
    generator = random.Random(0)
    kills: Counter[str] = Counter()
    ends: Counter[int] = Counter()
    with live_stack(tmp_path) as play:
        program, server = play.server("server", TRAIN_LAUNCHER="none")
        started = time.monotonic()
        assert play.train()[0] == 0
        whole = time.monotonic() - started
        storage = open_storage(play.model_dir)
        states = States(storage)
        with program.start(START_SECONDS), Asker(play, server) as asker:
            while min(kills["server"], kills["trainer"]) < REAL_KILLS:
                for _ in range(generator.randrange(1, 4)):
                    play.annotators.save(server, task=generator.randrange(1, 9))
                with play.trainer() as trainer:
                    if kills["server"] < REAL_KILLS and generator.random() < 0.9:
                        time.sleep(generator.uniform(0, whole / 2))
                        program.kill()
                        kills["server"] += 1
                        COUNTS["SIGKILLs of servers"] += 1
                        play.annotators.save(server, task=generator.randrange(1, 9))  # nobody hears of it
                        program.start(START_SECONDS)
                    if kills["trainer"] < REAL_KILLS and generator.random() < 0.9:
                        time.sleep(generator.uniform(0, whole))
                        if trainer.poll() is None:
                            trainer.kill()
                            kills["trainer"] += 1
                            COUNTS["SIGKILLs of trainers"] += 1
                    said = trainer.stdout.read() if trainer.stdout else ""
                    ends[trainer.wait()] += 1
                    assert trainer.returncode in (0, -9), said
                states.look()
            assert play.annotators.save(server), "the last event of the day"
            code, said = play.train()
            assert code == 0, said
            states.look()
            status, found = play.predict(server)
            while status == 200 and found["model_version"] != states.serving():
                status, found = play.predict(server)  # at most a second old
        assert status == 200
        annotators = play.annotators
        print(f"\nkilled: {dict(kills)}; trainers ended: {dict(ends)}; predictions: {dict(asker.answers)}")
        print(f"events: {annotators.answered} answered, {annotators.unanswered} while nobody was there")
        print(f"runs: {dict(states.outcomes)}; states trained: {len(states.trained)}")
        assert asker.wrong == []
        assert annotators.refused == []
        last = Runs(storage).last_ended(PROJECT)
        assert last is not None
        assert last.trained is not None
        assert same_annotations(last.trained, play.reference()), "something that was answered 2xx is not trained on"
        assert Updates(storage).of(PROJECT) == []
        assert asker.answers["answered"] > 10 * REAL_KILLS


class States:
    """Runs as they end: no state is trained twice, and every end has its reason."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._seen = 0
        self.trained: set[str] = set()
        self.outcomes: Counter[str] = Counter()

    def look(self) -> None:
        runs = Runs(self._storage)
        runs.record_abandoned(PROJECT)
        assert runs.state(PROJECT).active is None, "a dead run holds the project up"
        for number in range(self._seen + 1, runs.next_number(PROJECT)):
            record = runs.ended(PROJECT, number)
            assert record is not None
            self.outcomes[str(record.outcome)] += 1
            assert record.outcome in ("published", "rejected", "unchanged") or record.reason
            if record.outcome in ("published", "rejected"):
                assert record.snapshot is not None
                assert record.snapshot.digest not in self.trained, f"run {number} trained what was trained on before"
                self.trained.add(record.snapshot.digest)
            self._seen = number

    def serving(self) -> str:
        model_info = ModelStore(self._storage).model_info(PROJECT)
        assert model_info is not None
        assert not model_info.refused
        return model_info.version
