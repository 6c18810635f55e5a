"""`python -m training request`: ask for a training of known projects, as the train button does."""

import argparse
import logging
from collections.abc import Iterable

from shared.retraining.updates import START_TRAINING, Updates
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProjects
from shared.store.storage import Storage

log = logging.getLogger("training")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `request`."""
    parser.add_argument("--project", type=read_project, help="only this one; default: all that ever connected")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write an update for each; the launcher of this store starts the trainings one after another. Returns 0."""
    storage = open_storage(settings.model_dir, settings.new_store)
    projects = KnownProjects(storage).ids() if arguments.project is None else [arguments.project]
    request_trainings(storage, projects)
    if not projects:
        log.info("No project has connected yet: nothing to train.")
    return 0


def request_outdated(settings: Settings) -> int:
    """Ask for a training of each project whose model was trained by older rules. Returns 0."""
    storage = open_storage(settings.model_dir, settings.new_store)
    store = ModelStore(storage)
    infos = {project: store.model_info(project) for project in store.projects()}
    outdated = {number for number, info in infos.items() if info and info.snapshot and info.snapshot.is_outdated}
    known = set(KnownProjects(storage).ids())
    request_trainings(storage, sorted(outdated & known))
    for project in sorted(outdated - known):
        log.info("Project %d: it never connected; train it again from its export.", project)
    log.info("%d of %d models were trained by older rules.", len(outdated), len(infos))
    return 0


def request_trainings(storage: Storage, projects: Iterable[int]) -> None:
    """Write an update for each of `projects`, unless one asks for a training already."""
    updates = Updates(storage)
    for project in projects:
        if any(update.action == START_TRAINING for update in updates.of(project)):
            log.info("Project %d: a training is asked for already.", project)
            continue
        updates.add(project, START_TRAINING, storage.now())
        log.info("Project %d: a training is asked for.", project)
