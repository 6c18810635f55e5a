"""`python -m training watch`: a worker that trains what is due, for servers that cannot (no torch, no Kubernetes).

It shares MODEL_DIR with them: the server writes updates, this worker turns them into runs, one child process each.
"""

import argparse
import importlib.util
import logging
import signal
import threading

from shared.errors import SettingsError
from shared.label_studio.credentials import Credentials
from shared.net.connections import Connections
from shared.retraining.controller import Controller, make_reconciler
from shared.retraining.launcher import ChildProcessLauncher
from shared.retraining.runs import Runs
from shared.settings import Settings
from shared.store.opening import open_storage

log = logging.getLogger("training")


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments: the settings say all."""
    parser.epilog = "example: MODEL_DIR=/models LABEL_STUDIO_API_KEY=… python -m training watch"


def main(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001  every verb is called so
    """Train what is due until SIGTERM or SIGINT. Returns 0."""
    if importlib.util.find_spec("torch") is None:
        raise SettingsError("watch trains, but torch is not installed here: pip install '.[serve,train]'.")
    storage = open_storage(settings.model_dir, settings.new_store)
    connections = Connections()
    credentials = Credentials(settings, connections)
    launcher = ChildProcessLauncher(settings, runs=Runs(storage), environment=credentials.environment)
    control = Controller(settings, storage, launcher, make_reconciler(storage, credentials, connections))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    log.info("Watching %s; Label Studio is %s.", storage.address, settings.label_studio_host)
    control.start()
    ended.wait()
    log.info("Ending: running trainings are stopped; waiting updates stay.")
    control.stop()
    launcher.close()
    return 0
