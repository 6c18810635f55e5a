"""What a command writes at its end. Its work is done by then: nothing that happens here makes it fail."""

import os
import sys
from contextlib import suppress


def write_out(text: str) -> None:
    """Write to standard output, whatever its encoding is and whether or not somebody still reads it."""
    with suppress(OSError, ValueError):  # a closed pipe, a full disk
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError):  # or else the interpreter tries to write the rest when it ends, and fails
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
