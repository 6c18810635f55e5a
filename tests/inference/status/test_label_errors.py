"""Annotations that look wrong: listed with rows and labels, accepted with a button, suspected again."""

from typing import Any

from shared.store.storage import Storage
from tests.inference.conftest import Serve
from tests.inference.status.pages import HTML, OURS, at_once, connect, page, store
from tests.support.label_studio import LabelStudioDouble
from tests.support.published import LABEL_ERRORS, publish_with_report
from tests.support.tokens import TOKEN
from tests.support.web_server import serve as serve_web

__all__ = ["at_once", "store"]  # fixtures

FIRST = {"task": "1", "first": "60", "last": "69", "annotated": "Run", "decoded": "Walk"}


def suspected(client: Any) -> list[tuple[str, int, str, str]]:
    errors = page(client, "/ui/projects/3.json")["label_errors"]
    return [(each["kind"], each["first"], each["annotated"], each["decoded"]) for each in errors]


def test_an_annotation_that_looks_right_to_a_person_does_not_come_back(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa", label_errors=LABEL_ERRORS)
    with serve_web(LabelStudioDouble()) as web, serve(label_studio_host=web.url, label_studio_api_key=TOKEN) as client:
        connect(client)
        assert suspected(client) == [("wrong label", 60, "Run", "Walk"), ("missing", 100, "", "Run")]
        answer = page(client, "/ui/projects/3.json")["answers"][-1]
        assert answer["sentence"] == "Look at the labels of task 1: 2 annotations look wrong."
        assert answer["action"]["link"] == "#label-errors"
        text = client.get("/ui/projects/3", headers=HTML).text
        assert text.count("Looks right") == 2
        assert 'href="3/task?number=1&amp;first=0&amp;last=169"' in text
        assert client.post("/ui/projects/3/looks-right", data=FIRST, headers=OURS).is_success
        assert suspected(client) == [("missing", 100, "", "Run")]
        assert page(client, "/ui/projects/3.json")["row"]["waiting"] == 0, "it trains nothing"
        publish_with_report(store, "20260102T000000Z-bbbbbb", label_errors=LABEL_ERRORS)
        assert suspected(client) == [("missing", 100, "", "Run")]
        undo = page(client, "/ui/projects/3.json")["actions"][0]["undo"]
        assert undo == {"action": "looks-wrong", **FIRST}
        assert client.post("/ui/projects/3/looks-wrong", data=undo, headers=OURS).is_success
        assert len(suspected(client)) == 2


def test_a_form_that_names_no_annotation_is_refused(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa", label_errors=LABEL_ERRORS)
    with serve() as client:
        connect(client)
        for wrong in ({"first": "-1"}, {"last": "59"}, {"task": ""}, {"annotated": "", "decoded": ""}):
            answer = client.post("/ui/projects/3/looks-right", data=FIRST | wrong, headers=OURS)
            assert answer.status_code == 409, wrong
        assert len(suspected(client)) == 2
