"""`labels`: labels that were renamed in Label Studio, and are read as the new ones."""

import argparse
import getpass
import json
import time

from inference.operations.labels import configured_labels
from inference.operations.operator_log import Actor, OperatorLog
from shared.errors import RefusedError
from shared.retraining.updates import LABEL_ALIAS, Updates
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.keys import read_project
from shared.store.opening import open_storage
from shared.store.projects import KnownProjects


def configure(parser: argparse.ArgumentParser) -> None:
    """Verbs of `labels`, each with its arguments."""
    parser.epilog = f"example: {parser.prog} alias --project 3 Running Pumping"
    verbs = parser.add_subparsers(dest="action", required=True, metavar="VERB")
    project = argparse.ArgumentParser(add_help=False)
    project.add_argument("--project", required=True, metavar="N")

    each = verbs.add_parser("list", parents=[project], help="renamed labels that were confirmed")
    each.add_argument("--json", action="store_true", help="write an array to stdout")
    each = verbs.add_parser("alias", parents=[project], help="confirm that a label was renamed")
    each.add_argument("old", metavar="OLD", help="label that annotations have")
    each.add_argument("new", metavar="NEW", help="label of the configuration")
    each = verbs.add_parser("remove", parents=[project], help="undo a confirmation")
    each.add_argument("old", metavar="OLD", help="label that annotations have")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """List, confirm or undo. A change starts a training. Raises RefusedError for what cannot be."""
    storage = open_storage(settings.model_dir, settings.new_store)
    aliases, project = LabelAliases(storage), read_project(options.project)
    if options.action == "list":
        found = aliases.confirmed(project)
        rows = [{"old": each.old, "new": each.new, "by": each.by, "at": each.at} for each in found]
        lines = [f"{each.old} ► {each.new}, confirmed by {each.by}" for each in found]
        print(json.dumps(rows) if options.json else "\n".join(lines) or "No label was renamed.")  # noqa: T201
        return 0
    old = options.old
    if options.action == "alias":
        new, projects = options.new, KnownProjects(storage)
        if projects.get(project) is None:
            raise RefusedError(f"This store knows no project {project}: connect it in Label Studio first.")
        labels = configured_labels(projects, project)
        aliases.add(project, old, new, by=getpass.getuser(), labels=labels)
        sentence = f"{old} is read as {new} from the next training on, which is requested."
    else:
        aliases.remove(project, old)
        sentence = f"{old} is no longer read as another label from the next training on, which is requested."
    weight = settings.start_training_each_n_updates
    Updates(storage).add(project, LABEL_ALIAS, time.time(), weight=weight)
    undo = {"action": "unalias", "old": old} if options.action == "alias" else {}
    OperatorLog(storage).record(project, Actor.of_command(), options.action, sentence, undo)
    print(sentence)  # noqa: T201
    return 0
