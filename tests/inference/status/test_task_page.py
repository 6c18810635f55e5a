"""The page of a task: each step of its answer, and the recording."""

from typing import Any

import pytest

from shared.store.storage import Storage
from tests.inference.conftest import CONFIG, VALUES, Serve
from tests.inference.status.pages import HTML, at_once, connect, page, store
from tests.support.label_studio import LabelStudioDouble, make_project, make_region
from tests.support.published import publish_with_report
from tests.support.tokens import TOKEN
from tests.support.web_server import serve as serve_web

__all__ = ["at_once", "store"]  # fixtures


def test_a_tasks_page_tells_each_step_and_draws_the_recording(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    label_studio = LabelStudioDouble(projects={3: make_project(3)})
    label_studio.annotate(1, project=3, result=[make_region(60, 79)])
    label_studio.tasks[0]["data"] = {"csv_url": {"value": VALUES}}
    with serve_web(label_studio) as web, serve(label_studio_host=web.url, label_studio_api_key=TOKEN) as client:
        connect(client)
        found = page(client, "/ui/projects/3/task.json?number=1")
        zoomed = page(client, "/ui/projects/3/task.json?number=1&first=50&last=99")
        text = client.get("/ui/projects/3/task?number=1", headers=HTML).text
        missing = page(client, "/ui/projects/3/task.json?number=8")
    steps = [(step["holds"], step["sentence"]) for step in found["found"]["steps"]]
    assert all(holds for holds, _ in steps), steps
    strips = found["found"]["drawing"]["strips"]
    assert [(each["first"], each["last"], each["label"]) for each in strips["annotated"]] == [(60, 79, "Run")]
    assert [(each["first"], each["last"]) for each in strips["predicted"]] == [(60, 79)]
    assert [each["first"] for each in strips["predicted by a network that had not seen it"]] == [61]
    assert max(found["found"]["drawing"]["channels"][0]["high"]) == 1.0
    assert (zoomed["found"]["drawing"]["first"], zoomed["found"]["drawing"]["last"]) == (50, 99)
    assert "zoom in" in text
    assert TOKEN not in text
    assert any("no task 8" in step["sentence"] for step in missing["found"]["steps"])


@pytest.mark.parametrize(
    ("settings", "strips", "reported"),
    [
        (
            {},
            {"annotated by 1": [(60, 79)], "annotated by 2": [(60, 69)]},
            ["2 annotators differ on 5.6 %", "Left out 1"],
        ),
        ({"annotators": "latest"}, {"annotated": [(60, 69)]}, ["Left out 1"]),
    ],
)
def test_a_tasks_page_shows_what_training_would_learn_from(
    serve: Serve, store: Storage, settings: dict[str, Any], strips: dict[str, Any], reported: list[str]
) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    label_studio = LabelStudioDouble(projects={3: make_project(3)})
    label_studio.annotate(1, project=3, result=[make_region(60, 79)], completed_by=1, lead_time=9.0)
    label_studio.annotate(1, project=3, result=[make_region(60, 69)], completed_by=2, lead_time=9.0)
    label_studio.annotate(
        1, project=3, result=[make_region(0, 19)], completed_by=3, parent_prediction=7, lead_time=None
    )
    label_studio.tasks[0] |= {
        "data": {"csv_url": {"value": VALUES}},
        "predictions": [{"id": 7, "result": [make_region(0, 19)]}],
    }
    with (
        serve_web(label_studio) as web,
        serve(label_studio_host=web.url, label_studio_api_key=TOKEN, **settings) as client,
    ):
        connect(client)
        found = page(client, "/ui/projects/3/task.json?number=1")["found"]
    shown = {
        name: [(each["first"], each["last"]) for each in segments]
        for name, segments in found["drawing"]["strips"].items()
        if name.startswith("annotated")
    }
    assert shown == strips
    said = [step["sentence"] for step in found["steps"] if not step["holds"]]
    assert [any(part in each for each in said) for part in reported] == [True] * len(reported)
    assert len(said) == len(reported)


def test_why_nothing_says_so_when_label_studio_is_unreachable(serve: Serve) -> None:
    with serve(label_studio_host="http://127.0.0.1:1") as client:
        connect(client)
        steps = page(client, "/ui/projects/3/task.json?number=1")["found"]["steps"]
    assert [step["holds"] for step in steps] == [False, False]
    assert "annotate a few tasks" in steps[0]["sentence"]
    assert "127.0.0.1:1" in steps[1]["sentence"]


@pytest.mark.parametrize("query", ["", "?number=x", "?number=-1", "?number=1&first=x", f"?number={'9' * 30}"])
def test_a_task_that_is_no_number_gets_400(serve: Serve, query: str) -> None:
    with serve() as client:
        connect(client)
        assert client.get(f"/ui/projects/3/task{query}", headers=HTML).status_code == 400


def test_of_several_series_a_tasks_page_says_which_it_shows(serve: Serve, store: Storage) -> None:
    more = '<TimeSeries name="more" valueType="json" value="$more"><Channel column="x"/></TimeSeries>'
    labels = '<TimeSeriesLabels name="other" toName="more"><Label value="High"/></TimeSeriesLabels>'
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    label_studio = LabelStudioDouble(projects={3: make_project(3)})
    label_studio.annotate(1, project=3, result=[make_region(60, 79)])
    label_studio.tasks[0]["data"] = {"csv_url": {"value": VALUES}}
    with serve_web(label_studio) as web, serve(label_studio_host=web.url, label_studio_api_key=TOKEN) as client:
        connect(client, CONFIG.replace("</View>", f"{labels}{more}</View>"))
        found = page(client, "/ui/projects/3/task.json?number=1")["found"]
    assert "Of 2 time series 'ts' is shown." in [step["sentence"] for step in found["steps"]]
    assert found["drawing"] is not None
