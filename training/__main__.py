"""Command line of the trainer.

Exit codes are an API: 0 published, or rejected with a report; 2 permanent (bad configuration or data); 75 temporary
(Label Studio or store unreachable, another run of the project); anything else is a crash.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from shared.errors import ExitCode, SegmenterError, SettingsError
from shared.logs import start_logging
from shared.settings import Settings


class Command(NamedTuple):
    """A verb: its module has `configure(parser)` and `main(arguments, settings) -> exit code`."""

    module: str
    about: str


COMMANDS = {
    "run": Command("training.commands.run", "train one project once and publish its model"),
    "watch": Command("training.commands.watch", "train what is due, until ended: a worker for servers without torch"),
    "reconcile": Command("training.commands.reconcile", "compare projects with Label Studio once"),
    "pending": Command("training.commands.pending", "show what waits and what would be trained now"),
    "cancel": Command("training.commands.cancel", "ask the run of a project to stop"),
    "curve": Command(
        "training.commands.curve", "measure score against the number of recordings: is labelling more worth it?"
    ),
    "request": Command(
        "training.commands.request", "ask for a training of each known project, as the train button does"
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        settings = Settings.from_environment()
        parsed = _parse(list(sys.argv[1:] if arguments is None else arguments))
        secrets = (settings.label_studio_api_key, settings.basic_auth_pass, settings.webhook_secret)
        form = "text" if settings.log_format == "auto" else settings.log_format
        start_logging(settings.log_level, form, secrets)
        return int(_module(parsed.command).main(parsed, settings))
    except SegmenterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _parse(given: list[str]) -> argparse.Namespace:
    chosen = next((word for word in given if word in COMMANDS), None)
    parser = argparse.ArgumentParser(prog="python -m training", description="Trains models for time series.")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        verb = verbs.add_parser(name, help=command.about, description=command.about.capitalize() + ".")
        if name == chosen:  # the others need not be imported
            _module(name).configure(verb)
    return parser.parse_args(given)


def _module(command: str) -> Any:
    """The module of a command. Raises SettingsError where the libraries of training are not installed."""
    try:
        return import_module(COMMANDS[command].module)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{command!r} needs {error.name}, which is not installed here: pip install '.[serve,train]'."
        ) from error


if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(ExitCode.TEMPORARY)
    )  # or the first process of a container would ignore it
    sys.exit(main())
