"""All commands of both programs in one table, and `tss`, which runs any of them.

Modules are named by strings and imported when their command runs: nothing here needs the server or the trainer, and a
command whose libraries are missing says which and how to install them.
"""

import argparse
import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Literal, NamedTuple

from shared.errors import ExitCode, SettingsError

Package = Literal["inference", "training"]

EXTRAS: Mapping[Package, str] = {"inference": "serve", "training": "serve,train"}
EXIT_CODES = "exit codes: 0 done; 1 partly or not done; 2 wrong usage, settings or data; 75 try again later"


class Command(NamedTuple):
    """A command: its module has `configure(parser)` and `main(arguments, settings) -> exit code`."""

    package: Package
    module: str
    about: str
    short: str = ""  # its name under `tss`, where that differs


COMMANDS: Mapping[str, Command] = {
    "serve": Command("inference", "web.server", "serve Label Studio on HOST and PORT (default: 127.0.0.1:9090)"),
    "predict": Command("inference", "commands.predict", "segment files without Label Studio"),
    "import-labels": Command(
        "inference", "commands.import_labels", "make tasks with annotations or predictions of a CSV of labels"
    ),
    "doctor": Command(
        "inference", "commands.doctor", "check what training and serving need; each failure names its fix"
    ),
    "promote": Command("inference", "commands.promote", "let a kept version serve, at once and everywhere"),
    "rollback": Command("inference", "commands.rollback", "let an earlier version serve, at once and everywhere"),
    "models": Command("inference", "commands.models", "list, check, move or delete what is in the store"),
    "forget": Command(
        "inference", "commands.forget", "forget a task: reports, logs, caches, and versions that learned from it"
    ),
    "preannotate": Command(
        "inference", "commands.preannotate", "push predictions for all tasks that lack the current version"
    ),
    "labels": Command("inference", "commands.labels", "list, confirm or undo labels that were renamed in Label Studio"),
    "store": Command("inference", "commands.store", "copy a store, as from a volume into a bucket"),
    "completion": Command("inference", "commands.completion", "write a completion script for bash"),
    "run": Command("training", "commands.run", "train one project once and publish its model", short="train"),
    "watch": Command(
        "training", "commands.watch", "train what is due, until ended: a worker for servers without torch"
    ),
    "reconcile": Command("training", "commands.reconcile", "compare projects with Label Studio once"),
    "pending": Command("training", "commands.pending", "show what waits and what would be trained now"),
    "cancel": Command("training", "commands.cancel", "ask the run of a project to stop"),
    "export-labels": Command(
        "training", "commands.export_labels", "write annotations as CSV, with a label in each row of each recording"
    ),
    "curve": Command(
        "training", "commands.curve", "measure score against the number of recordings: is labelling more worth it?"
    ),
    "request": Command(
        "training", "commands.request", "ask for a training of each known project, as the train button does"
    ),
}


def commands_of(package: Package) -> dict[str, Command]:
    """The commands of one package."""
    return {name: command for name, command in COMMANDS.items() if command.package == package}


def short_names() -> dict[str, str]:
    """Names under `tss` ► names in the table."""
    return {command.short or name: name for name, command in COMMANDS.items()}


def parse(package: Package, given: Sequence[str], prog: str, description: str) -> argparse.Namespace:
    """The arguments of a package's command, with `command`. Raises SettingsError where its libraries are missing."""
    parser = argparse.ArgumentParser(prog=prog, description=description, epilog=EXIT_CODES)
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in commands_of(package).items():
        shown = command.short if prog == "tss" and command.short else name
        verb = verbs.add_parser(
            name, prog=f"{prog} {shown}", help=command.about, description=command.about.capitalize() + "."
        )
        if given and given[0] == name:  # the others need not be imported
            load(name).configure(verb)
    return parser.parse_args(given)


def load(name: str) -> Any:
    """The module of a command. Raises SettingsError where a library that it needs is not installed."""
    command = COMMANDS[name]
    try:
        return import_module(f"{command.package}.{command.module}")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{name!r} needs {error.name}, which is not installed here: pip install '.[{EXTRAS[command.package]}]'."
        ) from error


def show_anything() -> None:
    """Let output streams write a character that their encoding lacks as its number: a label must stop no command.

    A stream that was closed before this process started leads nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(arguments: Sequence[str] | None = None) -> int:
    """`tss COMMAND …`: the same as `python -m inference COMMAND …` or `python -m training COMMAND …`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="tss", description="Time Series Segmenter.", epilog=EXIT_CODES)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for short, name in short_names().items():
        verbs.add_parser(short, help=COMMANDS[name].about, add_help=False)
    parser.parse_known_args(given[:1])
    name = short_names()[given[0]]
    program = import_module(f"{COMMANDS[name].package}.__main__")
    return int(program.main([name, *given[1:]], prog="tss"))


def run_script() -> int:
    """The console script: `main`, which SIGTERM ends even as the first process of a container."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.TEMPORARY))
    return main()
