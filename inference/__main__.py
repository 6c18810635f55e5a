"""Command line of the server: `python -m inference serve`, and tools that need no server."""

import os
import signal
import sys
from collections.abc import Sequence

from shared.command_line import load, parse, show_anything
from shared.errors import ExitCode, SegmenterError
from shared.net.authorities import trust
from shared.settings import Settings


def main(arguments: Sequence[str] | None = None, prog: str = "python -m inference") -> int:
    """Run a command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    show_anything()
    try:
        options = parse("inference", given, prog, __doc__ or "")
        settings = Settings.from_environment()
        trust(settings.ca_file)
        code = int(load(options.command).main(options, settings))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `… | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.INCOMPLETE
    except SegmenterError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # or the first process of a container would ignore it
    sys.exit(main())
