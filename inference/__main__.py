"""Command line of the server: `python -m inference serve`, and tools that need no server."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from shared.errors import PermanentError, SegmenterError
from shared.settings import Settings

Command = Callable[[argparse.Namespace, Settings], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 partly or not done, 2 wrong usage, settings or data, 75 try again later."""
    options = _parser().parse_args(arguments)
    if options.command is not _serve:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends quietly
    try:
        settings = Settings.from_environment()
        command: Command = options.command
        return command(options, settings)
    except SegmenterError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, PermanentError) else 75


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
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
    each.set_defaults(command=_go_back)

    each = commands.add_parser("rollback", help="let an earlier version serve, at once and everywhere")
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("version", nargs="?", metavar="VERSION", help="default: the accepted one before the current")
    each.set_defaults(command=_go_back)
    return parser


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    from inference.serving import serve

    return serve(settings)


def _predict(options: argparse.Namespace, settings: Settings) -> int:
    from inference.files import predict_files

    return predict_files(options.project, options.files, settings, as_json=options.json)


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    from inference.doctor import doctor

    return doctor(settings, as_json=options.json)


def _go_back(options: argparse.Namespace, settings: Settings) -> int:
    from inference.versions import go_back

    return go_back(options.project, options.version, settings)


if __name__ == "__main__":
    sys.exit(main())
