"""Limits on connections: their number, the time for a request to arrive, the time for an answer to be received.

uvicorn itself has no time limit and reads headers of any size.
"""

import asyncio
from asyncio.events import TimerHandle
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

PIPELINED = 8  # requests that may queue behind one being answered; Label Studio and browsers send none
HEAD_BYTES = 2**16  # of a request line with its headers, or of what a chunked body holds beside its chunks


class ConnectionLimits(NamedTuple):
    """The limits, and callbacks for refusals and for the number of connections."""

    connections: int
    seconds: float
    refused: Callable[[str], object]  # with a label of tss_requests_refused_total
    connected: Callable[[int], object]


def make_protocol(limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """The protocol class of which uvicorn creates one for each connection."""
    return type("LimitedHttpProtocol", (LimitedHttpProtocol,), {"limits": limits})


class TooManyAtOnceError(Exception):
    """A client sends requests without waiting for answers."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection. Runs on the event loop; the parser calls `on_…` from within `data_received`."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arrival = _Timer(self.loop, self.limits.seconds, self._too_slow)  # runs while a request is arriving
        self._receipt = _Timer(
            self.loop, self.limits.seconds, self._not_received
        )  # runs while an answer waits to be received
        self._waits_since = self.loop.time()
        self._silent = 0  # bytes since the parser's last callback
        self._spoke = False
        self._begun = False  # a request whose headers are incomplete

    # Arriving

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._make_room()
        self.limits.connected(len(self.connections))
        self._arrival.start()

    def data_received(self, data: bytes) -> None:
        self._spoke = False
        super().data_received(data)
        self._silent = 0 if self._spoke else self._silent + len(data)
        if self._silent > HEAD_BYTES:
            self._refuse(431, "head", f"The request's headers are longer than {HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        self._spoke = self._begun = True
        self._waits_since = self.loop.time()
        if not self._arrival.runs:
            self._arrival.start()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header, and for each trailer of a chunked body, which counts for nothing."""
        if self._begun:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._spoke, self._begun = True, False
        if len(self.pipeline) >= PIPELINED:
            self.limits.refused("head")
            raise TooManyAtOnceError  # ends parsing and closes the connection
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Called by the parser at the start of each chunk."""
        self._spoke = True

    def on_body(self, body: bytes) -> None:
        self._spoke = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._arrival.stop()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _too_slow(self) -> None:
        if self.flow.read_paused or (self._begun and self._is_answering()):  # the client waits for this server
            self._arrival.start()
            return
        self._refuse(408, "slow", f"The request did not arrive within CLIENT_TIMEOUT_SECONDS={self.limits.seconds:g}.")

    def _refuse(self, status: int, reason: str, sentence: str) -> None:
        """Close the connection, after an error response if one can still be sent."""
        self._arrival.stop()
        if self.transport.is_closing():
            return
        self.limits.refused(reason)
        due = self._begun or self._is_receiving()
        if not due or self._is_answering() or self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        body = msgspec.json.encode({"error": sentence})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _make_room(self) -> None:
        """Close the connection idle longest; this one, if all others are being answered."""
        waiting = (
            each for each in self.connections if isinstance(each, LimitedHttpProtocol) and not each._is_answering()
        )
        longest = min(waiting, key=lambda each: each._waits_since, default=self)
        self.limits.refused("connections")
        self.connections.discard(longest)
        longest.transport.abort()

    # Answering

    def pause_writing(self) -> None:
        super().pause_writing()
        self._receipt.start()

    def resume_writing(self) -> None:
        self._receipt.stop()
        super().resume_writing()

    def on_response_complete(self) -> None:
        self._waits_since = self.loop.time()
        if self.transport.get_write_buffer_size():
            self._receipt.start()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrival.stop()
        self._receipt.stop()
        super().connection_lost(exc)
        self.limits.connected(len(self.connections))

    def _not_received(self) -> None:
        if self.transport.get_write_buffer_size():
            self.limits.refused("slow")
            self.transport.abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _is_receiving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_started and self.cycle.more_body


class _Timer:
    """Calls back once after some seconds, unless stopped or restarted before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._ring = ring
        self._handle: TimerHandle | None = None

    @property
    def runs(self) -> bool:
        return self._handle is not None

    def start(self) -> None:
        self.stop()
        self._handle = self._loop.call_later(self._seconds, self._over)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _over(self) -> None:
        self._handle = None
        self._ring()
