"""`tss forget`: forget a recording that must not be kept."""

import argparse
import json
import sys

import msgspec

from inference.monitoring.task_table import TaskTable
from inference.operations.forgetting import Forgetter
from inference.operations.operator_log import Actor, OperatorLog
from shared.errors import ExitCode, RefusedError
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.opening import open_storage


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `forget`."""
    parser.description = (
        "Remove a task's recording from reports, logs, caches and the networks kept for later trainings, and list the "
        "kept versions that learned from it. Delete the task in Label Studio first, or the next training learns it."
    )
    parser.epilog = f"example: {parser.prog} --project 3 --task 71 --versions"
    parser.add_argument("--project", required=True, metavar="N")
    parser.add_argument("--task", required=True, metavar="M", help="its id in Label Studio")
    parser.add_argument(
        "--versions",
        action="store_true",
        help="also delete the kept versions that learned from it, the one that serves included, and those that do not "
        "say what they learned from",
    )
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Forget a task. Raises RefusedError while a training runs."""
    storage, project = open_storage(settings.model_dir, settings.new_store), read_project(options.project)
    if not options.task.isascii() or not options.task.isdigit() or len(options.task) > 18:
        raise RefusedError(f"The task is {options.task[:100]!r}, but must be its id in Label Studio, a whole number.")
    forgetter = Forgetter(settings, storage, TaskTable(storage), OperatorLog(storage))
    found = forgetter.forget(project, str(int(options.task)), Actor.of_command(), versions=options.versions)
    sentence = found.sentence
    if found.serves and not project:
        sentence += " Train again offline, from an export without it."
    elif found.serves:
        sentence += " A training is asked for" + (
            f"; until it ends no model serves: {found.serves} did." if found.deleted else "."
        )
    if project:
        sentence += (
            " While Label Studio has the task and its annotations, a training learns them again: delete it there."
        )
    sys.stdout.write((json.dumps(msgspec.to_builtins(found), indent=1) if options.json else sentence) + "\n")
    return ExitCode.DONE
