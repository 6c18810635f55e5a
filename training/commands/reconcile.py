"""`python -m training reconcile`: compare projects with Label Studio once, and write an update where they differ."""

import argparse
import json
import logging
import sys

from shared.errors import ExitCode
from shared.label_studio.credentials import Credentials
from shared.net.connections import Connections
from shared.retraining.controller import make_reconciler
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.opening import open_storage
from shared.store.projects import KnownProjects

log = logging.getLogger("training")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `reconcile`."""
    parser.add_argument("--project", type=read_project, help="only this one; default: all that ever connected")
    parser.add_argument("--json", action="store_true", help="write an array of findings to stdout")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """One pass. Returns DONE, or TEMPORARY where a project was not compared; raises without Label Studio."""
    storage = open_storage(settings.model_dir, settings.new_store)
    connections = Connections()
    reconciler = make_reconciler(storage, Credentials(settings, connections), connections)
    projects = KnownProjects(storage).ids() if arguments.project is None else [arguments.project]
    found = reconciler.compare_all(projects)
    if arguments.json:
        rows = [{"project": each.project, "state": each.state, "reason": each.sentence} for each in found]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    for each in found:
        log.info("Project %d: %s", each.project, each.sentence)
    if not projects:
        log.info("No project has connected yet: nothing to compare.")
    return ExitCode.TEMPORARY if any(each.state == "unknown" for each in found) else ExitCode.DONE
