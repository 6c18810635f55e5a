"""Jobs are made once, followed to their end, and their failures recorded."""

import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from inference.launchers import kubernetes_api
from inference.launchers.kubernetes import CRONJOB_LABEL, NUMBER_LABEL, PROJECT_LABEL, KubernetesLauncher, make_job
from inference.launchers.kubernetes_api import Cluster, ClusterApi
from shared.retraining.active_run import begin_run
from shared.retraining.runs import Runs
from shared.retraining.scheduler import FIRST_WAIT, Launch, decide, due_at
from shared.retraining.updates import Updates
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.inference.launchers.conftest import SETTINGS, name_of
from tests.promises.kubernetes.api_server import NAMESPACE, ApiServer, status
from tests.promises.kubernetes.rendering import find, with_components
from tests.support.waiting import wait_until


def test_a_launch_makes_a_job_that_follows_the_template(
    launcher: KubernetesLauncher, cluster: Cluster, launch: Launch
) -> None:
    launcher.launch(launch)
    job = ClusterApi(cluster).job(name_of(launch))
    assert job is not None
    labels = job.metadata.labels
    assert labels[PROJECT_LABEL] == str(launch.project)
    assert labels[NUMBER_LABEL] == "1"
    assert labels[CRONJOB_LABEL] == "train"
    assert labels["app.kubernetes.io/component"] == "train"
    assert launch.project in launcher.running()


def test_the_body_is_the_templates_with_project_and_number(
    server: ApiServer, launcher: KubernetesLauncher, launch: Launch
) -> None:
    template = server.cronjobs["train"]["spec"]["jobTemplate"]
    template["metadata"]["annotations"] = {"example.org/team": "signals"}
    launcher.launch(launch)
    (body,) = server.bodies
    assert "ownerReferences" not in body["metadata"], "or the CronJob's controller would delete it"
    assert template["metadata"]["labels"].items() <= body["metadata"]["labels"].items()
    assert body["metadata"]["annotations"]["example.org/team"] == "signals"
    assert body["metadata"]["annotations"]["time-series-segmenter/reason"] == "1 update waiting"
    (container,) = body["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables["TRAIN_PROJECT"] == str(launch.project)
    assert variables["TRAIN_NUMBER"] == "1"
    assert "LABEL_STUDIO_API_KEY" in variables
    assert body["spec"]["template"]["metadata"]["labels"][PROJECT_LABEL] == str(launch.project)
    same = {key: value for key, value in body["spec"].items() if key != "template"}
    assert same == {key: value for key, value in template["spec"].items() if key != "template"}


def test_the_more_jobs_have_finished_the_sooner_the_next_one_is_deleted() -> None:
    def seconds(finished: int, given: int | None = 86400) -> int | None:
        spec: dict[str, Any] = {"template": {"spec": {"containers": []}}}
        if given is not None:
            spec["ttlSecondsAfterFinished"] = given
        template = {"spec": {"jobTemplate": {"spec": spec}}}
        job = make_job(template, "a", "train", Launch(3, 1, "a test"), finished=finished)
        found: int | None = job["spec"].get("ttlSecondsAfterFinished")
        return found

    assert [seconds(count) for count in (0, 200, 400, 3000, 10**6)] == [86400, 86400, 43200, 5760, 600]
    assert seconds(10**6, 60) == 60
    assert seconds(10**6, None) is None


def test_the_label_of_a_queue_reaches_the_job() -> None:
    cronjob = find(with_components("kueue"), "CronJob", "train")
    body = make_job(cronjob, "train-3-1", "train", Launch(3, 1, "a test"))
    assert body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "training"


def test_the_same_run_is_launched_once(
    make: Callable[[], KubernetesLauncher], cluster: Cluster, launch: Launch, store: Storage
) -> None:
    first, second = make(), make()
    first.launch(launch)
    second.launch(launch)
    assert launch.project in second.running()
    assert Runs(store).last_ended(launch.project) is None


def test_replicas_that_race_make_one_job(
    server: ApiServer, make: Callable[[], KubernetesLauncher], launch: Launch
) -> None:
    launchers = [make() for _ in range(6)]
    start = threading.Barrier(len(launchers))

    def race(each: KubernetesLauncher) -> None:
        start.wait()
        each.launch(launch)

    with ThreadPoolExecutor(len(launchers)) as pool:
        list(pool.map(race, launchers))
    assert list(server.jobs) == [name_of(launch)]
    assert all(launch.project in each.running() for each in launchers)


def test_servers_and_reconciling_racing_over_one_store_make_one_job(
    server: ApiServer, make: Callable[[], KubernetesLauncher], store: Storage
) -> None:
    """Both replicas and the CronJob look at the same state; the CronJob writes an update, and launches nothing."""
    updates = Updates(store)
    updates.add(3, "ANNOTATION_CREATED", store.now())
    updates.add(3, "RECONCILE", store.now(), job="3-0123456789abcdef")

    def look(each: KubernetesLauncher) -> None:
        running = each.running()
        states = {3: Runs(store).state(3)}
        for found in decide(updates.waiting(), states.__getitem__, store.now(), SETTINGS, running=running):
            each.launch(found)

    launchers = [make(), make()]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            list(pool.map(look, launchers))
    assert list(server.jobs) == ["train-3-1"]


def test_a_job_that_ends_is_followed_to_its_end(
    server: ApiServer, launcher: KubernetesLauncher, launch: Launch
) -> None:
    launcher.launch(launch)
    assert launcher.running() == {launch.project}
    server.end(name_of(launch))
    wait_until(lambda: launcher.running() == set())


@pytest.mark.parametrize("first", ["SuccessCriteriaMet", "FailureTarget"])
def test_a_job_that_is_about_to_end_goes_on(
    server: ApiServer,
    cluster: Cluster,
    make: Callable[[], KubernetesLauncher],
    store: Storage,
    launch: Launch,
    first: str,
) -> None:
    make().launch(launch)
    server.condition(name_of(launch), first, "PodFailurePolicy")
    job = ClusterApi(cluster).job(name_of(launch))
    assert job is not None
    assert job.end is None
    other = make()
    other.launch(launch)
    assert other.running() == {launch.project}
    assert Runs(store).last_ended(launch.project) is None


def test_a_job_of_another_replica_is_noticed(
    make: Callable[[], KubernetesLauncher], server: ApiServer, launch: Launch
) -> None:
    watching, launching = make(), make()
    assert watching.running() == set()
    launching.launch(launch)
    wait_until(lambda: watching.running() == {launch.project})
    server.delete(name_of(launch))
    wait_until(lambda: watching.running() == set())


def test_a_job_that_kueue_holds_back_is_queued_and_not_failed(
    server: ApiServer, launcher: KubernetesLauncher, store: Storage, launch: Launch
) -> None:
    server.cronjobs["train"]["spec"]["jobTemplate"]["spec"]["suspend"] = True
    launcher.launch(launch)
    server.condition(name_of(launch), "Suspended", "JobSuspended")
    launcher.launch(launch)
    assert launcher.running() == {launch.project}
    assert Runs(store).last_ended(launch.project) is None


@pytest.mark.parametrize(
    ("kind", "reason", "message", "said"),
    [
        ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit", "out of memory"),
        ("Failed", "DeadlineExceeded", "Job was active longer than specified deadline", "image could not be pulled"),
        ("Failed", "PodFailurePolicy", "Container train failed with exit code 2", "setting or the Secret"),
        ("Complete", "CompletionsReached", "Reached expected number of succeeded pods", "could not record its end"),
    ],
)
def test_a_job_that_ended_without_a_record_is_a_failed_run(
    server: ApiServer,
    make: Callable[[], KubernetesLauncher],
    store: Storage,
    launch: Launch,
    kind: str,
    reason: str,
    message: str,
    said: str,
) -> None:
    make().launch(launch)
    server.end(name_of(launch), kind, reason, message)
    updates = Updates(store)
    updates.add(launch.project, "ANNOTATION_CREATED", store.now())
    make().launch(launch)  # another replica, or this one after its restart
    ended = Runs(store).last_ended(launch.project)
    assert ended is not None
    assert (ended.number, ended.outcome, ended.exit_code, ended.failures) == (1, "failed", None, 1)
    assert reason in ended.reason
    assert said in ended.reason
    assert f"kubectl -n {NAMESPACE} describe job {name_of(launch)}" in ended.reason
    state = Runs(store).state(launch.project)
    assert state.next_number == 2, "the number moves on"
    assert ended.ended_at is not None
    assert due_at(updates.of(launch.project), state, SETTINGS) == ended.ended_at + FIRST_WAIT, "and back-off applies"
    assert updates.waiting(), "nothing is lost"


def test_a_job_that_recorded_its_end_is_left_alone(
    server: ApiServer,
    make: Callable[[], KubernetesLauncher],
    store: Storage,
    launch: Launch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make().launch(launch)
    with begin_run(store, launch.project, launcher="kubernetes", host="pod", number=1) as run:
        run.end("published", exit_code=0)
    server.end(name_of(launch))
    make().launch(launch)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING], "there is nothing to warn of"
    ended = Runs(store).last_ended(launch.project)
    assert ended is not None
    assert ended.outcome == "published"
    make().launch(launch._replace(number=2))
    assert set(server.jobs) == {name_of(launch), f"train-{launch.project}-2"}


def test_a_failed_job_whose_lease_lives_is_waited_for(
    server: ApiServer, make: Callable[[], KubernetesLauncher], store: Storage, launch: Launch
) -> None:
    make().launch(launch)
    with begin_run(store, launch.project, launcher="by hand", host="elsewhere", number=1):
        server.end(name_of(launch), "Failed", "BackoffLimitExceeded")
        make().launch(launch)
        assert Runs(store).last_ended(launch.project) is None


def test_a_job_that_is_gone_may_be_made_again(server: ApiServer, launcher: KubernetesLauncher, launch: Launch) -> None:
    launcher.launch(launch)
    launcher.running()
    server.delete(name_of(launch))
    wait_until(lambda: launcher.running() == set())
    launcher.launch(launch)
    assert list(server.jobs) == [name_of(launch)]


def test_jobs_are_listed_page_by_page(server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_api, "PAGE", 2)
    api = ClusterApi(cluster)
    launcher = KubernetesLauncher(SETTINGS, api, runs=Runs(open_storage(str(cluster.token_file.parent / "store"))))
    for project in range(1, 6):
        launcher.launch(Launch(project, 1, "a test"))
    found, version = api.jobs(f"{CRONJOB_LABEL}=train")
    assert len(found) == 5
    assert int(version) > 5
    assert api.jobs(f"{CRONJOB_LABEL}=another")[0] == []


def test_a_page_that_is_too_old_begins_the_list_again(
    server: ApiServer, make: Callable[[], KubernetesLauncher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_api, "PAGE", 1)
    first = make()
    for project in (1, 2):
        first.launch(Launch(project, 1, "a test"))
    asked = itertools.count()

    def forget(request: Request) -> Response | None:
        if "continue" in request.query_params and next(asked) == 0:
            return status(410, "The provided continue parameter is too old")
        return None

    server.fault = forget
    assert make().running() == {1, 2}


def test_a_watch_that_is_too_old_lists_again(server: ApiServer, make: Callable[[], KubernetesLauncher]) -> None:
    watching, launching = make(), make()
    assert watching.running() == set()
    server.forget_history()
    launching.launch(Launch(7, 1, "a test"))
    wait_until(lambda: watching.running() == {7})


def test_a_watch_ends_by_itself_and_goes_on(
    server: ApiServer, make: Callable[[], KubernetesLauncher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_api, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr("inference.launchers.kubernetes.REST_SECONDS", 0.01)
    watching, launching = make(), make()
    assert watching.running() == set()
    wait_until(lambda: server.calls.count(("watch", "jobs")) > 3)
    launching.launch(Launch(7, 1, "a test"))
    wait_until(lambda: watching.running() == {7})
    assert server.calls.count(("list", "jobs")) == 1, "from where it stopped"
