"""`rollback`: let an earlier version serve."""

import argparse
import json

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
    store = ModelStore(open_storage(settings.model_dir), keep_versions=settings.keep_versions)
    served = store.roll_back(read_project(project), version)
    said = json.dumps({"project": int(project), "version": served})
    print(said if as_json else f"Project {project} is served by {served} from now on; no restart is needed.")  # noqa: T201
    return 0
