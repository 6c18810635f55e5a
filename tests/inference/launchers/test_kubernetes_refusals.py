"""What the API server refuses, or cannot answer: one sentence with the remedy, and nothing is lost."""

from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response

from inference.launchers.kubernetes import KubernetesLauncher
from inference.launchers.kubernetes_api import Cluster, ClusterApi
from shared.errors import ClusterError
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.retraining.updates import Updates
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.inference.launchers.conftest import SETTINGS, Clock, name_of, refuse
from tests.promises.kubernetes.api_server import TOKEN, ApiServer, status
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        (401, "Unauthorized", "restart this pod"),
        (403, "jobs.batch is forbidden", "apply k8s/base/role.yaml"),
        (404, "the server could not find the requested resource", "apply k8s/ there, or set TRAIN_CRONJOB"),
        (422, "Job.batch is invalid: spec.template", "correct the CronJob"),
        (400, 'strict decoding error: unknown field "spec.replicaz"', "correct the CronJob"),
        (429, "too many requests", "trainings start later"),
        (500, "etcdserver: request timed out", "trainings start when it works again"),
    ],
)
def test_a_refusal_is_one_sentence_with_the_remedy_and_loses_nothing(
    server: ApiServer,
    launcher: KubernetesLauncher,
    store: Storage,
    launch: Launch,
    code: int,
    message: str,
    remedy: str,
) -> None:
    updates = Updates(store)
    updates.add(launch.project, "ANNOTATION_CREATED", store.now())
    server.fault = refuse(code, message)
    with pytest.raises(ClusterError) as caught:
        launcher.launch(launch)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert updates.waiting()
    assert Runs(store).last_ended(launch.project) is None


def test_a_template_that_is_wrong_is_refused_by_the_server_itself(
    server: ApiServer, launcher: KubernetesLauncher, launch: Launch
) -> None:
    pod = server.cronjobs["train"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["restartPolicy"] = "Always"
    with pytest.raises(ClusterError, match=r"restartPolicy.*correct the CronJob"):
        launcher.launch(launch)


def test_a_field_that_nobody_knows_is_refused(server: ApiServer, launcher: KubernetesLauncher, launch: Launch) -> None:
    server.cronjobs["train"]["spec"]["jobTemplate"]["spec"]["backofLimit"] = 3
    with pytest.raises(ClusterError, match="backofLimit"):
        launcher.launch(launch)


def test_what_was_refused_is_not_asked_again_at_once(
    server: ApiServer, launcher: KubernetesLauncher, launch: Launch, clock: Clock
) -> None:
    asked: list[str] = []

    def fault(request: Request) -> Response | None:
        asked.append(request.url.path)
        return status(429, "too many requests", **{"Retry-After": "7"})

    server.fault = fault
    for wait in (7, 14, 28, 56, 60, 60):
        with pytest.raises(ClusterError):
            launcher.launch(launch)
        before = len(asked)
        clock.now += wait - 0.1
        with pytest.raises(ClusterError, match="is overloaded"):
            launcher.launch(launch)
        assert len(asked) == before
        clock.now += 0.2
    server.fault = lambda request: None
    launcher.launch(launch)
    assert name_of(launch) in server.jobs


def test_an_api_server_that_is_unreachable_is_reported_and_found_again(
    cluster: Cluster, server: ApiServer, make: Callable[[], KubernetesLauncher], launch: Launch, clock: Clock
) -> None:
    away = cluster._replace(url="https://127.0.0.1:9")
    runs = Runs(open_storage(str(cluster.token_file.parent / "store")))
    lost = KubernetesLauncher(SETTINGS, ClusterApi(away), runs=runs)
    with pytest.raises(ClusterError, match="was not reached: nothing answers there"):
        lost.running()
    with pytest.raises(ClusterError, match="trainings start when it answers"):
        lost.launch(launch)
    lost.close()


def test_following_says_what_is_wrong_and_recovers(
    server: ApiServer, launcher: KubernetesLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.launchers.kubernetes.FIRST_WAIT", 0.02)
    server.fault = refuse(403, "jobs.batch is forbidden")
    with pytest.raises(ClusterError, match=r"apply k8s/base/role.yaml"):
        launcher.running()
    server.fault = lambda request: None

    def recovered() -> bool:
        try:
            return launcher.running() == set()
        except ClusterError:
            return False

    wait_until(recovered)


def test_the_role_allows_what_launching_asks_for_and_no_more(
    server: ApiServer, make: Callable[[], KubernetesLauncher], launch: Launch
) -> None:
    """Our server refuses what the Role does not allow; here all that it allows is asked for."""
    first, second = make(), make()
    first.launch(launch)
    second.launch(launch)
    second.running()
    wait_until(lambda: ("watch", "jobs") in server.calls)
    allowed = {(verb, each) for rule in server.rules for each in rule["resources"] for verb in rule["verbs"]}
    assert set(server.calls) == allowed
    assert server.rules[0]["resourceNames"] == [SETTINGS.train_cronjob]
