"""Choosing the launcher: by TRAIN_LAUNCHER, or by what is available."""

import importlib.util
import logging
import os

from inference.launchers.kubernetes import KubernetesLauncher
from inference.launchers.kubernetes_api import SERVICE_ACCOUNT, Cluster, ClusterApi
from shared.errors import ClusterError, SettingsError
from shared.label_studio.credentials import Credentials
from shared.retraining.launcher import ChildProcessLauncher, Launcher
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.settings import Settings

log = logging.getLogger(__name__)


class NoLauncher:
    """Launches nothing: a worker, `python -m training watch`, trains over the same store."""

    name = "none"

    def launch(self, launch: Launch) -> None:
        """Do nothing: a worker handles the updates."""

    def running(self) -> set[int]:
        """No projects."""
        return set()

    def close(self) -> None:
        """Do nothing."""


def choose_launcher(settings: Settings, runs: Runs, credentials: Credentials) -> Launcher:
    """The launcher named by TRAIN_LAUNCHER. Raises SettingsError if it cannot work here."""
    if settings.train_launcher in ("auto", "kubernetes"):
        jobs = _kubernetes(settings, runs)
        if jobs is not None:
            return jobs
    can_train = importlib.util.find_spec("torch") is not None
    match settings.train_launcher:
        case "kubernetes":
            raise SettingsError(
                "TRAIN_LAUNCHER is 'kubernetes', but this is not a pod with a service account token "
                f"({SERVICE_ACCOUNT}): set automountServiceAccountToken, or another launcher."
            )
        case "process" if not can_train:
            raise SettingsError(
                "TRAIN_LAUNCHER is 'process', but torch is not installed here: install '.[serve,train]', or set it to "
                "'none' and run `python -m training watch` elsewhere."
            )
        case "process":
            return ChildProcessLauncher(settings, runs=runs, environment=credentials.environment)
        case "auto" if can_train:
            return ChildProcessLauncher(settings, runs=runs, environment=credentials.environment)
        case "auto":
            log.warning(
                "torch is not installed, so this server starts no trainings: run `python -m training watch` over the "
                "same store."
            )
            return NoLauncher()
        case _:
            return NoLauncher()


def _kubernetes(settings: Settings, runs: Runs) -> KubernetesLauncher | None:
    """The launcher of Jobs, None if no token is mounted or, with TRAIN_LAUNCHER=auto, if the CronJob cannot be read.

    An API server that is temporarily unreachable does not change the choice.
    """
    cluster = Cluster.of_pod(os.environ)
    if cluster is None:
        return None
    api = ClusterApi(cluster)
    if settings.train_launcher == "auto":
        try:
            api.cronjob(settings.train_cronjob)
        except ClusterError as error:
            if error.status in (401, 403, 404):
                log.info("Trainings are not started as Kubernetes Jobs: %s", error)
                api.close()
                return None
            log.warning("%s", error)
    return KubernetesLauncher(settings, api, runs=runs)
