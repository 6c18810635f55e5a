"""Waiting for something that a thread or another process does."""

import os
import time
from collections.abc import Callable

# What takes this long never happens: a machine with load 30 is 20 times slower than an idle one.
NEVER_SECONDS = float(os.environ.get("NEVER_SECONDS", "240"))


def wait_until(holds: Callable[[], object], seconds: float = NEVER_SECONDS) -> None:
    """Ask until it holds. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds:g} s"
        time.sleep(0.02)
