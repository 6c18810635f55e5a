"""Writers that take turns by a file which only one of them can make."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import StoreError

TURN_SECONDS = 30.0  # after which the writer must have ended: a model file is written in less than one


def is_needed() -> bool:
    """Whether this system lacks what `shared.store.folder` needs."""
    return os.open not in os.supports_dir_fd or not hasattr(os, "O_NOFOLLOW")


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold the turn that the file at `path` stands for. Raises StoreError where it is not free in TURN_SECONDS."""
    deadline = time.monotonic() + 2 * TURN_SECONDS
    while True:
        try:
            path.touch(exist_ok=False)
            break
        except (FileExistsError, PermissionError):  # Windows: the file of the last writer is being deleted
            with suppress(OSError):
                if abs(time.time() - path.stat().st_mtime) > TURN_SECONDS:
                    path.unlink()
                    continue
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{path} is held by another process, or cannot be made; delete it if there is none."
                ) from None
            time.sleep(random.uniform(0.001, 0.01))  # noqa: S311
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
