"""Thread pools for work that may block, apart from those of predictions."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

IO_THREADS = 4  # store writes of a few milliseconds; apart from predictions, so that an event never queues behind one
PAGE_THREADS = 2  # pages and metrics read the whole store: they wait for it in threads of their own


class ThreadPools:
    """One pool for short reads and writes, one for pages."""

    def __init__(self) -> None:
        self._io = ThreadPoolExecutor(IO_THREADS, "io")
        self._pages = ThreadPoolExecutor(PAGE_THREADS, "pages")

    def close(self) -> None:
        """Finish the work and end the threads."""
        self._io.shutdown()
        self._pages.shutdown()

    async def run_in_io_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something short that may block, outside the event loop."""
        return await _run(self._io, work, *args, **kwargs)

    async def run_in_page_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that reads much of the store; nothing that Label Studio waits for queues behind it."""
        return await _run(self._pages, work, *args, **kwargs)


async def _run(pool: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    context = copy_context()  # carries the request's number into the log lines of the thread
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work, *args, **kwargs))
