import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference.preannotation import Preannotation, PreannotationPlan, read_plan
from inference.preannotation import work as work_module
from inference.preannotation.claims import claim_range, read_range
from inference.preannotation.plans import range_key
from inference.preannotation.records import Batch, RangeRecord
from inference.preannotation.work import StoppedError
from inference.serving.model_cache import ModelCache
from shared.errors import LabelStudioError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.net.connections import Connections
from shared.settings import Settings
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG, VALUES, Publish
from tests.support.label_studio import LabelStudioDouble
from tests.support.store import publish_model
from tests.support.tokens import TOKEN
from tests.support.web_server import Web
from tests.support.web_server import serve as serve_web

TASKS = 330  # four ranges


class Process:
    """One process's objects."""

    def __init__(self, web: Web, storage: Storage, **options: Any) -> None:
        settings = Settings(label_studio_host=web.url, label_studio_api_key=TOKEN, predict_threads=1)
        connections = Connections()
        credentials = Credentials(settings, connections)
        label_studio = LabelStudio(credentials, connections)
        models = ModelCache(ModelStore(storage), cache_size=1)
        fetcher = Fetcher(settings, credentials, connections)
        options = {"sleep": lambda _: None, **options}
        self.work = Preannotation(settings, storage, label_studio, fetcher, models, **options)

    def run(self, *, only_unlabelled: bool = False, **options: Any) -> PreannotationPlan:
        try:
            return self.work.run(1, only_unlabelled=only_unlabelled, rate=1e6, **options)
        finally:
            self.work.close()


@pytest.fixture
def label_studio() -> LabelStudioDouble:
    label_studio = LabelStudioDouble()
    label_studio.project["label_config"] = CONFIG
    for number in range(1, TASKS + 1):
        add_task(label_studio, number)
    return label_studio


def add_task(label_studio: LabelStudioDouble, number: int) -> None:
    data = {"csv_url": {"value": VALUES}}
    moment = label_studio.tick()
    label_studio.tasks.append({"id": number, "data": data, "predictions": [], "annotations": [], "updated_at": moment})


@pytest.fixture
def web(label_studio: LabelStudioDouble) -> Iterator[Web]:
    with serve_web(label_studio) as web:
        yield web


@pytest.fixture
def storage(model_dir: Path, publish: Publish) -> Storage:
    publish(project=1)
    return open_storage(str(model_dir))


def counts(label_studio: LabelStudioDouble) -> Counter[int]:
    return Counter(len(task["predictions"]) for task in label_studio.tasks)


def test_processes_that_share_the_work_push_each_task_once(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    processes = [Process(web, storage) for _ in range(3)]
    plans: list[PreannotationPlan] = []
    threads = [
        threading.Thread(target=lambda each=each, index=index: plans.append(each.run(job="a", index=index)))
        for index, each in enumerate(processes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(label_studio) == {1: TASKS}
    assert {(plan.counts.pushed, plan.counts.looked_at, plan.is_complete) for plan in plans} == {(TASKS, TASKS, True)}
    assert sum(each.work.counts.pushed for each in processes) == TASKS
    assert storage.keys("runs/1/preannotation") == ["runs/1/preannotation/plan.json"], "claims are deleted at the end"


@pytest.mark.s3
def test_processes_share_the_work_over_a_bucket(label_studio: LabelStudioDouble, web: Web, bucket: str) -> None:
    publish_model(bucket, project=1)
    plans: list[PreannotationPlan] = []
    threads = [
        threading.Thread(
            target=lambda index=index: plans.append(Process(web, open_storage(bucket)).run(job="a", index=index))
        )
        for index in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(label_studio) == {1: TASKS}
    assert [(plan.counts.pushed, plan.is_complete) for plan in plans] == [(TASKS, True)] * 3


@pytest.mark.parametrize("dies", [1, 2, 5])
def test_a_request_without_an_answer_is_settled_and_tried_again(
    label_studio: LabelStudioDouble, web: Web, storage: Storage, dies: int
) -> None:
    label_studio.unconfirmed_import = dies
    assert Process(web, storage).run().counts.pushed == TASKS
    assert counts(label_studio) == {1: TASKS}


@pytest.mark.parametrize("dies", [1, 2, 5])
def test_a_process_that_breaks_off_is_gone_on_with_and_nothing_is_doubled(
    label_studio: LabelStudioDouble, web: Web, storage: Storage, dies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "RETRIES", 0)
    label_studio.unconfirmed_import = dies
    with pytest.raises(LabelStudioError):
        Process(web, storage).run()
    assert Process(web, storage).run().is_complete
    assert counts(label_studio) == {1: TASKS}


def test_each_batch_is_recorded_before_it_is_sent(label_studio: LabelStudioDouble, web: Web, storage: Storage) -> None:
    unrecorded: list[str] = []

    def look(request: Any) -> None:
        if request.method == "POST":
            tasks = tuple(each["task"] for each in json.loads(request.body))
            ranges = [key for key in storage.keys("runs/1/preannotation") if not key.endswith("plan.json")]
            records = [read_range(storage, key) for key in ranges]
            if tasks not in [each.sent.tasks for each in records if each and each.sent]:
                unrecorded.append(str(tasks))

    label_studio.fault = look
    Process(web, storage).run()
    assert label_studio.imports == 7
    assert unrecorded == []


def test_predictions_that_label_studio_stored_twice_are_deleted_but_not_the_one_in_use(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    label_studio.repeated_import = 3

    def annotate_from_the_later_one(*_: Any) -> None:
        predictions = label_studio.tasks[120]["predictions"]
        if len(predictions) == 2 and not label_studio.tasks[120]["annotations"]:
            label_studio.annotate(121, parent_prediction=predictions[1]["id"])
            used.append(predictions[1]["id"])

    used: list[int] = []
    Process(web, storage, show=annotate_from_the_later_one).run()
    assert label_studio.imports == 7
    assert counts(label_studio) == {1: TASKS}
    assert [each["id"] for each in label_studio.tasks[120]["predictions"]] == used


def test_a_batch_of_a_dead_process_is_waited_for_until_it_is_visible(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    """Its request is still on the way when another process takes the range over."""
    stop_at = iter([False, True])
    with pytest.raises(StoppedError):
        Process(web, storage, stop=lambda: next(stop_at)).run()
    plan = read_plan(storage, 1)
    assert plan
    late = label_studio.tasks[60:70]
    claim = claim_range(storage, range_key(1, plan.id, 0))
    assert claim
    with claim:
        claim.update(sent=Batch(tuple(task["id"] for task in late), storage.now()))
    prediction = {**label_studio.tasks[0]["predictions"][0]}
    looks: list[float] = []
    waits: list[float] = []

    def arrives_late(seconds: float) -> None:
        waits.append(seconds)
        if seconds == work_module.LOOK_SECONDS:
            looks.append(seconds)
        if len(looks) == 3:
            for task in late:
                task["predictions"] = [prediction]

    plan = Process(web, storage, sleep=arrives_late).run()
    assert len(looks) == 3
    assert plan.counts.pushed == TASKS
    assert any(100 < each <= work_module.SETTLE_SECONDS for each in waits), "until nothing can be stored twice any more"
    assert counts(label_studio) == {1: TASKS}


def test_a_range_of_a_living_process_is_left_to_it(label_studio: LabelStudioDouble, web: Web, storage: Storage) -> None:
    stop_at = iter([True])
    with pytest.raises(StoppedError):
        Process(web, storage, stop=lambda: next(stop_at)).run()
    plan = read_plan(storage, 1)
    assert plan
    held = claim_range(storage, range_key(1, plan.id, 1))
    assert held
    with held:

        def wait(seconds: float) -> None:
            if seconds == work_module.WAIT_SECONDS:
                raise TimeoutError

        with pytest.raises(TimeoutError):
            Process(web, storage, sleep=wait).run()
        without = [task["id"] for task in label_studio.tasks if not task["predictions"]]
        assert without == list(range(101, 201))
    assert Process(web, storage).run().is_complete
    assert counts(label_studio) == {1: TASKS}


def test_an_expired_claim_is_taken_over_with_what_it_has_pushed(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    stop_at = iter([True])
    with pytest.raises(StoppedError):
        Process(web, storage, stop=lambda: next(stop_at)).run()
    plan = read_plan(storage, 1)
    assert plan
    key = range_key(1, plan.id, 2)
    record = RangeRecord(token="other", holder="gone", renewed_at=storage.now() - 61, pushed=7)
    storage.put(key, msgspec.json.encode(record), create=True)
    assert Process(web, storage).run().counts.pushed == TASKS + 7
    assert counts(label_studio) == {1: TASKS}


def test_a_second_start_of_a_finished_job_does_nothing(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    Process(web, storage).run(job="night")
    add_task(label_studio, TASKS + 1)
    again = Process(web, storage)
    assert again.run(job="night").is_complete
    assert again.work.counts.looked_at == again.work.counts.pushed == 0
    assert Process(web, storage).run(job="next").counts.pushed == TASKS + 1


def test_a_second_start_of_a_job_tries_again_what_failed(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    data, label_studio.tasks[4]["data"] = label_studio.tasks[4]["data"], {"csv_url": "http://127.0.0.1:1/away.csv"}
    assert Process(web, storage).run(job="night").counts.failed == 1
    assert Process(web, storage).run(job="night").counts.failed == 1
    label_studio.tasks[4]["data"] = data
    assert Process(web, storage).run(job="night").counts.failed == 0
    assert counts(label_studio) == {1: TASKS}


def test_a_plan_of_an_earlier_start_is_finished_and_then_everything_is_looked_at_again(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    stop_at = iter([False, False, True])
    with pytest.raises(StoppedError):
        Process(web, storage, stop=lambda: next(stop_at)).run()
    label_studio.tasks[0]["predictions"] = []  # in a finished range, as a task that failed then
    Process(web, storage).run()
    assert counts(label_studio) == {1: TASKS}


def test_a_new_version_replaces_the_plan(
    label_studio: LabelStudioDouble, web: Web, storage: Storage, publish: Publish
) -> None:
    def publish_once(*_: Any) -> None:
        if not newer:
            newer.append(publish(project=1, version="20260102T000000Z-bbbbbb"))

    newer: list[str] = []
    clock = iter(range(10_000_000))
    process = Process(web, storage, show=publish_once)
    process.work._models._clock = lambda: next(clock)  # every look is a new one
    plan = process.run()
    assert plan.version == newer[0]
    versions = [{each["model_version"] for each in task["predictions"]} for task in label_studio.tasks]
    assert all(newer[0] in each for each in versions)
    assert max(counts(label_studio)) == 2
    assert len(versions[-1]) == 1, "nothing more of the older version was pushed"


def test_a_preannotation_of_all_tasks_takes_over_from_one_of_those_without_annotations(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    label_studio.annotate(7)
    plans: list[PreannotationPlan] = []

    def other_one_starts(*_: Any) -> None:
        if not plans:
            plans.append(Process(web, storage).run())

    assert Process(web, storage, show=other_one_starts).run(only_unlabelled=True).is_complete
    assert plans[0].counts.pushed == TASKS - 50, "one batch had been sent; what was predicted beyond it is not"
    assert counts(label_studio) == {1: TASKS}


def test_tasks_without_annotations_are_left_to_a_preannotation_of_all_in_progress_and_to_no_dead_one(
    label_studio: LabelStudioDouble, web: Web, storage: Storage
) -> None:
    label_studio.annotate(7)
    with pytest.raises(StoppedError):
        Process(web, storage, stop=lambda: True).run()
    plan = read_plan(storage, 1)
    assert plan

    def wait(seconds: float) -> None:
        if seconds == work_module.WAIT_SECONDS:
            raise TimeoutError

    held = claim_range(storage, range_key(1, plan.id, 0))
    assert held
    with held, pytest.raises(TimeoutError):
        Process(web, storage, sleep=wait).run(only_unlabelled=True)
    joined = read_plan(storage, 1)
    assert joined
    assert (joined.id, joined.finished) == (plan.id, (1, 2, 3))
    assert Process(web, storage).run(only_unlabelled=True).only_unlabelled
    assert label_studio.tasks[6]["predictions"] == []


def test_planning_asks_once_a_range_and_reads_no_task_twice(label_studio: LabelStudioDouble, storage: Storage) -> None:
    asked: list[str] = []

    def remember(request: Any) -> None:
        asked.append(request.target)

    label_studio.fault = remember
    with serve_web(label_studio) as web:
        Process(web, storage).run()
    lists = [target for target in asked if target.startswith("/api/tasks/")]
    planned = [target for target in lists if "page_size=1&" in target]
    assert len(planned) == 4, "the total, and the starts of three more ranges"
    assert len(lists) - len(planned) == 8, "one page for each range, and one to see that nothing was stored twice"
