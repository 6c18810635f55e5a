"""Thread pools for blocking work other than predictions."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

IO_THREADS = 4  # store writes of a few milliseconds; separate, so that an event never queues behind predictions
PAGE_THREADS = 2  # pages and metrics read the whole store


class ThreadPools:
    """One pool for short reads and writes, one for pages."""

    def __init__(self) -> None:
        self._io = ThreadPoolExecutor(IO_THREADS, "io")
        self._pages = ThreadPoolExecutor(PAGE_THREADS, "pages")

    def close(self) -> None:
        """Finish pending work and end the threads."""
        self._io.shutdown()
        self._pages.shutdown()

    async def run_in_io_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run short blocking work outside the event loop."""
        return await _run(self._io, work, *args, **kwargs)

    async def run_in_page_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that reads much of the store; nothing Label Studio waits for queues behind it."""
        return await _run(self._pages, work, *args, **kwargs)


async def _run(pool: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    context = copy_context()  # carries the request's number into the log lines of the thread
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work, *args, **kwargs))
