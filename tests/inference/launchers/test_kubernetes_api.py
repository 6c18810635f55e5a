"""Certificates, tokens and answers of the API server."""

from pathlib import Path

import pytest
from starlette.responses import Response

from inference.launchers.kubernetes import CRONJOB_LABEL, KubernetesLauncher
from inference.launchers.kubernetes_api import Cluster, ClusterApi, GoneError
from shared.errors import ClusterError, SettingsError
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.store.storage import Storage
from tests.inference.launchers.conftest import SETTINGS, name_of
from tests.promises.kubernetes.api_server import ApiServer
from tests.support.paths import ROOT


def test_a_watch_from_a_forgotten_version_says_so(server: ApiServer, cluster: Cluster) -> None:
    server.forget_history()
    with pytest.raises(GoneError, match="too old"):
        list(ClusterApi(cluster).watch_jobs(f"{CRONJOB_LABEL}=train", "1"))


def test_a_watch_hears_of_a_new_job(launcher: KubernetesLauncher, cluster: Cluster, launch: Launch) -> None:
    api = ClusterApi(cluster)
    _, version = api.jobs(f"{CRONJOB_LABEL}=train")
    launcher.launch(launch)
    kind, job = next(iter(api.watch_jobs(f"{CRONJOB_LABEL}=train", version)))
    assert (kind, job.metadata.name) == ("ADDED", name_of(launch))


def test_another_certificate_is_not_trusted(cluster: Cluster, launch: Launch, store: Storage) -> None:
    other = ROOT / "tests/support/certificate/ca.pem"
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


def test_a_token_that_is_not_there_is_reported(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="automountServiceAccountToken"):
        ClusterApi(cluster._replace(token_file=tmp_path / "nothing")).cronjob("train")


def test_no_certificate_authority_is_reported(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="certificate authority"):
        ClusterApi(cluster._replace(ca_file=tmp_path / "nothing"))


def test_an_answer_that_is_no_kubernetes_object_is_reported(server: ApiServer, cluster: Cluster) -> None:
    server.fault = lambda request: Response("<html>a proxy says hello</html>")
    with pytest.raises(ClusterError, match="invalid Kubernetes object"):
        ClusterApi(cluster).job("train-3-1")
    with pytest.raises(ClusterError, match="invalid watch event"):
        list(ClusterApi(cluster).watch_jobs("a=b", "1"))


def test_what_the_role_forbids_is_forbidden(cluster: Cluster) -> None:
    api = ClusterApi(cluster)
    with pytest.raises(ClusterError, match="forbidden"):
        api.cronjob("reconcile")


def test_an_address_of_ipv6_is_written_in_brackets(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("n\n")
    found = Cluster.of_pod({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert found is not None
    assert (found.url, found.namespace) == ("https://[fd00::1]:6443", "n")
