"""Killed at each step: leases, verdicts, promotions, deletions and records, as test_store_faults.py does the rest."""

from collections import Counter
from collections.abc import Callable

from shared.retraining.active_run import begin_run
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.store import keys
from shared.store.folder import FolderStorage
from shared.store.lease import read_lease, take_lease
from shared.store.models import ModelStore
from shared.store.projects import KnownProject, KnownProjects
from shared.store.publication import Commit
from tests.promises.crash.counting import COUNTS
from tests.promises.crash.crash_points import LIMIT, dies_at, each_death
from tests.support.models import model_file, snapshot, version_name

KILLS = "SIGKILLs at a step of durable code"
PROJECT = 7
Fresh = Callable[[], FolderStorage]
Copies = Callable[[FolderStorage], Callable[[], FolderStorage]]


def test_a_killed_holder_of_a_lease_is_followed_at_once_by_one_with_a_larger_number(fresh: Fresh) -> None:
    def work(storage: FolderStorage) -> None:
        for _ in range(2):
            lease = take_lease(storage, PROJECT, "dying")
            lease.renew()
            lease.commit(Commit(version=version_name(1), replaces=""))
            lease.settle()
            lease.release()

    def check(storage: FolderStorage) -> None:
        before = read_lease(storage, PROJECT)
        after = take_lease(storage, PROJECT, "next")
        assert after.fence == (before.fence if before else 0) + 1

    COUNTS[KILLS] += each_death(fresh, work, check)


def test_a_killed_verdict_leaves_no_version_or_a_whole_one_that_does_not_serve(fresh: Fresh) -> None:
    def work(storage: FolderStorage) -> None:
        ModelStore(storage).reject(
            take_lease(storage, PROJECT, "dying"), model_file(1), b"weights 1", reason="worse", reports={}
        )

    def check(storage: FolderStorage) -> None:
        store = ModelStore(storage)
        for version in store.versions(PROJECT):
            assert not version.accepted
            assert store.file(PROJECT, version.name, "pt") == b"weights 1"
            assert store.file(PROJECT, version.name, "rejected") == b"worse"
        assert store.model_info(PROJECT) is None
        assert store.publish(take_lease(storage, PROJECT, "next"), model_file(2), b"weights 2").published
        files = [key for key in storage.keys(keys.versions(PROJECT)) if version_name(1) in key]
        assert not files or keys.version(PROJECT, version_name(1), "onnx") in files, "what the dead one left stays"

    COUNTS[KILLS] += each_death(fresh, work, check)


def test_a_killed_import_and_promotion_can_be_done_again(fresh: Fresh) -> None:
    def work(storage: FolderStorage) -> None:
        store = ModelStore(storage)
        store.roll_back(PROJECT, store.import_version(PROJECT, model_file(1)))

    def check(storage: FolderStorage) -> None:
        store = ModelStore(storage)
        current = store.current(PROJECT)
        assert current is None or current.data == model_file(1)
        work(storage)
        (version,) = store.versions(PROJECT)
        assert (version.name, version.accepted, version.current) == (version_name(1), True, True)

    COUNTS[KILLS] += each_death(fresh, work, check)


def test_a_killed_deletion_of_a_project_can_be_done_again_and_spares_the_others(fresh: Fresh, copies: Copies) -> None:
    storage = fresh()
    for project in (PROJECT, 70):
        run = begin_run(storage, project, launcher="test", host="here")
        run.log("a line")
        run.beat()
        assert ModelStore(storage).publish(run.lease, model_file(1, project=project), b"weights").published
        run.end("published", exit_code=0)
        KnownProjects(storage).remember(KnownProject(id=project))
        Updates(storage).add(project, "ANNOTATION_CREATED", 1.0)
    others = [key for key in storage.keys("") if "70" in key]

    def check(storage: FolderStorage) -> None:
        ModelStore(storage).delete(PROJECT)
        assert [key for key in storage.keys("") if key != "clock/now"] == others

    COUNTS[KILLS] += each_death(copies(storage), lambda storage: ModelStore(storage).delete(PROJECT), check)


def test_a_project_that_connects_is_known_whole_or_not_at_all(fresh: Fresh) -> None:
    first, second = KnownProject(id=PROJECT, title="one"), KnownProject(id=PROJECT, title="two", created="1")

    def work(storage: FolderStorage) -> None:
        for project in (first, second):
            KnownProjects(storage).remember(project)

    COUNTS[KILLS] += each_death(
        fresh, work, lambda storage: _is_one_of(KnownProjects(storage).get(PROJECT), (None, first, second))
    )


def _is_one_of(found: object, allowed: tuple[object, ...]) -> None:
    assert found in allowed


def test_the_process_that_records_a_dead_run_may_die_too(fresh: Fresh) -> None:
    """The dead run is counted once, its number moves on by one, and no update goes."""
    seen: Counter[int] = Counter()

    def prepare() -> FolderStorage:
        storage = fresh()
        Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0)
        ended = not dies_at(LIMIT, lambda: begin_run(storage, PROJECT, launcher="test", host="here").beat())
        assert ended, "it was to end without recording its end, not to be killed"
        assert Runs(storage).record(PROJECT, 1) is not None
        return storage

    def check(storage: FolderStorage) -> None:
        seen[Runs(storage).next_number(PROJECT)] += 1
        Runs(storage).record_abandoned(PROJECT)
        state = Runs(storage).state(PROJECT)
        assert state.active is None
        assert state.next_number == 2
        assert state.last is not None
        assert (state.last.outcome, state.last.failures) == ("failed", 1)
        assert len(Updates(storage).of(PROJECT)) == 1
        run = begin_run(storage, PROJECT, launcher="test", host="here")
        run.start_from(Updates(storage).of(PROJECT))
        run.report(snapshot=snapshot(1))
        run.end("rejected", exit_code=0)
        assert not [key for key in storage.keys(keys.runs(PROJECT)) if "/records/" in key]

    COUNTS[KILLS] += each_death(prepare, lambda storage: Runs(storage).record_abandoned(PROJECT), check)
    assert set(seen) == {1, 2}
