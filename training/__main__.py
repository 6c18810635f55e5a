"""Command line of the trainer.

Exit codes are an API: 0 published, or rejected with a report; 2 permanent (bad configuration or data); 75 temporary
(Label Studio or store unreachable, another run of the project); anything else is a crash.
"""

import os
import signal
import sys
from collections.abc import Sequence

from shared.command_line import load, parse, show_anything
from shared.errors import ExitCode, SegmenterError
from shared.logs import start_logging
from shared.net.authorities import trust
from shared.settings import Settings


def main(arguments: Sequence[str] | None = None, prog: str = "python -m training") -> int:
    """Run one command and return its exit code."""
    show_anything()
    try:
        settings = Settings.from_environment()
        trust(settings.ca_file)
        parsed = parse(
            "training", list(sys.argv[1:] if arguments is None else arguments), prog, "Trains models for time series."
        )
        secrets = (settings.label_studio_api_key, settings.basic_auth_pass, settings.webhook_secret)
        form = "text" if settings.log_format == "auto" else settings.log_format
        start_logging(settings.log_level, form, secrets)
        code = int(load(parsed.command).main(parsed, settings))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `… | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.INCOMPLETE
    except SegmenterError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(ExitCode.TEMPORARY)
    )  # or the first process of a container would ignore it
    sys.exit(main())
