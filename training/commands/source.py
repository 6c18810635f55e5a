"""Where a command reads annotations from: a project in Label Studio, or a JSON export of one."""

import argparse
from pathlib import Path

from shared.errors import PermanentError, RefusedError
from shared.quoting import quoted
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.keys import read_project
from shared.store.opening import open_storage
from shared.store.storage import Storage
from training.data.training_data import TrainingData, training_data_of_export, training_data_of_project


def add_source(parser: argparse.ArgumentParser) -> None:
    """Arguments `--project`, `--tasks`, `--label-config` and `--series`."""
    parser.add_argument("--project", type=read_project, help="id in Label Studio; 0 is the default offline")
    parser.add_argument("--tasks", type=Path, help="read this JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, help="labelling configuration (XML) that goes with --tasks")
    parser.add_argument("--series", metavar="NAME", help="which TimeSeries tag, where the project has several")


def check_source(arguments: argparse.Namespace, command: str) -> None:
    """Raise PermanentError where they name no source."""
    if bool(arguments.tasks) != bool(arguments.label_config) or (arguments.tasks is None and arguments.project is None):
        raise PermanentError(f"{command} needs --project N, or --tasks EXPORT.json with --label-config CONFIG.xml.")


def existing_storage(settings: Settings) -> Storage | None:
    """The store, if there is one; none is made."""
    exists = "://" in settings.model_dir or Path(settings.model_dir).exists()
    return open_storage(settings.model_dir, settings.new_store) if exists else None


def read_source(arguments: argparse.Namespace, settings: Settings, storage: Storage | None) -> TrainingData:
    """Annotated tasks. storage: where renamed labels are confirmed."""
    project = arguments.project or 0
    aliases = LabelAliases(storage).of(project) if storage else {}
    if arguments.tasks:
        return training_data_of_export(arguments.tasks, arguments.label_config, settings, aliases)
    return training_data_of_project(project, settings, aliases)


def of_one_series(data: TrainingData, name: str | None) -> TrainingData:
    """One series alone, the first where none is named; of several a note says which. Raises RefusedError."""
    known = ", ".join(quoted(each.to_name) for each in data.config.series)
    config = next((each for each in data.config.series if name in (None, each.to_name)), None)
    if config is None:
        raise RefusedError(f"The configuration has no series {quoted(name or '')} with labels; it has {known}.")
    alone = data.of_series(config)
    if not data.config.others:
        return alone
    more = "" if name else " --series names another one."
    return alone._replace(notes=(*data.notes, f"Of the series {known} this is {quoted(config.to_name)}.{more}"))
