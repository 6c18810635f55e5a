"""`python -m training request`: ask for a training of known projects, as the train button does."""

import argparse
import logging

from shared.retraining.updates import START_TRAINING, Updates
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.opening import open_storage
from shared.store.projects import KnownProjects

log = logging.getLogger("training")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `request`."""
    parser.add_argument("--project", type=read_project, help="only this one; default: all that ever connected")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write an update for each; whoever launches trainings for this store starts them one after another. Returns 0."""
    storage = open_storage(settings.model_dir)
    updates = Updates(storage)
    projects = KnownProjects(storage).ids() if arguments.project is None else [arguments.project]
    for project in projects:
        if any(update.action == START_TRAINING for update in updates.of(project)):
            log.info("Project %d: a training is asked for already.", project)
            continue
        updates.add(project, START_TRAINING, storage.now())
        log.info("Project %d: a training is asked for.", project)
    if not projects:
        log.info("No project has connected yet: nothing to train.")
    return 0
