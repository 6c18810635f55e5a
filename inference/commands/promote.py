"""`promote`: let a kept version serve."""

import argparse

from inference.commands.rollback import roll_back
from shared.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `promote`."""
    parser.add_argument("--project", required=True, metavar="N")
    parser.add_argument("version", metavar="VERSION", help="a kept version, a rejected one too")
    parser.add_argument("--json", action="store_true", help="write an object to stdout")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Promote. Raises RefusedError if there is no such version."""
    return roll_back(options.project, options.version, settings, as_json=options.json)
