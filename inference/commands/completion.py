"""`completion`: a bash completion script for all console scripts."""

import argparse
import sys
from collections.abc import Iterable

from shared.command_line import commands_of, short_names
from shared.errors import ExitCode
from shared.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """No arguments."""
    parser.epilog = 'example: eval "$(tss completion)"'


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Write the script to stdout."""
    sys.stdout.write(_complete("tss", short_names()))
    sys.stdout.write(_complete("tss-serve", commands_of("inference")))
    sys.stdout.write(_complete("tss-train", commands_of("training")))
    return ExitCode.DONE


def _complete(script: str, names: Iterable[str]) -> str:
    return f'complete -W "{" ".join(sorted(names))} --json --project --help" {script}\n'
