"""The largest resident memory of a server while something happens."""

import threading

import psutil

from tests.support.server import Server


class Peak:
    """Samples resident memory every 10 ms while the block runs [MiB]."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.before = self.peak = server.rss

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def grown(self) -> float:
        """How far it rose above what it was [MiB]."""
        return self.peak - self.before

    def _sample(self) -> None:
        while not self._ended.wait(0.01):
            try:
                self.peak = max(self.peak, self._server.rss)
            except psutil.Error:
                return
