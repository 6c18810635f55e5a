"""The status page, through its JSON twins and its HTML."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from inference.preannotation import Counts, PreannotationPlan
from inference.services import Services
from inference.web.app import create_app
from shared.errors import ClusterError, RunCancelledError
from shared.labelling.label_config import LabelConfig
from shared.model_file.card import Estimate
from shared.reporting import class_names, render_report, template_environment
from shared.retraining.active_run import begin_run
from shared.retraining.launch_claims import LaunchClaims
from shared.retraining.runs import Progress
from shared.retraining.scheduler import Launch
from shared.retraining.updates import Updates
from shared.segmentation.segmenter import Segmenter
from shared.settings import Settings
from shared.store import keys
from shared.store.learning_curve import LearningCurve, Point, keep_curve
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from shared.store.report import read_report
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG, VALUES, Publish, Serve, batch
from tests.inference.status.pages import HTML, OURS, Tags, at_once, connect, page, store
from tests.shared.retraining.test_controller import RECORDS, UNREADABLE, link, pipe
from tests.support.published import LABEL_ERRORS, make_report, publish_with_report
from tests.support.waiting import wait_until

__all__ = ["at_once", "store"]  # fixtures


def test_a_projects_page_shows_how_far_predictions_for_all_tasks_are(serve: Serve, model_dir: Path) -> None:
    plan = PreannotationPlan(
        id="a", version="v", starts=(0, 100), total=180, started_at=0.0, updated_at=time.time() - 1200
    ).with_finished(0, Counts(looked_at=100, pushed=90, failed=2), 0.0)
    with serve() as client:
        connect(client)
        assert page(client, "/ui/projects/3.json")["preannotation"] == ""
        open_storage(str(model_dir)).put(keys.preannotation_plan(3), msgspec.json.encode(plan), create=True)
        text = client.get("/ui/projects/3", headers=HTML).text
        assert "100 of 180 tasks looked at, 90 predictions pushed, 2 tasks failed for now." in text
        assert "Nothing was finished for 20 minutes." in text


def test_a_browser_is_led_from_the_root_to_the_page_and_a_program_is_not(serve: Serve) -> None:
    with serve() as client:
        assert client.get("/", headers=HTML).url.path == "/ui/"
        assert client.get("/").json()["status"] == "UP"


def test_the_first_visit_says_what_to_do_with_the_address_to_paste(serve: Serve) -> None:
    with serve() as client:
        text = client.get("/ui/", headers=HTML).text
    assert "http://localhost" in text
    assert "Connect model" in text


def test_a_project_without_a_model_says_how_many_updates_are_missing(serve: Serve) -> None:
    with serve(start_training_each_n_updates=5) as client:
        connect(client)
        for _ in range(3):
            client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}})
        (row,) = page(client, "/ui/index.json")["projects"]
        assert row["state"]["sentence"] == "3 of START_TRAINING_EACH_N_UPDATES=5 updates; 2 more"
        assert any("2 more" in sentence for sentence in page(client, "/ui/projects/3.json")["missing"])


def test_a_project_whose_training_failed_permanently_says_why(serve: Serve, store: Storage) -> None:
    reason = "All rows are Walk: annotate a recording that holds something else."
    with begin_run(store, 3, launcher="test", host="here") as run:
        run.end("failed", exit_code=2, reason=reason)
    with serve() as client:
        connect(client)
        found = page(client, "/ui/projects/3.json")
        assert found["row"]["state"]["name"] == "failed"
        assert any(reason in sentence for sentence in found["missing"])
        assert reason in client.get("/ui/projects/3", headers=HTML).text


def test_progress_of_a_run_is_shown_with_the_time_left(serve: Serve, store: Storage) -> None:
    with serve() as client:
        connect(client)
        with begin_run(store, 3, launcher="test", host="here") as run:
            progress = Progress(fraction=0.62, step=62, steps=100, losses=((1, 1.0), (2, 0.5)), eta_seconds=120)
            run.report(state="fitting", progress=progress)
            run.log("epoch 1")
            run.beat()
            found = page(client, "/ui/projects/3.json")
            run.end("cancelled", exit_code=75)
    assert found["row"]["state"]["sentence"] == "fitting 62 %, 2 min left"
    assert found["losses"] == [1.0, 0.5]
    assert "epoch 1" in found["log"]


def test_versions_stand_with_figures_and_the_one_that_serves(serve: Serve, store: Storage) -> None:
    first = publish_with_report(store, "20260101T000000Z-aaaaaa", 0.8, recordings=3)
    second = publish_with_report(store, "20260102T000000Z-bbbbbb", 0.9, recordings=6)
    with serve() as client:
        found = page(client, "/ui/projects/3.json")
        (row,) = page(client, "/ui/index.json")["projects"]
        text = client.get("/ui/projects/3", headers=HTML).text
        report = client.get(f"/ui/projects/3/versions/{second}/report.html")
    assert [(each["name"], each["standing"]) for each in found["versions"]] == [(second, "serves"), (first, "kept")]
    assert row["history"] == [0.8, 0.9]
    assert row["balanced_accuracy"] == {"value": 0.9, "standard_error": 0.02}
    assert found["learning"] == [[3, 0.8], [6, 0.9]]
    assert "0.900 ± 0.020" in text
    assert report.text == "<p>All."
    assert "sandbox" in report.headers["Content-Security-Policy"]


def test_of_several_series_the_page_says_whose_figures_it_shows(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    with serve() as client:
        assert page(client, "/ui/projects/3.json")["shown_series"] == ""
    other = make_report("20260102T000000Z-bbbbbb", 0.7)
    both: dict[str, Any] = {"series": "acc", "others": (msgspec.structs.replace(other, series="lux"),)}
    publish_with_report(store, "20260102T000000Z-bbbbbb", **both)
    with serve() as client:
        text = client.get("/ui/projects/3", headers=HTML).text
    assert "are those of the series &#39;acc&#39;; the version&#39;s report has those of &#39;lux&#39;." in text


def test_a_run_that_was_launched_and_has_not_reported_is_starting(serve: Serve, store: Storage) -> None:
    KnownProjects(store).remember(KnownProject(id=3))
    Updates(store).add(3, "ANNOTATION_CREATED", time.time())
    LaunchClaims(store, "").claim(3, 1, "kubernetes")
    with serve() as client:
        client.get("/ui/index.json")
        state = client.get("/ui/projects/3.json").json()["row"]["state"]
        assert state["name"] == "starting"
        assert "run 1 was launched" in state["sentence"]
        assert 'tss_run_starting{project="3"} 1.0' in client.get("/metrics").text
        with begin_run(store, 3, launcher="kubernetes", host="pod", number=1) as run:
            assert client.get("/ui/projects/3.json").json()["row"]["state"]["name"] == "training"
            run.end("published", exit_code=0)


def test_why_trainings_cannot_be_started_is_on_the_page_and_in_metrics(
    model_dir: Path, store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(model_dir=str(model_dir), train_launcher="none", reconcile_seconds=0)
    services = Services(settings)
    refusal = ClusterError("There is no CronJob train in namespace x: apply k8s/ there.", status=404)
    with TestClient(create_app(settings, services), "http://localhost") as client:
        assert 'tss_launches_failing{reason="missing"} 0.0' in client.get("/metrics").text

        def refuse(_: Launch) -> None:
            raise refusal

        monkeypatch.setattr(services._launcher, "launch", refuse)
        Updates(store).add(3, "ANNOTATION_CREATED", time.time())
        client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": {"id": 1}})
        wait_until(lambda: 'tss_launches_failing{reason="missing"} 1.0' in client.get("/metrics").text)
        assert client.get("/ui/index.json").json()["launch_error"] == str(refusal)
        assert "Trainings cannot be started.</b> There is no CronJob train" in client.get("/ui/", headers=HTML).text


def test_the_page_shows_the_same_tables_and_charts_as_the_report(serve: Serve, store: Storage) -> None:
    version = publish_with_report(store, "20260101T000000Z-aaaaaa", 0.8, recordings=3, label_errors=LABEL_ERRORS)
    with serve() as client:
        text = client.get("/ui/projects/3", headers=HTML).text
    data = ModelStore(store).file(3, version, "report.json")
    assert data is not None
    report = read_report(data)
    parts: Any = template_environment().get_template("report_parts.html").module
    for shown in (
        parts.class_table(report.metrics.classes),
        parts.confusion_table(report.metrics.confusion, class_names(report.metrics)),
        parts.reliability_chart(report.reliability),
        parts.loss_chart(report.losses),
    ):
        assert shown in text
    labels = LabelConfig(
        from_name="l", to_name="t", value_key="k", value_type="url", labels=("Run",), colors=(), channels=("a",)
    )
    page = render_report(report, labels).decode()
    assert parts.class_table(report.metrics.classes) in page
    assert parts.reliability_chart(report.reliability) in page
    assert parts.label_error_table(report.label_errors) in page


def test_a_measured_learning_curve_is_drawn_with_its_verdict(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    points = tuple(
        Point(groups=number, recordings=number, steps=450, estimates={"macro_f1": Estimate(number / 5)})
        for number in (1, 2, 4)
    )
    verdict = "Labelling more <b>is</b> worth it."
    keep_curve(store, 3, LearningCurve(made_at="", recordings=6, groups=6, points=points, verdict=verdict))
    with serve() as client:
        assert page(client, "/ui/projects/3.json")["curve"]["points"][2]["recordings"] == 4
        text = client.get("/ui/projects/3", headers=HTML).text
        store.put("runs/3/curve.json", b"{")
        assert any("curve.json cannot be read" in each for each in page(client, "/ui/projects/3.json")["missing"])
    assert "recordings, to 4 " in text
    assert "Labelling more &lt;b&gt;is" in text


def test_roll_back_lets_the_old_version_answer_and_promote_the_new_one(serve: Serve, store: Storage) -> None:
    first = publish_with_report(store, "20260101T000000Z-aaaaaa")
    second = publish_with_report(store, "20260102T000000Z-bbbbbb")
    with serve() as client:
        connect(client)
        answer = client.post("/ui/projects/3/roll-back", headers={**OURS, **HTML}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "../3?done=roll-back")
        status = {each["name"]: each["standing"] for each in page(client, "/ui/projects/3.json")["versions"]}
        assert status == {first: "serves", second: "rolled back"}
        assert client.post("/ui/projects/3/promote", data={"version": second}, headers=OURS).is_success
        assert page(client, "/ui/projects/3.json")["row"]["version"] == second
        refused = client.post("/ui/projects/3/promote", data={"version": "../../x"}, headers=OURS)
        assert refused.status_code == 409


def test_train_writes_an_update_and_stop_asks_the_run(serve: Serve, store: Storage) -> None:
    with serve() as client:
        connect(client)
        assert client.post("/ui/projects/3/train", headers=OURS).is_success
        assert page(client, "/ui/projects/3.json")["row"]["state"]["name"] == "queued"
        answer = client.post("/ui/projects/3/stop", headers={**OURS, "Accept": "application/json"})
        assert answer.json() == {"done": "Nothing was running."}
        with begin_run(store, 3, launcher="test", host="here") as run:
            client.post("/ui/projects/3/stop", headers=OURS)
            with pytest.raises(RunCancelledError):
                run.beat()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://[", "http://localhost.evil.example"])
@pytest.mark.parametrize("action", ["train", "stop", "roll-back", "promote", "looks-right"])
def test_no_other_page_can_press_a_button(serve: Serve, origin: str, action: str) -> None:
    with serve() as client:
        connect(client)
        answer = client.post(f"/ui/projects/3/{action}", headers={"Origin": origin})
        assert answer.status_code == 403
        assert page(client, "/ui/projects/3.json")["row"]["waiting"] == 0


def test_with_credentials_set_pages_and_buttons_need_them(serve: Serve) -> None:
    with serve(basic_auth_user="ann", basic_auth_pass="secret") as client:
        assert client.get("/ui/").status_code == 401
        assert client.post("/ui/projects/3/train", headers=OURS).status_code == 401
        assert client.get("/ui/", auth=("ann", "secret")).status_code == 200


def test_titles_and_labels_are_text_whatever_they_hold(serve: Serve, store: Storage) -> None:
    evil = '"><script>alert(1)</script>'
    schema = CONFIG.replace('value="Run"', 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"')
    KnownProjects(store).remember(KnownProject(id=3, title=evil, label_config=schema, hostname="javascript:alert(1)"))
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    with serve() as client:
        client.post("/predict", content=batch("no columns", project="3"))
        texts = [
            client.get(path, headers=HTML).text for path in ("/ui/", "/ui/projects/3", "/ui/projects/3/task?number=1")
        ]
    for text in texts:
        assert [tag for tag, _ in Tags(text).tags].count("script") == 1
        assert "javascript:" not in text
        assert "alert(1)</script>" not in text


def test_nothing_inline_and_nothing_from_elsewhere(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    publish_with_report(store, "20260102T000000Z-bbbbbb")
    with serve() as client:
        for path in ("/ui/", "/ui/projects/3"):
            answer = client.get(path, headers=HTML)
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
            for tag, attributes in Tags(answer.text).tags:
                assert tag != "style"
                assert not any(name == "style" or name.startswith("on") for name in attributes)
                if tag in ("script", "link", "img"):
                    source = attributes.get("src") or attributes.get("href") or ""
                    assert source.startswith(("./", "../"))
                    assert client.get(str(answer.url.join(source))).status_code == 200


def test_a_page_that_did_not_change_is_not_sent_again(serve: Serve) -> None:
    with serve() as client:
        connect(client)
        wait_until(lambda: page(client, "/ui/index.json")["studio"]["reachable"] is not None)
        tag = client.get("/ui/projects/3", headers=HTML).headers["ETag"]
        assert client.get("/ui/projects/3", headers={**HTML, "If-None-Match": tag}).status_code == 304
        client.post("/ui/projects/3/train", headers=OURS)
        assert client.get("/ui/projects/3", headers={**HTML, "If-None-Match": tag}).status_code == 200


def test_a_project_nobody_knows_gets_404_in_either_form(serve: Serve) -> None:
    with serve() as client:
        assert "not known" in client.get("/ui/projects/7.json").json()["error"]
        assert client.get("/ui/projects/7", headers=HTML).status_code == 404
        assert client.get(f"/ui/projects/{'9' * 40}", headers=HTML).status_code == 404


def test_two_hundred_projects_open_no_model_and_weigh_less_than_100_kb(
    serve: Serve, store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownProjects(store)
    for number in range(1, 201):
        known.remember(KnownProject(id=number, title=f"Project {number}", label_config=CONFIG))
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    monkeypatch.setattr(Segmenter, "load", lambda *_: pytest.fail("a model was opened"))
    with serve() as client:
        answers = [client.get(path, headers=HTML) for path in ("/ui/", "/ui/projects/3")]
        found = [page(client, f"/ui/index.json?page={number}") for number in (1, 4)]
        assert [row["project"] for each in found for row in each["projects"]] == [*range(1, 51), *range(151, 201)]
        assert (found[0]["total"], found[0]["pages"]) == (200, 4)
        (row,) = page(client, "/ui/index.json?search=project%20177")["projects"]
        assert row["project"] == 177
        files = [client.get(f"/ui/static/{name}") for name in ("style.css", "live.js", "icon.svg")]
    assert all(answer.headers["content-encoding"] == "gzip" for answer in answers)
    assert sum(int(answer.headers["content-length"]) for answer in (answers[0], *files)) < 100_000


def test_skipped_tasks_and_events_are_listed_with_reasons(serve: Serve, publish: Publish) -> None:
    publish()
    with serve() as client:
        connect(client)
        client.post("/predict", content=batch({"value": VALUES}, {"other": [1]}))
        client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}})
        found = page(client, "/ui/projects/3.json")
    assert [each["task"] for each in found["skipped"]] == ["2"]
    assert "no column" in found["skipped"][0]["reason"]
    assert [each["task"] for each in found["least_sure"]] == ["1"]
    assert found["events"][0]["what"] == "ANNOTATION_CREATED"
    json.dumps(found)


def test_pages_work_under_the_secret_path_and_do_not_show_it(serve: Serve, store: Storage) -> None:
    secret = "0123456789abcdefXYZ"
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    with serve(webhook_secret=secret) as client:
        for path in (f"/{secret}/ui/", f"/{secret}/ui/projects/3"):
            answer = client.get(path, headers=HTML)
            assert answer.status_code == 200
            assert secret not in answer.text
            for tag, attributes in Tags(answer.text).tags:
                if tag in ("script", "link"):
                    source = attributes.get("src") or attributes.get("href") or ""
                    assert client.get(str(answer.url.join(source))).status_code == 200
        pressed = client.post(f"/{secret}/ui/projects/3/train", headers={**OURS, **HTML})
        assert pressed.url.path == f"/{secret}/ui/projects/3"


def test_a_password_in_an_address_is_on_no_page(serve: Serve) -> None:
    setup = {"project": "3", "schema": CONFIG, "hostname": "http://ann:hush-hush@ls.example", "access_token": "quiet!"}
    with serve() as client:
        assert client.post("/setup", json=setup).status_code == 200
        for path in ("/ui/", "/ui/projects/3", "/ui/index.json", "/ui/projects/3.json", "/metrics"):
            text = client.get(path, headers=HTML).text
            assert "hush-hush" not in text
            assert "quiet!" not in text


def test_a_model_that_failed_its_checks_is_reported_with_the_reason(
    serve: Serve, store: Storage, model_dir: Path
) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    file = model_dir / "model_project_3.onnx"
    file.write_bytes(file.read_bytes()[:-7])
    with serve() as client:
        connect(client)
        found = page(client, "/ui/projects/3.json")
    assert any("was refused" in sentence for sentence in found["missing"])


@pytest.mark.parametrize("key", RECORDS)
@pytest.mark.parametrize("damage", UNREADABLE)
def test_an_unreadable_record_is_named_on_its_projects_page_alone(
    serve: Serve, publish: Publish, store: Storage, key: str, damage: Callable[[Path], None]
) -> None:
    for project in (7, 8):
        publish(project)
        KnownProjects(store).remember(KnownProject(id=project, title=f"Title {project}"))
        with begin_run(store, project, launcher="process", host="here") as active:
            active.end("published", exit_code=0)
    path = Path(store.address) / key
    path.unlink()
    damage(path)
    with serve() as client:
        assert [row["project"] for row in page(client, "/ui/index.json")["projects"]] == [7, 8]
        named = page(client, "/ui/projects/7.json")["missing"]
        assert any(key in each for each in named) or (key.endswith("1.json") and damage in (pipe, link))
        assert page(client, "/ui/projects/8.json")["missing"] == []
        assert client.get("/ui/projects/7", headers=HTML).status_code == 200
        metrics = client.get("/metrics")
        assert metrics.status_code == 200
        assert 'tss_model_info{project="7"' in metrics.text
        assert client.post("/predict", content=batch({"value": VALUES}, project="8.1795475439")).json()["results"][0][
            "result"
        ]
        answer = client.post("/setup", json={"project": "7.1", "schema": CONFIG, "hostname": "http://ls.example"})
        assert answer.status_code == 200


def test_words_of_later_releases_are_other(serve: Serve, publish: Publish, store: Storage) -> None:
    publish(7)
    record = {"project": 7, "number": 1, "state": "pondering", "outcome": "postponed", "exit_code": 0, "new": 1}
    store.put("runs/7/ended/00000001.json", json.dumps(record).encode())
    with serve() as client:
        (run,) = page(client, "/ui/projects/7.json")["runs"]
        assert (run["state"], run["outcome"]) == ("other", "other")
        assert page(client, "/ui/projects/7.json")["missing"] == []


def test_a_rename_is_offered_after_a_training_too_until_it_is_confirmed(serve: Serve, publish: Publish) -> None:
    publish(3, labels=("Jog", "Walk"), renames=(("Run", "Jog"),))
    with serve() as client:
        connect(client, CONFIG.replace('"Run"', '"Jog"'))
        assert page(client, "/ui/projects/3.json")["renames"] == [["Run", "Jog"]]
        form = {"old": "Run", "new": "Jog"}
        assert client.post("/ui/projects/3/alias", data=form, headers=OURS, follow_redirects=False).status_code == 303
        assert page(client, "/ui/projects/3.json")["renames"] == []


def test_a_renamed_label_is_offered_confirmed_and_undone(serve: Serve, publish: Publish, store: Storage) -> None:
    publish(3)
    with serve() as client:
        connect(client, CONFIG.replace('"Run"', '"Jog"'))
        offered = page(client, "/ui/projects/3.json")
        assert offered["renames"] == [["Run", "Jog"]]
        assert any("tss labels alias --project 3 'Run' 'Jog'" in each for each in offered["missing"])
        assert "Run ► Jog" in client.get("/ui/projects/3", headers=HTML).text
        form = {"old": "Run", "new": "Jog"}
        assert client.post("/ui/projects/3/alias", data=form, headers=OURS, follow_redirects=False).status_code == 303
        shown = page(client, "/ui/projects/3.json")
        assert (shown["renames"], shown["aliases"][0]["new"]) == ([], "Jog")
        assert [update.action for update in Updates(store).of(3)] == ["LABEL_ALIAS"]
        form = {"old": "Jog", "new": "Run"}
        assert client.post("/ui/projects/3/alias", data=form, headers=OURS, follow_redirects=False).status_code == 409
        assert "is read as Jog" in client.get("/ui/projects/3", headers=HTML).text
        form = {"old": "Sprint", "new": "Running"}
        refused = client.post("/ui/projects/3/alias", data=form, headers=OURS, follow_redirects=False)
        assert (refused.status_code, "has no label" in refused.text) == (409, True)
        undo = client.post("/ui/projects/3/unalias", data={"old": "Run"}, headers=OURS, follow_redirects=False)
        assert undo.status_code == 303
        assert page(client, "/ui/projects/3.json")["aliases"] == []
