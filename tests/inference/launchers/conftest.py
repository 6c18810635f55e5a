"""An API server to launch against: ours, or a real one that TEST_KUBE_URL, TEST_KUBE_TOKEN_FILE, TEST_KUBE_CA_FILE and
TEST_KUBE_NAMESPACE name. There an overlay must have been applied and the token be that of the account `server`; tests
that simulate failures of an API server or the end of a Job are skipped then.
"""

import itertools
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from inference.launchers.kubernetes import KubernetesLauncher
from inference.launchers.kubernetes_api import Cluster, ClusterApi
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.promises.kubernetes.api_server import CERTIFICATE, NAMESPACE, TOKEN, ApiServer, serve, status
from tests.promises.kubernetes.rendering import overlay
from tests.support.waiting import NEVER_SECONDS

REAL = "TEST_KUBE_URL" in os.environ
SETTINGS = Settings(train_launcher="kubernetes", max_concurrent_runs=4)
NUMBERS = itertools.count(secrets.randbelow(10**9) * 1000 if REAL else 1)  # a real namespace may hold older Jobs


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """Our API server, with the CronJobs and the Role of the overlay prod."""
    if REAL:
        pytest.skip("failures of a real API server cannot be simulated")
    with serve(ApiServer(overlay("prod-rwx"))) as running:
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
def make(
    cluster: Cluster, store: Storage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], KubernetesLauncher]]:
    """Makes launchers of one cluster and store, as each replica has one. They wait for the first list, however long."""
    monkeypatch.setattr("inference.launchers.kubernetes.HEARD_SECONDS", NEVER_SECONDS)
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


def refuse(code: int, message: str, **headers: str) -> Callable[[Request], Response | None]:
    return lambda request: status(code, message, **headers)
