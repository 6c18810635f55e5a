"""Who trains: chosen by TRAIN_LAUNCHER, or by what is there."""

import importlib.util
import logging

from shared.credentials import Credentials
from shared.errors import SettingsError
from shared.launching import ChildProcessLauncher, Launcher
from shared.runs import Runs
from shared.scheduler import Launch
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
    can_train = importlib.util.find_spec("torch") is not None
    match settings.train_launcher:
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
