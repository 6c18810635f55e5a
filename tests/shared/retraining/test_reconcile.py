"""Tests of shared.retraining.reconcile: whatever event was lost, the next comparison finds it, and nothing else."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared.errors import LabelStudioError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.labelling.label_config import parse_label_config
from shared.labelling.snapshots import Snapshot, take_snapshot
from shared.net.connections import Connections
from shared.retraining.reconcile import SETTLE_SECONDS, TRUST_SECONDS, Reconciler
from shared.retraining.runs import RunRecord, RunState
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.folder import FolderStorage
from tests.support.label_studio import CONFIG, LabelStudioDouble
from tests.support.tokens import TOKEN
from tests.support.web_server import Web, answer_json, serve

FINGERPRINT = parse_label_config(CONFIG).fingerprint


class Bench:
    """A reconciler, the Label Studio it asks and the last run it compares with."""

    def __init__(self, label_studio: LabelStudioDouble, web: Web, folder: Path) -> None:
        self.label_studio, self.web = label_studio, web
        settings = Settings(label_studio_host=web.url, label_studio_api_key=TOKEN)
        connections = Connections()
        self.client = LabelStudio(Credentials(settings, connections), connections)
        self.updates = Updates(FolderStorage(folder))
        self.last: Snapshot | None = None
        self.training = False
        self.remembered: RunState | None = None
        self.asked_of_the_store = 0
        self.now = datetime(2026, 11, 24, 4, tzinfo=UTC)
        self.restart()

    def restart(self) -> None:
        self.reconciler = Reconciler(
            self.client,
            self.updates,
            self.runs_of,
            lambda run: run.trained if run else None,
            lambda: self.now,
            remembered=lambda project: self.remembered,
        )

    def runs_of(self, project: int) -> RunState:
        self.asked_of_the_store += 1
        return RunState(
            active=RunRecord(project=project, number=2) if self.training else None,
            last=RunRecord(project=project, number=1, trained=self.last) if self.last else None,
            next_number=2,
        )

    def state(self) -> str:
        return self.reconciler.compare(1).state

    def train(self) -> None:
        """A run that reads the reference and ends."""
        config = self.label_studio.project["label_config"] if self.label_studio.projects else CONFIG
        fingerprint = parse_label_config(config).fingerprint
        self.last = take_snapshot(self.client.annotation_states(1), fingerprint, self.now)
        self.updates.remove(self.updates.of(1))

    def calls(self, act: Callable[[], object]) -> int:
        before = len(self.web.asked)
        act()
        return len(self.web.asked) - before


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    label_studio = LabelStudioDouble()
    with serve(label_studio) as web:
        yield Bench(label_studio, web, tmp_path)


def test_an_unchanged_project_that_was_looked_at_asks_the_store_nothing(bench: Bench) -> None:
    bench.label_studio.annotate(1)
    bench.train()
    bench.now += timedelta(hours=2)
    bench.remembered = bench.runs_of(1)
    bench.asked_of_the_store = 0
    assert bench.state() == "unchanged"
    assert bench.asked_of_the_store == 0
    bench.label_studio.annotate(1)
    assert bench.state() == "changed"
    assert bench.asked_of_the_store == 1


def test_a_run_that_ended_since_the_last_look_is_no_difference(bench: Bench) -> None:
    bench.label_studio.annotate(1)
    bench.train()
    bench.remembered = bench.runs_of(1)
    bench.label_studio.annotate(1)
    bench.train()
    assert bench.state() == "unchanged"
    assert not bench.updates.of(1)


def test_a_project_without_annotations_never_trains(bench: Bench) -> None:
    assert bench.state() == "empty"
    bench.label_studio.annotate(1, was_cancelled=True)
    assert bench.state() == "empty"
    assert not bench.updates.of(1)


def test_a_project_that_already_has_annotations_is_found_once(bench: Bench) -> None:
    for task in range(1, 4):
        bench.label_studio.annotate(task)
    assert bench.state() == "changed"
    assert bench.state() == "waiting"
    assert [update.weight for update in bench.updates.of(1)] == [3]


def test_updates_that_wait_already_are_not_counted_twice(bench: Bench) -> None:
    for task in range(1, 4):
        bench.label_studio.annotate(task)
    bench.updates.add(1, "ANNOTATION_CREATED", 0.0)
    assert bench.state() == "changed"
    assert [update.weight for update in bench.updates.of(1)] == [1, 2]


def test_an_unchanged_project_costs_two_requests_once_it_was_listed(bench: Bench) -> None:
    for task in range(1, 31):
        bench.label_studio.annotate(task)
    bench.train()
    assert bench.state() == "unchanged"
    bench.now += timedelta(seconds=SETTLE_SECONDS)
    assert bench.calls(bench.state) == 3
    assert bench.calls(bench.state) == 2
    assert bench.state() == "unchanged"
    bench.restart()
    assert bench.calls(bench.state) == 3
    bench.now += timedelta(seconds=TRUST_SECONDS)
    bench.restart()
    assert bench.calls(bench.state) == 2


def change_result(label_studio: LabelStudioDouble) -> None:
    moment = label_studio.tick()
    label_studio.tasks[0]["annotations"][0]["updated_at"] = moment
    label_studio.tasks[0]["updated_at"] = moment


def delete_oldest(label_studio: LabelStudioDouble) -> None:
    label_studio.tasks.pop(0)


def delete_and_add(label_studio: LabelStudioDouble) -> None:
    label_studio.tasks.pop(0)
    label_studio.annotate(99)


def add_a_label(label_studio: LabelStudioDouble) -> None:
    label_studio.project["label_config"] = CONFIG.replace(
        "</TimeSeriesLabels>", '<Label value="Walk"/></TimeSeriesLabels>'
    )


@pytest.mark.parametrize(
    "change",
    [lambda label_studio: label_studio.annotate(99), change_result, delete_oldest, delete_and_add, add_a_label],
)
def test_every_kind_of_change_is_found(bench: Bench, change: Callable[[LabelStudioDouble], object]) -> None:
    for task in range(1, 31):
        bench.label_studio.annotate(task)
    bench.train()
    bench.now += timedelta(seconds=SETTLE_SECONDS)
    assert bench.state() == "unchanged"
    change(bench.label_studio)
    assert bench.state() == "changed"
    bench.train()
    assert bench.state() == "unchanged"


def test_skips_and_colours_are_no_change(bench: Bench) -> None:
    bench.label_studio.annotate(1)
    bench.train()
    bench.label_studio.annotate(1, was_cancelled=True)
    bench.label_studio.annotate(2, was_cancelled=True)
    bench.label_studio.project["label_config"] = CONFIG.replace('value="Run"', 'value="Run" background="red"')
    assert bench.state() == "unchanged"


def test_a_save_under_way_during_the_snapshot_is_found_by_the_listing_after_it(bench: Bench) -> None:
    late = bench.label_studio.annotate(1)
    bench.label_studio.annotate(2)
    before = late["updated_at"]
    late["updated_at"] = "2026-11-24T02:00:00Z"
    bench.train()
    late["updated_at"] = before  # older than the newest, counts unchanged: the cheap figures are the same
    bench.now += timedelta(seconds=SETTLE_SECONDS)
    assert bench.state() == "changed"


def test_a_run_under_way_is_waited_for(bench: Bench) -> None:
    bench.label_studio.annotate(1)
    bench.training = True
    assert bench.calls(bench.state) == 0
    assert bench.state() == "training"
    bench.training = False
    assert bench.state() == "changed"


def test_a_deleted_project_a_bad_configuration_and_a_failing_label_studio_have_sentences(bench: Bench) -> None:
    bench.label_studio.annotate(1)
    bench.label_studio.project["label_config"] = "<View/>"
    assert bench.state() == "unservable"
    bench.label_studio.projects.clear()
    assert bench.state() == "gone"
    bench.label_studio.fault = lambda asked: answer_json({"detail": "database is locked"}, 500)
    finding = bench.reconciler.compare(1)
    assert finding.state == "unknown"
    assert "database is locked" in finding.sentence
    assert not bench.updates.of(1)
    with pytest.raises(LabelStudioError):
        bench.reconciler.compare_all([1, 2])


def test_one_project_that_fails_does_not_hide_the_others(bench: Bench) -> None:
    bench.label_studio.annotate(1)
    bench.label_studio.fault = lambda asked: (
        answer_json({"detail": "no"}, 500) if asked.path == "/api/projects/7/" else None
    )
    assert [finding.state for finding in bench.reconciler.compare_all([7, 2, 1])] == ["unknown", "gone", "changed"]


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["add", "edit", "delete", "skip", "compare", "train", "wait", "restart"]), max_size=25))
def test_after_any_history_a_lost_change_is_found_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    label_studio = LabelStudioDouble()
    with serve(label_studio) as web:
        bench = Bench(label_studio, web, tmp_path_factory.mktemp("store"))
        for number, step in enumerate(steps):
            if step == "add":
                label_studio.annotate(number % 6 + 1)
            elif step == "edit" and label_studio.tasks:
                change_result(label_studio)
            elif step == "delete" and label_studio.tasks:
                delete_oldest(label_studio)
            elif step == "skip":
                label_studio.annotate(number % 6 + 1, was_cancelled=True)
            elif step == "train":
                bench.train()
            elif step == "wait":
                bench.now += timedelta(seconds=SETTLE_SECONDS)
            elif step == "restart":
                bench.restart()
            reference = take_snapshot(bench.client.annotation_states(1), FINGERPRINT, bench.now)
            state = bench.state()
            if not reference.annotations:
                assert state == "empty"
            elif bench.last and bench.last.digest == reference.digest:
                assert state == "unchanged"
            else:
                assert state in ("changed", "waiting")
                assert bench.updates.of(1)
