"""`python -m training cancel`: ask the run of a project to stop, wherever it runs."""

import argparse
import sys

from shared.retraining.runs import Runs
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.opening import open_storage


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `cancel`."""
    parser.add_argument("--project", type=read_project, required=True, help="whose run")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Leave a marker that the trainer reads at its next heartbeat. Returns 0, or 1 if nothing runs."""
    number = Runs(open_storage(settings.model_dir, settings.new_store)).request_cancel(arguments.project)
    if number is None:
        sys.stdout.write(f"No run of project {arguments.project} goes on.\n")
        return 1
    sys.stdout.write(f"Run {number} of project {arguments.project} will stop within a few seconds.\n")
    return 0
