"""Which launcher a server gets."""

import logging
from pathlib import Path

import pytest

from inference.launchers import kubernetes_api
from inference.launchers.choose import choose_launcher
from shared.errors import SettingsError
from shared.label_studio.credentials import Credentials
from shared.net.connections import Connections
from shared.retraining.runs import Runs
from shared.settings import Settings
from shared.store.storage import Storage
from tests.inference.launchers.conftest import refuse
from tests.promises.kubernetes.api_server import CERTIFICATE, NAMESPACE, TOKEN, ApiServer


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


def test_an_api_server_that_is_unreachable_at_the_start_changes_nothing(
    server: ApiServer, pod: Path, store: Storage
) -> None:
    server.fault = refuse(500, "starting")
    assert chosen(store, "auto") == "kubernetes"


def test_no_pod_has_no_jobs(store: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kubernetes_api, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert chosen(store, "auto") == "process"
    with pytest.raises(SettingsError, match="automountServiceAccountToken"):
        chosen(store, "kubernetes")
