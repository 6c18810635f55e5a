"""What becomes of predictions on a real Label Studio: people correct them, publications refresh them, old ones go."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from examples.demo import label_studio as installed
from examples.demo.client import Client
from inference.preannotation.refresh import read_refresh
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.labelling.label_config import parse_label_config
from shared.net.connections import Connections
from shared.retraining.region_use import Uses
from shared.settings import Settings
from shared.store import keys
from shared.store.opening import open_storage
from tests.e2e.conftest import Serve
from tests.e2e.page import browser_page, open_task
from tests.e2e.test_suggestions import VALUES, OpenTask
from tests.support.store import publish_after, publish_model
from training.data.tasks import annotated_tasks
from training.people import use_of_predictions

CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="json" value="$csv_url" overviewWidth="100%"><Channel column="value"/>'
    "</TimeSeries></View>"
)
TASKS = 120
SECONDS = 300  # a batch that a killed server may have sent is waited for up to 120 s


def wait_until(holds: Callable[[], bool], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)


def test_what_a_person_does_with_predicted_regions_is_counted(user: Client, serve: Serve) -> None:
    with serve("usefulness") as server:
        project = user.create_project("usefulness", CONFIG)
        [task] = user.import_tasks(project, [{"data": {"csv_url": {"value": VALUES}}}])
        publish_model(server.models, project)
        user.connect(project, server.url)
        user.retrieve_predictions(project)
    with browser_page(user.url, installed.USER, installed.PASSWORD) as page:
        open_task(page, project, task, 1)
        opened = OpenTask(page)
        right = opened.box(1)[1]
        opened.drag(right - 1, opened.x(24))  # Run of rows 10 to 29 ends earlier
        page.wait_for_timeout(500)
        opened.select(3)  # Run of rows 50 to 69
        opened.press("2")
        page.wait_for_timeout(500)
        opened.press("Escape")
        opened.select(5)  # Run of rows 90 to 109
        opened.press("Backspace")
        page.wait_for_timeout(500)
        opened.press("1")
        opened.drag(opened.x(94), opened.x(102))
        page.wait_for_timeout(500)
        with page.expect_response(lambda answer: answer.request.method == "POST" and "/annotations" in answer.url):
            page.get_by_role("button", name="Submit").click()
    settings = Settings(label_studio_host=user.url, label_studio_api_key=installed.TOKEN)
    connections = Connections()
    credentials = Credentials(settings, connections)
    config = parse_label_config(CONFIG)
    found = annotated_tasks(credentials, project, config.fingerprint)
    [annotation] = found.tasks[0].annotations
    assert annotation.prelabelled
    read = LabelStudio(credentials, connections).prediction
    [use] = use_of_predictions(found.tasks, config, {}, read)
    assert use.uses == {"Run": Uses(moved=1, relabelled=1, deleted=1, added=1), "Walk": Uses(unchanged=4)}
    assert use.person == annotation.annotator != ""


def an_hour_later(models: Path, project: int) -> None:
    storage = open_storage(str(models))
    record = read_refresh(storage, project)
    assert record is not None
    earlier = msgspec.structs.replace(record, started_at=record.started_at - 3601)
    storage.put(keys.refresh(project), msgspec.json.encode(earlier))


@pytest.mark.timeout(900)
def test_publications_refresh_predictions_though_the_server_is_killed_and_old_ones_go(
    user: Client, serve: Serve, figures: dict[str, str]
) -> None:
    settings = {"REFRESH_PREDICTIONS": "all", "REFRESH_DELETE": "true"}
    with serve("refresh", **settings) as server:
        project = user.create_project("refresh", CONFIG)
        tasks = user.import_tasks(project, [{"data": {"csv_url": {"value": VALUES}}}] * TASKS)

        def stored() -> list[tuple[int, int, str]]:
            found = user.call("GET", f"/api/predictions/?project={project}")
            return [(each["id"], each["task"], each["model_version"]) for each in found]

        def refreshed(version: str) -> bool:
            record = read_refresh(open_storage(str(server.models)), project)
            return record is not None and (record.version, record.outcome) == (version, "done")

        publish = time.monotonic()
        first = publish_after(server.models, 1, project=project)
        user.connect(project, server.url)
        wait_until(lambda: len(stored()) > 0, stored)
        server.program.kill()
        assert len(stored()) < TASKS, "it is killed in the middle"
        server.start()
        wait_until(lambda: refreshed(first), stored)
        figures["refresh of 120 tasks, server killed once, s"] = f"{time.monotonic() - publish:.0f}"
        assert Counter(version for _, _, version in stored()) == {first: TASKS}
        assert len({task for _, task, _ in stored()}) == TASKS

        parent, task, _ = next(each for each in stored() if each[1] == tasks[0])
        body = {"lead_time": 3.0, "result": [], "parent_prediction": parent, "project": project}
        user.call("POST", f"/api/tasks/{task}/annotations?project={project}", body)
        draft = {"lead_time": 3.0, "result": []}  # of somebody who is annotating from a prediction
        user.call("POST", f"/api/tasks/{tasks[1]}/drafts?project={project}", draft)
        for second in (2, 3):
            an_hour_later(server.models, project)
            version = publish_after(server.models, second, project=project)
            wait_until(lambda version=version: refreshed(version), stored)  # type: ignore[misc]
        last = Counter(version for _, _, version in stored())
        assert last == {first: 2, version: TASKS, publish_after_name(2): TASKS}
        assert {task for _, task, name in stored() if name == first} == {*tasks[:2]}, "annotated from, drafted"
        assert [line for line in server.complaints() if "refresh" in line] == []


def publish_after_name(second: int) -> str:
    return f"20260101T0000{second:02d}Z-{second:06x}"
