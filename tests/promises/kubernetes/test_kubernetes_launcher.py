"""Launching against an API server: ours, or a real one that TEST_KUBE_URL, TEST_KUBE_TOKEN_FILE, TEST_KUBE_CA_FILE and
TEST_KUBE_NAMESPACE name. There an overlay must have been applied and the token be that of the account `server`; tests
that play an API server's troubles or a Job's end are skipped then.
"""

import itertools
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from inference.launchers import kubernetes_api
from inference.launchers.choose import choose_launcher
from inference.launchers.kubernetes import CRONJOB_LABEL, NUMBER_LABEL, PROJECT_LABEL, KubernetesLauncher
from inference.launchers.kubernetes_api import Cluster, ClusterApi, GoneError
from shared.errors import ClusterError, SettingsError
from shared.label_studio.credentials import Credentials
from shared.net.connections import Connections
from shared.retraining.active_run import begin_run
from shared.retraining.runs import Runs
from shared.retraining.scheduler import FIRST_WAIT, Launch, decide, due_at
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.promises.kubernetes.api_server import CERTIFICATE, NAMESPACE, TOKEN, ApiServer, serve, status
from tests.promises.kubernetes.rendering import find, overlay, with_components
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

REAL = "TEST_KUBE_URL" in os.environ
SETTINGS = Settings(train_launcher="kubernetes", max_concurrent_runs=4)
NUMBERS = itertools.count(secrets.randbelow(10**9) * 1000 if REAL else 1)  # a real namespace may hold older Jobs


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """Our API server, with the CronJobs and the Role of the overlay prod."""
    if REAL:
        pytest.skip("a real API server's troubles cannot be played")
    with serve(ApiServer(overlay("prod"))) as running:
        yield running


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """How to reach the API server that is tested against."""
    if REAL:
        return Cluster(
            os.environ["TEST_KUBE_URL"],
            Path(os.environ["TEST_KUBE_TOKEN_FILE"]),
            Path(os.environ["TEST_KUBE_CA_FILE"]),
            os.environ["TEST_KUBE_NAMESPACE"],
        )
    token = tmp_path / "token"
    token.write_text(TOKEN)
    return Cluster(request.getfixturevalue("server").url, token, CERTIFICATE / "cert.pem", NAMESPACE)


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "store"))


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(cluster: Cluster, store: Storage, clock: Clock) -> Iterator[Callable[[], KubernetesLauncher]]:
    """Makes launchers of one cluster and store, as each replica has one."""
    made: list[KubernetesLauncher] = []

    def make() -> KubernetesLauncher:
        made.append(KubernetesLauncher(SETTINGS, ClusterApi(cluster), runs=Runs(store), clock=clock))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def launcher(make: Callable[[], KubernetesLauncher]) -> KubernetesLauncher:
    return make()


@pytest.fixture
def launch() -> Launch:
    """A run of a project that has no Job yet."""
    return Launch(next(NUMBERS), 1, "1 update waiting")


def name_of(launch: Launch) -> str:
    return f"train-{launch.project}-{launch.number}"


# Making Jobs


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


def test_the_label_of_a_queue_reaches_the_job(tmp_path: Path) -> None:
    from inference.launchers.kubernetes import make_job

    cronjob = find(with_components(tmp_path, ["kueue"]), "CronJob", "train")
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


# How Jobs go


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


def test_a_job_of_another_replica_is_heard_of(
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
def test_a_job_that_ended_without_a_word_is_a_failed_run(
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
    assert caplog.text == "", "there is nothing to warn of"
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


# Following


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


def test_a_watch_from_a_forgotten_version_says_so(server: ApiServer, cluster: Cluster) -> None:
    server.forget_history()
    with pytest.raises(GoneError, match="too old"):
        list(ClusterApi(cluster).watch_jobs(f"{CRONJOB_LABEL}=train", "1"))


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


def test_a_watch_hears_of_a_new_job(launcher: KubernetesLauncher, cluster: Cluster, launch: Launch) -> None:
    api = ClusterApi(cluster)
    _, version = api.jobs(f"{CRONJOB_LABEL}=train")
    launcher.launch(launch)
    kind, job = next(iter(api.watch_jobs(f"{CRONJOB_LABEL}=train", version)))
    assert (kind, job.metadata.name) == ("ADDED", name_of(launch))


# Troubles


def refuse(code: int, message: str, **headers: str) -> Callable[[Request], Response | None]:
    return lambda request: status(code, message, **headers)


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


def test_an_api_server_that_is_away_is_said_and_found_again(
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


def test_another_certificate_is_not_trusted(cluster: Cluster, launch: Launch, store: Storage) -> None:
    other = ROOT / "tests/support/certificate/cert.pem"
    launcher = KubernetesLauncher(SETTINGS, ClusterApi(cluster._replace(ca_file=other)), runs=Runs(store))
    with pytest.raises(ClusterError, match="encrypted connection failed"):
        launcher.launch(launch)
    launcher.close()


def test_a_token_that_is_not_known_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("of-nobody")
    with pytest.raises(ClusterError, match="does not know the token"):
        ClusterApi(cluster._replace(token_file=wrong)).cronjob("train")


def test_a_token_that_rotates_is_read_again(server: ApiServer, cluster: Cluster) -> None:
    api = ClusterApi(cluster)
    api.cronjob("train")
    server.tokens = {"the-next-one"}
    cluster.token_file.write_text("the-next-one\n")
    api.cronjob("train")


def test_a_token_that_is_not_there_is_said(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="automountServiceAccountToken"):
        ClusterApi(cluster._replace(token_file=tmp_path / "nothing")).cronjob("train")


def test_no_certificate_authority_is_said(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="certificate authority"):
        ClusterApi(cluster._replace(ca_file=tmp_path / "nothing"))


def test_an_answer_that_is_no_kubernetes_object_is_said(server: ApiServer, cluster: Cluster) -> None:
    server.fault = lambda request: Response("<html>a proxy says hello</html>")
    with pytest.raises(ClusterError, match="invalid Kubernetes object"):
        ClusterApi(cluster).job("train-3-1")
    with pytest.raises(ClusterError, match="invalid watch event"):
        list(ClusterApi(cluster).watch_jobs("a=b", "1"))


def test_what_the_role_forbids_is_forbidden(cluster: Cluster) -> None:
    api = ClusterApi(cluster)
    with pytest.raises(ClusterError, match="forbidden"):
        api.cronjob("reconcile")


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


# Which launcher


@pytest.fixture
def pod(server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What makes this process a pod: its service account's folder."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    (folder / "namespace").write_text(NAMESPACE)
    (folder / "ca.crt").write_bytes((CERTIFICATE / "cert.pem").read_bytes())
    monkeypatch.setattr(kubernetes_api, "SERVICE_ACCOUNT", folder)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
    return folder


def chosen(store: Storage, launcher: str) -> str:
    settings = Settings(train_launcher=launcher)
    found = choose_launcher(settings, Runs(store), Credentials(settings, Connections()))
    name = found.name
    found.close()
    return name


def test_in_a_pod_that_reads_the_cronjob_trainings_are_jobs(pod: Path, store: Storage) -> None:
    assert chosen(store, "auto") == "kubernetes"
    assert chosen(store, "kubernetes") == "kubernetes"


def test_in_a_pod_that_may_not_read_the_cronjob_they_are_not(
    server: ApiServer, pod: Path, store: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    server.rules = []
    with caplog.at_level(logging.INFO):
        assert chosen(store, "auto") == "process"
    assert "not started as Kubernetes Jobs" in caplog.text
    assert chosen(store, "kubernetes") == "kubernetes", "who names it gets it, and the reason at each launch"


def test_an_api_server_that_is_away_at_the_start_changes_nothing(server: ApiServer, pod: Path, store: Storage) -> None:
    server.fault = refuse(500, "starting")
    assert chosen(store, "auto") == "kubernetes"


def test_no_pod_has_no_jobs(store: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kubernetes_api, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert chosen(store, "auto") == "process"
    with pytest.raises(SettingsError, match="automountServiceAccountToken"):
        chosen(store, "kubernetes")


def test_an_address_of_ipv6_is_written_in_brackets(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("n\n")
    found = Cluster.of_pod({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert found is not None
    assert (found.url, found.namespace) == ("https://[fd00::1]:6443", "n")
