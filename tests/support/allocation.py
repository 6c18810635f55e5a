"""How much memory Python code holds."""

import tracemalloc
from collections.abc import Callable


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that `work` held at once, beyond what was there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
