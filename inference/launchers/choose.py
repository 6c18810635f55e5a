"""Who trains: chosen by TRAIN_LAUNCHER, or by what is there."""

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
    """Nobody here trains: a worker does, `python -m training watch`, over the same store."""

    name = "none"

    def launch(self, launch: Launch) -> None:
        """Leave the updates to a worker."""

    def running(self) -> set[int]:
        """Nothing runs here."""
        return set()

    def close(self) -> None:
        """Nothing to end."""


def choose_launcher(settings: Settings, runs: Runs, credentials: Credentials) -> Launcher:
    """The launcher that TRAIN_LAUNCHER names. Raises SettingsError where it cannot work."""
    if settings.train_launcher in ("auto", "kubernetes"):
        jobs = _kubernetes(settings, runs)
        if jobs is not None:
            return jobs
    can_train = importlib.util.find_spec("torch") is not None
    match settings.train_launcher:
        case "kubernetes":
            raise SettingsError(
                "TRAIN_LAUNCHER is 'kubernetes', but this is no pod with a service account token "
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
                "Nobody trains here, torch is not installed: run `python -m training watch` over the same store."
            )
            return NoLauncher()
        case _:
            return NoLauncher()


def _kubernetes(settings: Settings, runs: Runs) -> KubernetesLauncher | None:
    """The launcher of Jobs where a token is mounted; if nobody asked for it by name, the CronJob must be readable, too.

    An API server that is away for a moment changes nothing.
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
                log.info("Trainings are no Kubernetes Jobs here: %s", error)
                api.close()
                return None
            log.warning("%s", error)
    return KubernetesLauncher(settings, api, runs=runs)
