import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shared.errors import StoreError
from shared.labelling.label_config import parse_label_config
from shared.labelling.renames import with_aliases
from shared.labelling.snapshots import Snapshot, take_snapshot
from shared.retraining.active_run import begin_run
from shared.retraining.updates import Updates
from shared.store.aliases import LabelAliases
from shared.store.folder import FolderStorage
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.inference.conftest import CONFIG, VALUES, Publish, Serve, batch
from tests.support.waiting import wait_until
from tests.support.web_server import answer
from tests.support.web_server import serve as run_web

SETUP = {
    "project": "3.1795475439",
    "schema": CONFIG,
    "hostname": "http://localhost:8080",
    "access_token": "",
    "extra_params": None,
}


def results(client: TestClient, body: bytes) -> list[Any]:
    response = client.post("/predict", content=body)
    assert response.status_code == 200, response.text
    found: list[Any] = response.json()["results"]
    return found


def waiting(model_dir: Path) -> dict[int, list[str]]:
    updates = Updates(open_storage(str(model_dir))).waiting()
    return {project: [update.action for update in found] for project, found in updates.items()}


def test_health_answers_as_label_studio_expects(serve: Serve) -> None:
    with serve() as client:
        assert client.get("/health").json()["status"] == "UP"


def test_a_volume_that_is_not_mounted_is_no_empty_store(serve: Serve, publish: Publish, model_dir: Path) -> None:
    """Not ready, said on the page, nothing spooled or trained into the mount point; and back when it is mounted."""
    publish()
    away = model_dir.with_name("away")
    model_dir.rename(away)
    model_dir.mkdir()
    with serve(new_store="refuse") as client:
        wait_until(lambda: "volume does not seem to be mounted" in client.get("/readyz").json()["status"])
        assert client.get("/readyz").status_code == 503
        event = {"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": {"id": 1}}
        assert client.post("/webhook", json=event).status_code == 503
        assert "is its volume mounted?" in client.get("/ui").text
        assert list(model_dir.iterdir()) == []
        model_dir.rmdir()
        away.rename(model_dir)
        wait_until(lambda: client.get("/readyz").json() == {"status": "ready"})
        model_dir.rename(away)
        model_dir.mkdir()
        wait_until(lambda: "volume does not seem to be mounted" in client.get("/readyz").json().get("problem", ""))
        assert client.get("/readyz").status_code == 200  # what is in memory goes on


def test_setup_and_predict_say_the_same_version(serve: Serve, publish: Publish) -> None:
    version = publish()
    with serve() as client:
        assert client.post("/setup", json=SETUP).json() == {"model_version": version}
        (found,) = results(client, batch({"value": VALUES}))
        assert found["model_version"] == version


def test_a_server_that_has_never_read_its_store_is_not_ready_and_says_so(
    serve: Serve, publish: Publish, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreError("s3://models: check the credentials.")

    publish()
    monkeypatch.setattr("inference.operations.background.STORE_SECONDS", 0.01)
    with monkeypatch.context() as broken:
        broken.setattr(FolderStorage, "keys", away)
        broken.setattr(ModelStore, "model_info", away)
        with serve() as client:
            wait_until(lambda: "could not be read since the start" in client.get("/readyz").text)
            assert client.get("/readyz").status_code == 503
            assert "credentials" not in client.get("/readyz").text, "anybody may ask"
            assert caplog.text.count("Not ready: s3://models: check the credentials.") == 1
            assert client.post("/setup", json=SETUP).json() == {"model_version": "untrained"}
            assert results(client, batch({"value": VALUES})) == [[]]
            assert "Nothing is known of models yet: s3://models" in caplog.text
            assert client.get("/metrics").text.count('tss_tasks_total{outcome="nothing",reason="StoreError"} 1.0') == 1
            broken.undo()
            wait_until(lambda: client.get("/readyz").status_code == 200)
            broken.setattr(FolderStorage, "keys", away)
            assert client.get("/readyz").status_code == 200, "models in memory serve on while the store is away"


def test_a_thread_that_stands_still_is_named(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as client:
        wait_until(lambda: client.get("/readyz").json() == {"status": "ready"})
        monkeypatch.setattr("inference.operations.background.hanging", lambda _: {"swap": 312.4})
        assert "hang (swap for 312 s): restart" in client.get("/readyz").json()["problem"]
        assert client.get("/readyz").status_code == 200  # what it predicts is right
        assert "hang (swap for 312 s)" in client.get("/ui/index.json").json()["ready"]


def test_a_host_without_webhooks_is_reported_with_what_to_do_until_an_event_arrives(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def problems() -> str:
        return " ".join(client.get("/ui/projects/3.json").json()["missing"])

    with serve(allowed_hosts=("server",)) as client:
        client.post("/setup", json=SETUP, headers={"Host": "server:9090"})
        assert "no webhook for http://server:9090" in caplog.text
        assert "server.internal" in problems()
        client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": {"id": 1}})
        assert "server.internal" not in problems()
        client.post("/setup", json=SETUP, headers={"Host": "10.1.2.3:9090", "X-Forwarded-Host": "server.internal:9090"})
    assert caplog.text.count("no webhook for") == 1


def test_segments_come_back_as_regions_the_page_draws(serve: Serve, publish: Publish) -> None:
    publish()
    with serve() as client:
        (found,) = results(client, batch({"value": VALUES}))
    (region,) = found["result"]
    assert region["value"] == {"start": 60, "end": 79, "instant": False, "timeserieslabels": ["Run"]}
    assert (region["from_name"], region["to_name"], region["type"]) == ("label", "ts", "timeserieslabels")
    assert 0 < region["score"] <= 1
    assert 0 < found["score"] <= 1


def test_the_same_task_gets_the_same_region_ids(serve: Serve, publish: Publish) -> None:
    publish()
    with serve() as client:
        assert results(client, batch({"value": VALUES})) == results(client, batch({"value": VALUES}))


def test_without_a_model_nothing_is_stored_and_setup_says_untrained(serve: Serve) -> None:
    with serve() as client:
        assert client.post("/setup", json=SETUP).json() == {"model_version": "untrained"}
        assert results(client, batch({"value": VALUES}, {"value": VALUES})) == [[], []]


def test_the_editor_gets_an_object_even_without_a_model(serve: Serve) -> None:
    with serve() as client:
        (found,) = results(client, batch({"value": VALUES}, params={"context": {"result": []}}))
        assert found["result"] == []


def test_model_0_never_stands_in_for_a_named_project(serve: Serve, publish: Publish) -> None:
    version = publish(project=0)
    with serve() as client:
        assert results(client, batch({"value": VALUES})) == [[]]
        task = {"id": 1, "data": {"csv_url": {"value": VALUES}}}
        (found,) = results(client, json.dumps({"tasks": [task]}).encode())
        assert found["model_version"] == version


def test_one_unreadable_task_costs_only_its_own_result(serve: Serve, publish: Publish) -> None:
    publish()
    with serve() as client:
        found = results(client, batch({"value": VALUES}, {"other": [1, 2]}, 7, {"value": VALUES}))
    assert [len(each["result"]) for each in found] == [1, 0, 0, 1]
    assert all(each["model_version"] for each in found)


def test_what_may_work_later_is_not_stored_as_empty(serve: Serve, publish: Publish) -> None:
    publish()
    with serve(label_studio_host="http://127.0.0.1:1") as client:
        assert results(client, batch("/data/upload/3/8687c5c4-two.csv")) == [[]]


def test_something_else_than_a_recording_is_asked_for_again_for_an_hour(
    serve: Serve, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    page = answer(b"<html>Log in</html>\n")
    with run_web(lambda asked: page) as web, serve(data_hosts_allowed=("127.0.0.1",)) as client:
        body = batch(f"{web.url}/a.csv", label_config=CONFIG.replace('"json"', '"url"'))
        assert results(client, body) == [[]]
        assert 'tss_tasks_total{outcome="nothing",reason="not-data"} 1.0' in client.get("/metrics").text
        monkeypatch.setattr("inference.serving.awaited.AWAITED_SECONDS", 0.0)
        (result,) = results(client, body)
    assert (result["result"], result["score"]) == ([], 0.0)


def test_a_mixed_batch_is_split_by_project(serve: Serve, publish: Publish) -> None:
    first = publish(project=3)
    second = publish(project=4, version="20260102T000000Z-bbbbbb")
    tasks = [{"id": project, "project": project, "data": {"csv_url": {"value": VALUES}}} for project in (3, 4, 5, 3)]
    with serve() as client:
        found = results(client, json.dumps({"tasks": tasks, "label_config": CONFIG}).encode())
    assert [each and each["model_version"] for each in found] == [first, second, [], first]


def test_a_removed_label_disappears_and_an_added_one_shifts_nothing(serve: Serve, publish: Publish) -> None:
    publish()
    low = [0.0] * 60 + [-1.0] * 20 + [0.0] * 100  # Walk where the value is low
    without = CONFIG.replace('<Label value="Run"/>', "")
    added = CONFIG.replace('<Label value="Run"/>', '<Label value="Sit"/><Label value="Run"/>')
    with serve() as client:
        for config, expected in ((without, {"Walk"}), (added, {"Walk"})):
            (found,) = results(client, batch({"value": low}, label_config=config))
            labels = {label for region in found["result"] for label in region["value"]["timeserieslabels"]}
            assert labels == expected
        (found,) = results(client, batch({"value": VALUES}, label_config=without))
        assert found["result"] == []


def test_a_project_of_the_same_number_in_another_database_is_not_served(serve: Serve, publish: Publish) -> None:
    publish(project_created="1000000000")
    with serve() as client:
        assert client.post("/setup", json=SETUP).json() == {"model_version": "untrained"}
        assert results(client, batch({"value": VALUES})) == [[]]
        (same,) = results(client, batch({"value": VALUES}, project="3.1000000000"))
        assert same["result"]


def test_a_new_version_is_served_without_a_restart(
    serve: Serve, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.serving.model_cache.REVALIDATE_SECONDS", 0.0)
    publish()
    with serve() as client:
        results(client, batch({"value": VALUES}))
        newer = publish(version="20260103T000000Z-cccccc")
        assert client.post("/setup", json=SETUP).json() == {"model_version": newer}
        (found,) = results(client, batch({"value": VALUES}))
        assert found["model_version"] == newer
        assert found["result"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"tasks":{}}', b"\xff", b'{"tasks":[],"project":"../3"}'])
def test_a_body_that_is_no_batch_gets_400_and_a_sentence(serve: Serve, body: bytes) -> None:
    with serve() as client:
        answer = client.post("/predict", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("place", ["project", "label_config", "params", "csv_url", "value", "context"])
def test_bytes_that_are_no_text_anywhere_in_a_batch_are_no_internal_error(
    serve: Serve, publish: Publish, place: str
) -> None:
    publish()
    body = batch({"value": VALUES}, params={"context": {}}).replace(
        f'"{place}"'.encode(), f'"{place}'.encode() + b'\xff"'
    )
    assert b"\xff" in body
    with serve() as client:
        answer = client.post("/predict", content=body)
    assert answer.status_code in (200, 400)


def test_a_body_beyond_the_limit_gets_413(serve: Serve) -> None:
    with serve(max_body_mb=1) as client:
        answer = client.post("/predict", content=b" " * (2**20 + 1))
    assert answer.status_code == 413
    assert "MAX_BODY_MB" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/nowhere", "/../etc/passwd", "/predict/x"])
def test_an_unknown_route_gets_404_in_json(serve: Serve, path: str) -> None:
    with serve() as client:
        answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_an_event_is_in_the_spool_when_it_is_answered(serve: Serve, model_dir: Path) -> None:
    event = {"action": "ANNOTATION_CREATED", "annotation": {"was_cancelled": False}, "project": {"id": 3}}
    with serve() as client:
        assert client.post("/webhook", json=event).status_code == 201
        assert waiting(model_dir) == {3: ["ANNOTATION_CREATED"]}


def test_events_that_change_nothing_leave_no_update(serve: Serve, model_dir: Path) -> None:
    with serve() as client:
        for event in (
            {"action": "ANNOTATION_CREATED", "annotation": {"was_cancelled": True}, "project": {"id": 3}},
            {"action": "PROJECT_UPDATED", "project": {"id": 3, "label_config": CONFIG}},
            {"action": "BRAND_NEW", "project": {"id": 3}},
            {"action": "ANNOTATION_CREATED"},
        ):
            assert client.post("/webhook", json=event).status_code == 201
    assert waiting(model_dir) == {}


def test_a_configuration_is_not_new_because_a_renamed_label_was_confirmed(serve: Serve, model_dir: Path) -> None:
    storage = open_storage(str(model_dir))
    LabelAliases(storage).add(3, "Running", "Run", by="test")
    trained = with_aliases(parse_label_config(CONFIG), {"Running": "Run"})
    with begin_run(storage, 3, launcher="process", host="here") as run:
        run.report(snapshot=take_snapshot([], trained.fingerprint, datetime.now(UTC)))
        run.end("published", exit_code=0)
    with serve() as client:
        for xml in (CONFIG, CONFIG.replace("Walk", "Stroll")):
            event = {"action": "PROJECT_UPDATED", "project": {"id": 3, "label_config": xml}}
            assert client.post("/webhook", json=event).status_code == 201
            assert waiting(model_dir) == ({} if xml is CONFIG else {3: ["PROJECT_UPDATED"]})


def test_a_configuration_changed_back_during_a_run_is_an_update(serve: Serve, model_dir: Path) -> None:
    def taken(xml: str) -> Snapshot:
        return take_snapshot([], parse_label_config(xml).fingerprint, datetime.now(UTC))

    storage = open_storage(str(model_dir))
    with begin_run(storage, 3, launcher="process", host="here") as before:
        before.report(snapshot=taken(CONFIG))
        before.end("published", exit_code=0)
    back = {"action": "PROJECT_UPDATED", "project": {"id": 3, "label_config": CONFIG}}
    with serve() as client, begin_run(storage, 3, launcher="process", host="here") as active:
        active.report(snapshot=taken(CONFIG.replace("Walk", "Stroll")))
        active.beat()
        assert client.post("/webhook", json=back).status_code == 201
    assert waiting(model_dir) == {3: ["PROJECT_UPDATED"]}


def test_start_training_answers_a_job_whose_status_can_be_asked(serve: Serve, model_dir: Path) -> None:
    with serve() as client:
        answer = client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 3}})
        assert answer.status_code == 201
        status = client.get("/job_status", params={"job": answer.json()["job"]}).json()
    assert status["job_status"] == "queued"
    assert waiting(model_dir) == {3: ["START_TRAINING"]}


def test_with_credentials_set_the_train_button_needs_them_and_annotations_do_not(serve: Serve) -> None:
    with serve(basic_auth_user="ann", basic_auth_pass="secret") as client:
        assert client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 3}}).status_code == 401
        button = {"action": "START_TRAINING", "project": {"id": 3}}
        assert client.post("/webhook", json=button, auth=("ann", "secret")).status_code == 201
        annotation = {"action": "ANNOTATION_CREATED", "annotation": {}, "project": {"id": 3}}
        assert client.post("/webhook", json=annotation).status_code == 201


def test_versions_lists_what_is_kept_newest_first(serve: Serve, publish: Publish) -> None:
    first = publish()
    second = publish(version="20260102T000000Z-bbbbbb")
    with serve() as client:
        assert client.get("/versions").json() == {"versions": [second, first]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/train", {"project": "3"}),
        ("GET", "/is_training?project=3", None),
        ("POST", "/validate", {"config": CONFIG}),
        ("POST", "/delete", {}),
        ("POST", "/duplicate_model", {}),
        ("GET", "/", None),
        ("GET", "/livez", None),
    ],
)
def test_routes_of_other_label_studios_answer(serve: Serve, method: str, path: str, body: Any) -> None:
    with serve() as client:
        assert client.request(method, path, json=body).is_success


def test_validate_says_what_a_configuration_lacks(serve: Serve) -> None:
    with serve() as client:
        answer = client.post("/validate", json={"config": "<View/>"}).json()
    assert answer["valid"] is False
    assert "TimeSeries" in answer["error"]


@pytest.mark.parametrize("data", [{"files": {"csv": {"value": VALUES}}}, {"files.csv": {"value": VALUES}}])
def test_a_value_within_the_data_is_found_as_in_training(serve: Serve, publish: Publish, data: Any) -> None:
    publish()
    config = CONFIG.replace("$csv_url", "$files.csv")
    body = json.dumps({"tasks": [{"id": 1, "data": data}], "project": "3.17", "label_config": config})
    with serve() as client:
        (found,) = results(client, body.encode())
    assert len(found["result"]) == 1


def test_an_unreadable_hostname_costs_setup_nothing(serve: Serve, publish: Publish) -> None:
    version = publish()
    with serve() as client:
        assert client.post("/setup", json={**SETUP, "hostname": "http://["}).json() == {"model_version": version}


def test_an_event_of_project_0_is_refused(serve: Serve) -> None:
    with serve() as client:
        answer = client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 0}})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/ui/projects/{}", "/ui/projects/{}.json", "/ui/projects/{}/task.json?number=1"])
def test_a_number_of_any_length_in_a_path_is_a_4xx(serve: Serve, path: str) -> None:
    with serve() as client:
        for digits in ("9" * 19, "9" * 5000):
            assert 400 <= client.get(path.format(digits)).status_code < 500
            assert 400 <= client.post(f"/ui/projects/{digits}/train").status_code < 500


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "-Infinity"])
def test_a_cell_that_is_no_json_spoils_no_batch(serve: Serve, publish: Publish, cell: str) -> None:
    publish()
    good, odd = json.dumps(VALUES), json.dumps(VALUES)[:-1] + f", {cell}]"
    tasks = [f'{{"id": {i}, "data": {{"csv_url": {{"value": {each}}}}}}}' for i, each in enumerate((good, odd))]
    with serve() as client:
        found = results(client, f'{{"project": "3.1795475439", "tasks": [{",".join(tasks)}]}}'.encode())
    assert [len(each["result"]) for each in found] == [1, 1]


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "\u00e9", "null", "http://localhost:x"])
def test_an_unreadable_origin_is_refused_with_a_sentence(serve: Serve, origin: str) -> None:
    with serve() as client:
        answer = client.post("/train", json={"project": "3"}, headers={b"Origin": origin.encode("latin-1")})
    assert answer.status_code == 403
    assert "page" in answer.json()["error"]
