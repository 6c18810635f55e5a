"""Command line of the server: `python -m inference serve`, and tools that need no server."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shared.errors import ExitCode, SegmenterError
from shared.settings import Settings

if TYPE_CHECKING:
    from inference.commands.models import ModelsCommand

EXIT_CODES = "exit codes: 0 done; 1 partly or not done; 2 wrong usage, settings or data; 75 try again later"

Command = Callable[[argparse.Namespace, Settings], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 partly or not done, 2 wrong usage, settings or data, 75 try again later."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        command: Command = options.command
        return command(options, settings)
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.INCOMPLETE
    except SegmenterError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    each = commands.add_parser("serve", help="serve Label Studio on HOST and PORT (default: 127.0.0.1:9090)")
    each.set_defaults(command=_serve)

    each = commands.add_parser(
        "predict",
        help="segment files without Label Studio",
        description="Segment CSV or JSON files with a project's model, by the same code as the server.",
        epilog="example: python -m inference predict --project 0 examples/watch/csv/*.csv --json",
    )
    each.add_argument("--project", default="0", metavar="N", help="whose model (default: 0, trained without a project)")
    each.add_argument("--json", action="store_true", help="write one JSON array to stdout, everything else to stderr")
    each.add_argument("files", nargs="+", metavar="FILE")
    each.set_defaults(command=_predict)

    each = commands.add_parser("doctor", help="check everything that the loop needs; each failure names its remedy")
    each.add_argument("--json", action="store_true", help="write an array of checks to stdout")
    each.set_defaults(command=_doctor)

    each = commands.add_parser("promote", help="let a kept version serve, at once and everywhere")
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("version", metavar="VERSION", help="a kept version, a rejected one too")
    each.add_argument("--json", action="store_true", help="write an object to stdout")
    each.set_defaults(command=_go_back)

    each = commands.add_parser("rollback", help="let an earlier version serve, at once and everywhere")
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("version", nargs="?", metavar="VERSION", help="default: the accepted one before the current")
    each.add_argument("--json", action="store_true", help="write an object to stdout")
    each.set_defaults(command=_go_back)

    _add_models(commands.add_parser("models", help="list, check, move or delete what is in the store"))

    each = commands.add_parser(
        "preannotate",
        help="push predictions for all tasks that lack the current version",
        description="Push predictions to Label Studio, batch by batch. Killed or interrupted, it goes on where it was.",
        epilog="example: python -m inference preannotate --project 3 --dry-run",
    )
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("--dry-run", action="store_true", help="only count the tasks")
    each.add_argument("--only-unlabelled", action="store_true", help="leave out tasks that people have annotated")
    each.add_argument("--rate", type=float, default=100.0, metavar="N", help="most tasks a second (default: 100)")
    each.add_argument("--json", action="store_true", help="write the summary as JSON to stdout")
    each.set_defaults(command=_preannotate)

    each = commands.add_parser(
        "completion",
        help="write a completion script for bash",
        epilog='example: eval "$(tss-serve completion)"',
    )
    each.set_defaults(command=lambda *_: _completion(sorted(commands.choices)))
    return parser


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: python -m inference models list --json"
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    json = argparse.ArgumentParser(add_help=False)
    json.add_argument("--json", action="store_true", help="write JSON to stdout")

    each = verbs.add_parser("list", parents=[json], help="all kept versions with their figures")
    each.add_argument("--project", metavar="N", help="default: all")
    each.set_defaults(command=lambda options, settings: _models(options, settings).show(options.project))

    each = verbs.add_parser("verify", parents=[json], help="seal, card, shapes and probe of every model")
    each.add_argument("--project", metavar="N", help="default: all")
    each.set_defaults(command=lambda options, settings: _models(options, settings).verify(options.project))

    each = verbs.add_parser("export", parents=[json], help="write a version to a file")
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("--version", metavar="VERSION", help="default: the one that serves")
    each.add_argument("file", metavar="FILE.onnx")
    each.set_defaults(
        command=lambda options, settings: _models(options, settings).export(
            options.project, options.version, options.file
        )
    )

    each = verbs.add_parser("import", parents=[json], help="keep a version from a file, to be promoted")
    each.add_argument("file", metavar="FILE.onnx")
    each.set_defaults(command=lambda options, settings: _models(options, settings).import_version(options.file))

    each = verbs.add_parser("delete", parents=[json], help="delete models, updates and runs of a project, for good")
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("--yes", action="store_true", help="really")
    each.set_defaults(
        command=lambda options, settings: _models(options, settings).delete(options.project, sure=options.yes)
    )


def _models(options: argparse.Namespace, settings: Settings) -> "ModelsCommand":
    from inference.commands.models import ModelsCommand

    return ModelsCommand(settings, as_json=options.json)


def _preannotate(options: argparse.Namespace, settings: Settings) -> int:
    from inference.commands.preannotate import preannotate

    return preannotate(
        options.project,
        settings,
        dry_run=options.dry_run,
        only_unlabelled=options.only_unlabelled,
        rate=options.rate,
        as_json=options.json,
    )


def _completion(words: Sequence[str]) -> int:
    script = f'complete -W "{" ".join(words)} --json --project --help" tss-serve\n'
    sys.stdout.write(script)
    return 0


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    from inference.web.server import serve

    return serve(settings)


def _predict(options: argparse.Namespace, settings: Settings) -> int:
    from inference.commands.predict import predict_files

    return predict_files(options.project, options.files, settings, as_json=options.json)


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    from inference.commands.doctor import doctor

    return doctor(settings, as_json=options.json)


def _go_back(options: argparse.Namespace, settings: Settings) -> int:
    from inference.commands.rollback import go_back

    return go_back(options.project, options.version, settings, as_json=options.json)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # or the first process of a container would ignore it
    sys.exit(main())
