"""Tests of training.data.tasks: all annotated tasks or none, whatever Label Studio does in the middle."""

import json
from datetime import UTC, datetime

import pytest

from shared.errors import LabelStudioError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.labelling.snapshots import same_annotations, take_snapshot
from shared.net.connections import Connections
from shared.settings import Settings
from tests.shared.label_studio.test_credentials import PAT, token_server
from tests.support.forward_proxy import forward_proxy
from tests.support.label_studio import LabelStudioDouble
from tests.support.tokens import TOKEN
from tests.support.web_server import CERTIFICATE, Answer, Asked, answer, answer_json, serve
from training.data.tasks import WAITS, Annotated, annotated_tasks, read_task

REGION = {"id": "r", "from_name": "label", "to_name": "ts", "type": "timeserieslabels", "value": {"start": 1, "end": 5}}
NOW = datetime(2026, 11, 24, 5, tzinfo=UTC)


def read(host: str, key: str = TOKEN, pauses: list[float] | None = None) -> Annotated:
    settings = Settings(label_studio_host=host, label_studio_api_key=key)
    slept = [] if pauses is None else pauses
    ours = Credentials(settings, Connections())
    return annotated_tasks(ours, 1, "f", now=lambda: NOW, sleep=slept.append)


def big_label_studio() -> LabelStudioDouble:
    label_studio = LabelStudioDouble()
    for task in range(1, 251):
        label_studio.annotate(task, result=[REGION], ground_truth=task % 2 == 0)
    return label_studio


def test_all_annotated_tasks_come_page_by_page_with_their_annotations() -> None:
    label_studio = big_label_studio()
    label_studio.annotate(1, was_cancelled=True)
    label_studio.annotate(1, result=[])
    label_studio.annotate(999, was_cancelled=True)
    with serve(label_studio) as web:
        found = read(web.url)
        assert len(web.asked) == 3
    assert [task.id for task in found.tasks] == list(range(1, 251))
    first = found.tasks[0]
    assert [each.result for each in first.annotations] == [[REGION], []]
    assert first.annotations[0].updated_at == "2026-11-24T03:00:01.500000+00:00"
    assert not first.annotations[0].ground_truth
    assert first.data == {"csv_url": "/data/upload/1/00000001-a.csv"}
    assert first.meta == {}
    assert (found.snapshot.tasks, found.snapshot.annotations) == (250, 251)


def test_pages_shorter_than_requested_lose_no_task() -> None:
    label_studio = LabelStudioDouble(page_size_max=2)
    for task in range(1, 6):
        label_studio.annotate(task, result=[REGION])
    with serve(label_studio) as web:
        assert [task.id for task in read(web.url).tasks] == [1, 2, 3, 4, 5]


def test_tasks_are_read_through_a_proxy_with_ones_own_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE / "ca.pem"))
    with (
        serve(big_label_studio(), secure=True) as web,
        forward_proxy({"data.example.org:443": web.port}) as proxy,
    ):
        for name, value in (("https_proxy", proxy.url), ("no_proxy", "")):
            monkeypatch.setenv(name, value)
        assert len(read("https://data.example.org").tasks) == 250
        assert set(proxy.asked) == {"CONNECT data.example.org:443"}


def test_the_snapshot_is_the_one_of_the_cheap_listing() -> None:
    with serve(big_label_studio()) as web:
        found = read(web.url)
        settings = Settings(label_studio_host=web.url, label_studio_api_key=TOKEN)
        connections = Connections()
        cheap = LabelStudio(Credentials(settings, connections), connections).annotation_states(1)
    assert same_annotations(found.snapshot, take_snapshot(cheap, "f", NOW))


def test_a_project_without_annotations_is_an_empty_list() -> None:
    with serve(LabelStudioDouble()) as web:
        assert read(web.url).tasks == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_temporary_error_on_any_page_is_waited_out(status: int) -> None:
    label_studio = big_label_studio()
    problems = iter([False, True, True, False, True])
    label_studio.fault = lambda asked: answer_json({"detail": "busy"}, status) if next(problems, False) else None
    pauses: list[float] = []
    with serve(label_studio) as web:
        assert len(read(web.url, pauses=pauses).tasks) == 250
    assert pauses == [WAITS[0], WAITS[1], WAITS[0]]


@pytest.mark.parametrize("reply", [answer(b'{"tasks": [', Content_Length="5000"), b" Connection: close"])
def test_a_broken_connection_is_waited_out(reply: bytes) -> None:
    label_studio = big_label_studio()
    problems = iter([False, True, False])
    label_studio.fault = lambda asked: reply if next(problems, False) else None
    with serve(label_studio) as web:
        assert len(read(web.url).tasks) == 250


def test_an_error_that_stays_ends_with_a_sentence_after_all_pauses() -> None:
    label_studio = big_label_studio()
    label_studio.fault = lambda asked: answer_json({"detail": "database is locked"}, 500)
    pauses: list[float] = []
    with (
        serve(label_studio) as web,
        pytest.raises(LabelStudioError, match="in 6 attempts: it answered 500: database"),
    ):
        read(web.url, pauses=pauses)
    assert pauses == list(WAITS)


def test_a_token_that_is_refused_in_the_middle_of_paging_gives_nothing() -> None:
    label_studio = big_label_studio()
    replies = iter([None, answer_json({"detail": "Invalid token."}, 401)])
    label_studio.fault = lambda asked: next(replies, None)
    pauses: list[float] = []
    with (
        serve(label_studio) as web,
        pytest.raises(LabelStudioError, match="does not know the token in LABEL_STUDIO_API_KEY"),
    ):
        read(web.url, pauses=pauses)
    assert not pauses


def test_a_personal_token_is_used_and_its_access_token_renewed_in_the_middle() -> None:
    label_studio = big_label_studio()
    issued: list[str] = []

    def script(asked: Asked) -> Answer:
        if asked.path.endswith("/api/token/refresh/"):
            return token_server(issued)(asked)
        pages = [each for each in web.asked if "/api/tasks/" in each.path]
        expected = issued[0] if len(pages) == 1 else issued[-1]
        if asked.headers["authorization"] != f"Bearer {expected}" or (len(pages) > 1 and len(issued) < 2):
            return answer_json({"detail": "Authentication credentials were not provided."}, 401)
        return label_studio(Asked(asked.method, asked.target, {"authorization": f"Token {TOKEN}"}, b""))

    with serve(script) as web:
        assert len(read(web.url, PAT).tasks) == 250
    assert len(issued) == 2


def test_a_personal_token_that_was_revoked_gives_a_sentence() -> None:
    with serve(token_server([])) as web, pytest.raises(LabelStudioError, match="it was revoked, or personal"):
        read(web.url, PAT[:-3] + "xyz")


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (answer_json({"detail": "No Project matches the given query."}, 404), "has no such project"),
        (answer(b"<html>", 404, Content_Type="text/html"), "answered 404.*check LABEL_STUDIO_HOST"),
        (answer(b"<html>", 200, Content_Type="text/html"), "did not answer as Label Studio 1.23 does|check LABEL"),
        (answer_json([]), "did not answer as Label Studio|not what Label Studio"),
        (answer_json({"tasks": [{"id": 1, "data": {}, "annotations": [{}]}]}), "not what Label Studio"),
        (answer(status=302, Location="https://studio.example.org/api/tasks/"), "redirects"),
    ],
)
def test_what_is_no_label_studio_gives_a_sentence_at_once(reply: bytes, sentence: str) -> None:
    pauses: list[float] = []
    with serve(lambda asked: reply) as web, pytest.raises(LabelStudioError, match=sentence):
        read(web.url, pauses=pauses)
    assert not pauses


def test_a_redirect_never_carries_the_token_away() -> None:
    with serve(lambda asked: answer_json({"tasks": []})) as other:
        with (
            serve(lambda asked: answer(status=302, Location=other.url + asked.target)) as web,
            pytest.raises(LabelStudioError),
        ):
            read(web.url)
        assert not other.asked


def test_a_path_prefix_is_kept() -> None:
    label_studio = big_label_studio()

    def script(asked: Asked) -> Answer:
        assert asked.target.startswith("/prefix/api/")
        return label_studio(Asked(asked.method, asked.target.removeprefix("/prefix"), asked.headers, asked.body))

    with serve(script) as web:
        assert len(read(web.url + "/prefix").tasks) == 250


def test_annotations_are_ordered_by_when_they_were_made() -> None:
    raw = {
        "id": 1,
        "data": {"csv_url": "a"},
        "annotations": [
            {"id": 5, "result": None, "created_at": "2026-01-02T00:00:00Z"},
            {"id": 6, "result": [], "created_at": "2026-01-01T00:00:00Z", "ground_truth": None},
        ],
    }
    task = read_task(json.loads(json.dumps(raw)))
    assert task
    assert [each.id for each in task.annotations] == [6, 5]
    assert read_task({"id": 1, "data": {}, "annotations": []}) is None
