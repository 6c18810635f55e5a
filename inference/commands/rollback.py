"""`rollback`: let an earlier version serve."""

import argparse
import json

from inference.operations.operator_log import Actor, OperatorLog
from inference.operations.versions import record_served
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rollback`."""
    parser.add_argument("--project", required=True, metavar="N")
    parser.add_argument("version", nargs="?", metavar="VERSION", help="default: the accepted one before the current")
    parser.add_argument("--json", action="store_true", help="write an object to stdout")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Roll back. Raises RefusedError if there is no such version."""
    return roll_back(options.project, options.version, settings, as_json=options.json)


def roll_back(project: str, version: str | None, settings: Settings, *, as_json: bool) -> int:
    """Let a kept version serve again; running servers notice within a second."""
    storage, number = open_storage(settings.model_dir, settings.new_store), read_project(project)
    store = ModelStore(storage, keep_versions=settings.keep_versions)
    before = store.model_info(number)
    served = store.roll_back(number, version)
    action = "promote" if version else "roll-back"
    record_served(OperatorLog(storage), number, Actor.of_command(), action, served, before.version if before else "")
    answer = json.dumps({"project": int(project), "version": served})
    print(answer if as_json else f"Project {project} is served by {served} from now on; no restart is needed.")  # noqa: T201
    return 0
