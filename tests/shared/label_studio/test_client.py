"""Tests of shared.label_studio.client: what is asked, what is understood, and one sentence for each error."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.errors import LabelStudioError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.messages import AnnotationTotals
from shared.net.connections import Connections
from shared.settings import Settings
from tests.support.label_studio import LabelStudioDouble
from tests.support.tokens import TOKEN
from tests.support.web_server import Asked, answer, answer_json, serve


def client(host: str, key: str = TOKEN) -> LabelStudio:
    settings = Settings(label_studio_host=host, label_studio_api_key=key)
    connections = Connections()
    return LabelStudio(Credentials(settings, connections), connections)


def test_version_person_and_project_are_read() -> None:
    with serve(LabelStudioDouble()) as web:
        assert client(web.url, "").version() == "1.23.2"
        assert client(web.url).whoami().email == "admin@example.com"
        project = client(web.url).project(1)
        assert project
        assert (project.title, project.created) == ("One", "1795489923")
        assert client(web.url).project(2) is None


def test_annotation_states_are_listed_over_pages_and_skips_are_left_out() -> None:
    label_studio = LabelStudioDouble()
    for task in range(1, 251):
        label_studio.annotate(task)
    label_studio.annotate(3, was_cancelled=True)
    label_studio.annotate(300, was_cancelled=True)
    with serve(label_studio) as web:
        found = client(web.url).annotation_states(1)
        assert [state.task for state in found] == list(range(1, 251))
        assert len(web.asked) == 3
        assert all("result" not in asked.target for asked in web.asked)


def test_pages_shorter_than_requested_end_no_list() -> None:
    label_studio = LabelStudioDouble(page_size_max=2)
    for task in range(1, 6):
        label_studio.annotate(task)
    with serve(label_studio) as web:
        assert [state.task for state in client(web.url).annotation_states(1)] == [1, 2, 3, 4, 5]


def test_open_tasks_on_pages_shorter_than_requested_are_listed() -> None:
    def page(asked: Asked) -> bytes:
        items = json.loads(parse_qs(urlsplit(asked.target).query)["query"][0])["filters"]["items"]
        last = next(each["value"] for each in items if each["filter"] == "filter:tasks:id")
        tasks = [{"id": number, "data": {}, "predictions": []} for number in range(last + 1, 6)]
        return answer_json({"tasks": tasks[:2], "total": len(tasks)})

    with serve(page) as web:
        pages = list(client(web.url).tasks_without_prediction(1, "new"))
    assert [[task.id for task in page.tasks] for page in pages] == [[1, 2], [3, 4], [5]]
    assert [(page.looked_at, page.total) for page in pages] == [(2, 5), (4, 5), (5, 5)]


def test_a_list_that_never_ends_is_refused() -> None:
    reply = answer_json(
        {"tasks": [{"id": 1, "updated_at": "2026-11-24T03:00:01Z"}], "total": 9, "total_annotations": 9}
    )
    with serve(lambda asked: reply) as web, pytest.raises(LabelStudioError, match="after 1 and answered with task 1"):
        client(web.url).annotation_states(1)


def test_a_task_deleted_between_two_pages_hides_no_other() -> None:
    label_studio = LabelStudioDouble()
    for task in range(1, 251):
        label_studio.annotate(task)

    def delete_first(asked: Asked) -> None:
        label_studio.tasks[:] = [task for task in label_studio.tasks if task["id"] != len(seen) + 1]
        seen.append(asked)

    seen: list[Asked] = []
    label_studio.fault = delete_first
    with serve(label_studio) as web:
        assert {state.task for state in client(web.url).annotation_states(1)} >= set(range(4, 251))


def test_the_status_is_one_request() -> None:
    label_studio = LabelStudioDouble()
    with serve(label_studio) as web:
        assert client(web.url).annotation_totals(1) == AnnotationTotals(0, 0, "", "")
        for task in range(1, 31):
            newest = label_studio.annotate(task)["updated_at"]
        found = client(web.url).annotation_totals(1)
        assert len(web.asked) == 2
    assert (found.tasks, found.annotations) == (30, 30)
    assert found.newest == newest.replace(".5Z", ".500000+00:00")
    assert found.since == "2026-11-24T03:00:11.500000+00:00"


def test_open_tasks_without_a_versions_prediction_are_listed() -> None:
    tasks = [
        {"id": number, "data": {"csv_url": "a"}, "meta": None, "predictions": [{"model_version": version}]}
        for number, version in ((1, "old"), (2, "new"), (3, None))
    ]
    with serve(lambda asked: answer_json({"tasks": tasks, "total": 3})) as web:
        (page,) = client(web.url).tasks_without_prediction(1, "new")
        assert [task.id for task in page.tasks] == [1, 3]
        assert (page.looked_at, page.total) == (3, 3)


def test_predictions_are_stored_in_bulk() -> None:
    with serve(lambda asked: answer_json({"created": 1}, 201)) as web:
        assert client(web.url).create_predictions(3, [{"task": 1, "result": [], "model_version": "v"}]) == 1
        assert web.asked[0].target == "/api/projects/3/import/predictions"
        assert web.asked[0].body == b'[{"task":1,"result":[],"model_version":"v"}]'


def test_backends_and_webhooks_are_read() -> None:
    backend = {"id": 1, "url": "http://localhost:9090", "state": "CO", "title": "t", "error_message": None, "x": 1}
    webhook = {"id": 2, "url": "http://localhost:9090/webhook", "actions": [], "headers": {}, "organization": 1}
    with serve(lambda asked: answer_json([backend if asked.path == "/api/ml" else webhook])) as web:
        assert client(web.url).backends(1)[0].title == "t"
        assert client(web.url).webhooks(1)[0].is_active
        assert {asked.target for asked in web.asked} == {"/api/ml?project=1", "/api/webhooks/?project=1"}


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (answer_json({"detail": "Invalid token."}, 401), "does not know the token in LABEL_STUDIO_API_KEY"),
        (answer_json({"detail": "No."}, 403), "use the token of a user who may"),
        (answer(b"<html>", 404, Content_Type="text/html"), "answered 404 with text/html.*set LABEL_STUDIO_HOST"),
        (answer(b"<html>", 200, Content_Type="text/html"), "answered 200 with text/html.*set LABEL_STUDIO_HOST"),
        (answer_json({"name": "another service"}), "not Label Studio's answer; set LABEL_STUDIO_HOST"),
        (answer_json({"detail": "boom"}, 500), "answered 500 to GET /api/current-user/whoami: boom"),
        (answer(b"", 502), "answered 502"),
        (
            answer(status=301, Location="https://x.example.org/?a"),
            r"set LABEL_STUDIO_HOST to the address at the end of the redirects",
        ),
        (answer(b"{", Content_Length="10"), "was not reached: the body broke off"),
        (b" Connection: close", "was not reached"),
    ],
)
def test_each_error_has_its_sentence(reply: bytes, sentence: str) -> None:
    with serve(lambda asked: reply) as web, pytest.raises(LabelStudioError, match=sentence):
        client(web.url).whoami()


def test_a_host_that_is_not_there_and_a_name_that_is_not_known_have_sentences() -> None:
    with serve(LabelStudioDouble()) as web:
        gone = web.url
    with pytest.raises(LabelStudioError, match=r"nothing answers there.*start it, or set LABEL_STUDIO_HOST"):
        client(gone).version()
    with pytest.raises(LabelStudioError, match="its host name cannot be looked up"):
        client("http://no-such-host.invalid").version()


def test_something_else_at_the_address_is_no_label_studio() -> None:
    with serve(lambda asked: answer(b"hello")) as web, pytest.raises(LabelStudioError, match="set LABEL_STUDIO_HOST"):
        client(web.url).version()
