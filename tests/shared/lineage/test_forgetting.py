"""Which versions learned from a task, and what is refused."""

from pathlib import Path

import msgspec
import pytest

from shared.errors import RefusedError
from shared.lineage import forget_task
from shared.lineage.mentions import REMOVED, Mentions
from shared.model_file.card import ModelMetrics
from shared.retraining.active_run import begin_run
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import HeldOut, ReportFile, read_report
from shared.store.storage import Storage
from tests.support.store import publish_model

OLD, NEW = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "models"))


def publish(storage: Storage, version: str, report: ReportFile | None) -> None:
    reports = {} if report is None else {"report.json": msgspec.json.encode(report)}
    publish_model(storage, version=version, reports=reports)


def report(*held_out: str, recordings: int, learned_from: tuple[str, ...] | None = None) -> ReportFile:
    return ReportFile(
        version=OLD,
        held_out=tuple(HeldOut(task=each, name=f"task {each}", group=f"task {each}") for each in held_out),
        metrics=ModelMetrics(how="out-of-fold", recordings=recordings),
        learned_from=learned_from,
    )


@pytest.mark.parametrize(
    ("found", "learned", "unclear"),
    [
        (report("1", "2", recordings=2, learned_from=("1", "2")), [OLD], []),
        (report("1", recordings=2, learned_from=("1", "2")), [OLD], []),  # taught, but held out nowhere
        (report("1", recordings=1, learned_from=("1",)), [], []),
        (report("1", "2", recordings=2), [OLD], []),  # of earlier versions, which list what was held out
        (report("1", "3", recordings=2), [], []),
        (report("1", "3", recordings=3), [], [OLD]),
        (report(recordings=1), [], [OLD]),
        (None, [], [OLD]),
    ],
)
def test_a_version_learned_from_a_task_or_did_not_or_does_not_say(
    storage: Storage, found: ReportFile | None, learned: list[str], unclear: list[str]
) -> None:
    publish(storage, OLD, found)
    publish(storage, NEW, report("1", recordings=1, learned_from=("1",)))
    for _ in range(2):  # also once its report is without the task
        forgotten = forget_task(storage, 3, "2")
        assert (list(forgotten.learned), list(forgotten.unclear)) == (learned, unclear)
    assert forgotten.serves == ""
    forgotten = forget_task(storage, 3, "2", versions=True)
    kept = [each.name for each in ModelStore(storage).versions(3)]
    assert kept == ([NEW] if learned or unclear else [NEW, OLD])
    assert ModelStore(storage).current(3) is not None


def test_the_report_of_an_earlier_version_says_from_then_on_what_it_learned_from(storage: Storage) -> None:
    publish(storage, OLD, report("1", "2", recordings=2))
    forget_task(storage, 3, "2")
    data = ModelStore(storage).file(3, OLD, "report.json")
    assert data is not None
    assert read_report(data).learned_from == ("1", "2")


def test_while_a_training_runs_nothing_is_forgotten(storage: Storage) -> None:
    publish(storage, OLD, report("1", "2", recordings=2, learned_from=("1", "2")))
    with (
        begin_run(storage, 3, launcher="by hand", host="here"),
        pytest.raises(RefusedError, match="A training of project 3 runs"),
    ):
        forget_task(storage, 3, "2", versions=True)
    assert ModelStore(storage).current(3) is not None


def test_only_what_names_the_task_is_removed() -> None:
    mentions = Mentions("7", ["a.csv", "subject Ann"])
    for text in ("Task 7 was skipped.", "annotators of task 7 (x) differ", "see a.csv", "SUBJECT ANN"):
        assert mentions.within(text)
    for text in ("task 77", "task 17", "aa.csv", "a.csvx", "subject Anna", "7 tasks"):
        assert not mentions.within(text)
    value = {"task 7": 1, "rest": ["task 7", "task 8", {"task": "7"}, {"task": 8, "x": {"task": "7"}}], "n": 7}
    assert mentions.without(value) == {"rest": [REMOVED, "task 8", {"task": 8, "x": {}}], "n": 7}
    assert mentions.without_lines("task 7\ntask 8\n") == "task 8\n"


def test_the_reports_of_all_series_lose_the_task(storage: Storage) -> None:
    others = (report("1", "2", recordings=2, learned_from=("1", "2")),)
    publish(storage, OLD, msgspec.structs.replace(report("1", recordings=1, learned_from=("1",)), others=others))
    for _ in range(2):
        assert forget_task(storage, 3, "2").learned == (OLD,), "one of its series did"
    data = ModelStore(storage).file(3, OLD, "report.json")
    assert data is not None
    assert [[each.task for each in part.held_out] for part in read_report(data).parts] == [["1"], ["1"]]
    assert b'"task 2"' not in data
