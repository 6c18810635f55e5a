"""The first screen of a project, its versions, the queue, who did what, and the table of tasks."""

import time
from typing import Any

from starlette.testclient import TestClient

from inference.monitoring.label_studio_monitor import LabelStudioMonitor
from shared.retraining.active_run import begin_run
from shared.retraining.launch_claims import LaunchClaims
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import Updates
from shared.store.projects import KnownProject, KnownProjects
from shared.store.report import HeldOut
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG, VALUES, Serve, batch
from tests.inference.status.pages import HTML, OURS, at_once, connect, page, store
from tests.support.label_studio import LabelStudioDouble
from tests.support.published import publish_with_report
from tests.support.tokens import TOKEN
from tests.support.waiting import wait_until
from tests.support.web_server import serve as serve_web

ANNOTATORS = {"1": ("anna@example.com",), "2": ("anna@example.com", "bert@example.com")}

__all__ = ["at_once", "store"]  # fixtures


def monitor_of(client: TestClient) -> LabelStudioMonitor:
    """The monitor of a client's server, to look at once."""
    app: Any = client.app
    routes = {route.path: route.endpoint for route in app.routes}
    found: LabelStudioMonitor = routes["/readyz"].__self__._services._monitor
    return found


def test_without_a_token_the_page_says_so_first_and_readyz_names_it(serve: Serve) -> None:
    with serve_web(LabelStudioDouble()) as web, serve(label_studio_host=web.url) as client:
        wait_until(lambda: page(client, "/ui/index.json")["studio"]["reachable"])
        assert page(client, "/ui/index.json")["studio"]["problem"] == "", "nothing has connected yet"
        connect(client)
        monitor_of(client).look()
        overview = page(client, "/ui/index.json")["studio"]
        assert "annotations are not seen" in overview["problem"]
        for path in ("/ui/", "/ui/projects/3"):
            text = client.get(path, headers=HTML).text
            assert text.index('role="alert"') < text.index("<table" if path == "/ui/" else 'class="answers"')
        answers = page(client, "/ui/projects/3.json")["answers"]
        said = [(each["level"], each["sentence"]) for each in answers]
        assert said[0] == ("", "No: annotations are not seen."), "whether there is something new is not known"
        assert said[-1] == ("broken", "Let this server read Label Studio.")
        wait_until(lambda: client.get("/readyz").status_code == 200)
        ready = client.get("/readyz")
        assert "annotations are not seen" in ready.json()["problem"]
        assert web.url not in ready.text


def test_a_wrong_token_is_broken_too_and_a_right_one_is_no_colour(serve: Serve) -> None:
    with serve_web(LabelStudioDouble()) as web:
        for token, broken in (("wrong", True), (TOKEN, False)):
            with serve(label_studio_host=web.url, label_studio_api_key=token) as client:
                connect(client)
                monitor_of(client).look()
                found = page(client, "/ui/index.json")["studio"]
                assert bool(found["problem"]) is broken
                assert ('class="banner broken"' in client.get("/ui/", headers=HTML).text) is broken


def test_the_first_screen_answers_four_questions_with_a_next_action(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa", 0.8, recordings=3)
    publish_with_report(store, "20260102T000000Z-bbbbbb", 0.9, recordings=6)
    with serve_web(LabelStudioDouble()) as web, serve(label_studio_host=web.url, label_studio_api_key=TOKEN) as client:
        connect(client)
        answers = {each["question"]: each for each in page(client, "/ui/projects/3.json")["answers"]}
        assert list(answers) == ["Is it training?", "Is it good?", "What changed?", "What to do next?"]
        assert answers["Is it training?"]["level"] == ""
        assert answers["Is it good?"]["sentence"] == "Finds 1 of 1 segments."
        assert answers["Is it good?"]["level"] == "good"
        client.post("/predict", content=batch({"value": VALUES}))
        client.post("/predict", content=batch({"value": VALUES[::-1]}, {"value": VALUES}))
        following = page(client, "/ui/projects/3.json")["answers"][-1]
        assert following["sentence"].startswith("Label task 2: the model is least sure there")
        assert following["action"]["link"].endswith("/projects/3/data?task=2")


def test_the_first_answer_says_what_is_missing_and_that_a_run_was_launched(serve: Serve, store: Storage) -> None:
    def said(client: TestClient) -> str:
        found: str = page(client, "/ui/projects/3.json")["answers"][0]["sentence"]
        return found

    with serve(start_training_each_n_updates=3) as client:
        connect(client)
        assert page(client, "/ui/projects/3.json")["missing"][0] == "There is no model yet."
        text = client.get("/ui/projects/3", headers=HTML).text
        assert 'class="banner attention"' not in text, "nobody is needed while nothing has begun"
        for sentence in ("Not now: 2 more annotations start it.", "Not now: 1 more annotation starts it."):
            client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}})
            assert said(client) == sentence
        LaunchClaims(store, "").claim(3, 1, "kubernetes")
        assert said(client) == "Starting."


def test_buttons_that_can_do_nothing_are_disabled_and_say_why(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    with serve() as client:
        connect(client)
        buttons = {each["action"]: each["disabled"] for each in page(client, "/ui/projects/3.json")["buttons"]}
        assert buttons == {"train": "", "stop": "Nothing is running.", "roll-back": "There is no earlier version."}
        text = client.get("/ui/projects/3", headers=HTML).text
        assert text.count(" disabled title=") == 2
        client.post("/ui/projects/3/train", headers=OURS)
        buttons = {each["action"]: each["disabled"] for each in page(client, "/ui/projects/3.json")["buttons"]}
        assert buttons["train"] == "A training was asked for already."


def test_versions_have_numbers_and_differences_only_beyond_noise(serve: Serve, store: Storage) -> None:
    first, second, third = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb", "20260103T000000Z-cccccc"
    publish_with_report(store, first, 0.8)
    publish_with_report(store, second, 0.9, compared={first: (0.1, 0.02)})
    publish_with_report(store, third, 0.89, compared={first: (0.09, 0.05), second: (-0.01, 0.02)})
    with serve() as client:
        versions = page(client, "/ui/projects/3.json")["versions"]
        text = client.get("/ui/projects/3", headers=HTML).text
    assert [each["number"] for each in versions] == [3, 2, 1]
    assert [(each["before"] or {}).get("sign") for each in versions] == ["same", "up", None]
    assert [(each["best"] or {}).get("against") for each in versions] == ["v2", "v1", None]
    assert "▲ +0.100" in text
    assert "= -0.010" in text
    assert "balanced accuracy over versions" in text.lower()


def test_the_queue_says_what_waits_behind_what(serve: Serve, store: Storage) -> None:
    for number in (3, 4, 5):
        KnownProjects(store).remember(KnownProject(id=number, title=f"Project {number}", label_config=CONFIG))
    for number in (5, 3):
        Updates(store).add(number, "ANNOTATION_CREATED", 100.0 - number)
    with begin_run(store, 4, launcher="test", host="here") as run:
        run.beat()
        with serve() as client:
            queue = [(each["project"], each["sentence"]) for each in page(client, "/ui/index.json")["queue"]]
        run.end("cancelled", exit_code=75)
    assert [project for project, _ in queue] == [4, 5, 3]
    assert "waits for `python -m training watch`" in queue[1][1]


def test_the_queue_has_the_order_of_the_scheduler_and_runs_that_were_launched(serve: Serve, store: Storage) -> None:
    updates, now = Updates(store), time.time()
    for number, waited, took in ((3, 600.0, 3600.0), (4, 500.0, 10.0), (5, 400.0, 10.0)):
        KnownProjects(store).remember(KnownProject(id=number, label_config=CONFIG))
        begun = RunRecord(project=number, number=1, started_at=store.now() - took)
        Runs(store).end(begun, "published", exit_code=0, reason="")
        updates.add(number, "ANNOTATION_CREATED", now - waited)
    LaunchClaims(store, "").claim(5, 2, "kubernetes")
    with serve() as client:
        queue = [(each["project"], each["sentence"]) for each in page(client, "/ui/index.json")["queue"]]
    assert [project for project, _ in queue] == [5, 4, 3], "the short one, though it has waited for less long"
    assert queue[0][1].startswith("starting: run 2 was launched")


def test_project_0_is_the_example_and_onboarding_stays(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa", project=0)
    with serve() as client:
        (row,) = page(client, "/ui/index.json")["projects"]
        assert row["title"] == "Example"
        assert "Connect model" in client.get("/ui/", headers=HTML).text
        connect(client)
        assert "Connect model" not in client.get("/ui/", headers=HTML).text


def test_who_did_it_is_shown_and_the_last_action_can_be_undone(serve: Serve, store: Storage) -> None:
    first = publish_with_report(store, "20260101T000000Z-aaaaaa")
    second = publish_with_report(store, "20260102T000000Z-bbbbbb")
    with serve(basic_auth_user="ann", basic_auth_pass="secret") as client:
        client.auth = ("ann", "secret")
        connect(client)
        assert client.post("/ui/projects/3/promote", data={"version": first}, headers=OURS).is_success
        (action,) = page(client, "/ui/projects/3.json")["actions"]
        assert (action["by"], action["address"], action["sentence"]) == (
            "ann",
            "testclient",
            "Version v1 serves in place of v2.",
        )
        assert action["undo"] == {"action": "promote", "version": second}
        text = client.get("/ui/projects/3", headers=HTML).text
        assert "Undo: Version v1 serves in place of v2." in text
        client.post("/ui/projects/3/promote", data={"version": action["undo"]["version"]}, headers=OURS)
        assert page(client, "/ui/projects/3.json")["row"]["version"] == second
        client.post("/train", json={"project": 3})
        assert page(client, "/ui/projects/3.json")["actions"][0]["action"] == "train"


def test_the_table_of_tasks_is_sorted_filtered_paged_and_outlives_a_restart(serve: Serve, store: Storage) -> None:
    held_out = tuple(HeldOut(task=task, rows=180, annotators=names) for task, names in ANNOTATORS.items())
    publish_with_report(store, "20260101T000000Z-aaaaaa", held_out=held_out)
    with serve() as client:
        connect(client)
        client.post("/predict", content=batch(*[{"value": VALUES}] * 60))
    with serve() as client:
        table = page(client, "/ui/projects/3/tasks.json?sort=task")
        assert (table["total"], table["pages"], len(table["tasks"])) == (60, 2, 50)
        assert [each["task"] for each in table["tasks"][:3]] == ["1", "2", "3"]
        assert (table["tasks"][0]["version"], table["serves"]) == (1, 1)
        assert table["tasks"][0]["agreement"] is not None
        assert table["tasks"][2]["agreement"] is None
        last = page(client, "/ui/projects/3/tasks.json?sort=task&order=desc&shown=unannotated")
        assert (last["total"], last["tasks"][0]["task"]) == (58, "60")
        assert table["annotators"] == ["anna@example.com", "bert@example.com"]
        assert table["tasks"][1]["annotators"] == ["anna@example.com", "bert@example.com"]
        by_bert = page(client, "/ui/projects/3/tasks.json?annotator=bert@example.com")
        assert [each["task"] for each in by_bert["tasks"]] == ["2"]
        assert page(client, "/ui/projects/3/tasks.json?search=42")["total"] == 1
        assert (
            "<option selected>bert@example.com</option>"
            in client.get("/ui/projects/3/tasks?annotator=bert@example.com", headers=HTML).text
        )
        assert "in Label Studio" in client.get("/ui/projects/3/tasks", headers=HTML).text
        assert client.get("/ui/projects/9/tasks", headers=HTML).status_code == 404
